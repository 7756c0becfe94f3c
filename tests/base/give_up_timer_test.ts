// contract: what a timer gives up is given up after its time, and not while something is unread
import { assert, assertEquals } from "@std/assert";
import { giveUpOn, GiveUpTimer } from "../../src/base/abortable.ts";

function beBusy(time: number): void {
  const begun = performance.now();
  while (performance.now() - begun < time);
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

Deno.test("GiveUpTimer gives up once when its time is over", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  let count = 0;
  const begun = performance.now();
  new GiveUpTimer(120, () => resolve(++count));
  assertEquals(await promise, 1);
  assert(performance.now() - begun >= 119);
  await turn();
  assertEquals(count, 1);
});

Deno.test("GiveUpTimer does not count the time in which nothing is read", async () => {
  const { port1, port2 } = new MessageChannel();
  const log: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  port2.onmessage = () => log.push("message");
  using _timer = new GiveUpTimer(300, () => {
    log.push("given up");
    resolve();
  });
  // It is sent while the timer has most of its time left, and read much later.
  port1.postMessage(0);
  beBusy(600);
  const back = performance.now();
  await promise;
  assertEquals(log, ["message", "given up"]);
  assert(performance.now() - back > 100);
  port1.close();
  port2.close();
});

Deno.test("GiveUpTimer waits for what it is told has not arrived", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = 0;
  new GiveUpTimer(0, resolve, { checkArrivals: () => () => ++asked > 50 });
  await promise;
  assert(asked > 50);
});

Deno.test("GiveUpTimer that is cleared at any moment gives nothing up, and leaves no timer", async () => {
  for (let turns = 0; turns < 14; turns++) {
    const timer = new GiveUpTimer(0, () => {
      throw new Error("it was cleared");
    });
    for (let turned = 0; turned < Math.min(turns, 7); turned++) await turn();
    timer.clear();
  }
  using _endless = new GiveUpTimer(Infinity, () => {});
});

Deno.test("giveUpOn() waits with a timeout only", async () => {
  const log: unknown[] = [];
  const controller = new AbortController();
  using _now = giveUpOn(controller.signal, (reason) => log.push(reason));
  controller.abort("at once");
  assertEquals(log, ["at once"]);
  const timed = new AbortController();
  const { promise, resolve } = Promise.withResolvers<unknown>();
  using _later = giveUpOn(timed.signal, resolve);
  const dropped = giveUpOn(timed.signal, () => log.push("dropped"));
  const reason = new DOMException("too late", "TimeoutError");
  timed.abort(reason);
  dropped[Symbol.dispose]();
  assertEquals(await promise, reason);
  assertEquals(log, ["at once"]);
});
