// A thread that does nothing but wake up, and counts how long it could not: others had the processors.
/// <reference lib="deno.worker" />

/** How often it wakes up, and what does not count as late, in milliseconds. */
const STEP = 10;
const ON_TIME = 5;

let denied = 0;
let due = performance.now() + STEP;

setInterval(() => {
  const now = performance.now();
  const late = now - due;
  if (late > ON_TIME) denied += late;
  due = now + STEP;
}, STEP);

self.onmessage = () => self.postMessage(denied);
