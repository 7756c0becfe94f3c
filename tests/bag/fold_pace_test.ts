// collaboration: what says when full journals are folded, with a fold and a timer that are faked
import { assertEquals } from "@std/assert";
import { FoldScheduler } from "../../src/bag/fold/scheduler.ts";

/** A pace that counts the folds it starts, and whose pauses end when the test says so. */
function createPace() {
  const timers = new Set<() => void>();
  let folds = 0;
  const wait = (fn: () => void): Disposable => {
    timers.add(fn);
    return { [Symbol.dispose]: () => void timers.delete(fn) };
  };
  const pace = new FoldScheduler({ start: () => void folds++, wait });
  return {
    pace,
    timers,
    get folds() {
      return folds;
    },
    endPause() {
      const [fn] = timers;
      timers.clear();
      fn?.();
    },
  };
}

Deno.test("FoldScheduler lets a full journal of few values wait until nothing is written", () => {
  const test = createPace();
  test.pace.full();
  test.pace.count();
  test.endPause();
  assertEquals(test.folds, 0);
  test.pace.count();
  test.endPause();
  assertEquals(test.folds, 0);
  test.endPause();
  assertEquals([test.folds, test.timers.size], [1, 0]);
});

Deno.test("FoldScheduler folds when eight full journals wait, whoever goes on writing", () => {
  const test = createPace();
  for (let n = 0; n < 7; n++) test.pace.full();
  assertEquals([test.folds, test.timers.size], [0, 1]);
  test.pace.full();
  assertEquals([test.folds, test.timers.size], [1, 0]);
  test.pace.full();
  assertEquals([test.folds, test.timers.size], [1, 1]);
});

Deno.test("FoldScheduler folds a full journal of many values at once", () => {
  const test = createPace();
  for (let n = 0; n <= 4096; n++) test.pace.count();
  test.pace.full();
  assertEquals([test.folds, test.timers.size], [1, 0]);
});

Deno.test("FoldScheduler forgets what waits when it is disposed", () => {
  const test = createPace();
  test.pace.full();
  test.pace[Symbol.dispose]();
  assertEquals([test.folds, test.timers.size], [0, 0]);
});

Deno.test("FoldScheduler starts a fold by itself once the pause is over", async () => {
  const started = Promise.withResolvers<void>();
  using pace = new FoldScheduler({ start: started.resolve });
  // A pause alone keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  pace.full();
  await started.promise;
  clearInterval(alive);
});
