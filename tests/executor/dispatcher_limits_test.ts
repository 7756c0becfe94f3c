// collaboration: the dispatcher's priorities, retries and limits, with workers faked through their interface
import type { SentCall } from "../../src/task/future.ts";
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  CancelledError,
  DependencyError,
  ExecutorShutdownError,
  WorkerDiedError,
  WorkerInitError,
} from "../../src/base/errors.ts";
import { SafeObserver } from "../../src/executor/dispatch/observer.ts";
import type { ExecutorObserver } from "../../src/executor/call_options.ts";
import { warnOfFailedInit } from "../../src/executor/engine/engine.ts";
import type { QuiverWarning } from "../../src/base/warning.ts";
import { FakeWorker, settle, Stage } from "./fake_workers.ts";

const SHORT = { duration: 0.01 };

Deno.test("Dispatcher.run() sends higher priorities first, and equal ones first come first served", async () => {
  await using stage = new Stage();
  await stage.runAll("a");
  await stage.runAll("bc", { priority: -1 });
  await stage.runAll("de");
  await stage.runAll("fg", { priority: 5 });
  let order = "";
  while (stage.worker(0).pending > 0) {
    order += stage.worker(0).tasks;
    await stage.worker(0).finish();
  }
  assertEquals(order, "afgdebc");
});

Deno.test("Dispatcher.run() lets a higher priority overtake what was sent ahead", async () => {
  await using stage = new Stage({ prefetch: 4 });
  await stage.runAll("abcdef");
  await stage.worker(0).finish(SHORT);
  assertEquals(stage.tasks, ["b c d e"]);
  await stage.runAll("z", { priority: 1 });
  await stage.worker(0).finish(SHORT);
  assertEquals(stage.tasks, ["z c d"]);
  await stage.finishAll(SHORT);
  assertEquals(stage.worker(0).finished, 7);
});

Deno.test("Dispatcher.run() does not take back calls for one of the same priority", async () => {
  await using stage = new Stage({ prefetch: 4 });
  await stage.runAll("x", { priority: -1 });
  await stage.runAll("ab");
  await stage.worker(0).finish(SHORT);
  assertEquals(stage.tasks, ["a b"]);
  await stage.runAll("c");
  assertEquals([stage.tasks, stage.worker(0).revoked], [["a b c"], 0]);
});

Deno.test("Dispatcher.run() puts a call that was taken back before those of its priority", async () => {
  await using stage = new Stage({ prefetch: 4 });
  await stage.runAll("abcdef");
  await stage.worker(0).finish(SHORT);
  assertEquals(stage.tasks, ["b c d e"]);
  await stage.worker(0).die();
  await stage.worker(1).finish(SHORT);
  assertEquals(stage.tasks, ["d e f"]);
});

// executors 79
Deno.test("Dispatcher.run() runs a call again when the task throws, as often as `retries` says", async () => {
  await using stage = new Stage();
  const [flaky, hopeless] = [
    ...await stage.runAll("a", { retries: 2 }),
    ...await stage.runAll("b", { retries: 1 }),
  ];
  await stage.worker(0).fail(new Error("once"));
  await stage.worker(0).fail(new TypeError("twice"));
  assertEquals(stage.tasks, ["a"]);
  await stage.worker(0).finish();
  assertEquals(await flaky, "a");
  await stage.worker(0).fail(new Error("once"));
  await stage.worker(0).fail(new Error("twice"));
  assertEquals((await hopeless as { type: string }).type, "error");
  const { completed, failed, retried } = stage.dispatcher.callStatistics();
  assertEquals({ completed, failed, retried }, { completed: 1, failed: 1, retried: 3 });
});

Deno.test("Dispatcher.run() runs a call again on another worker when its worker dies", async () => {
  await using stage = new Stage({ retries: 1 });
  const [saved, lost] = await stage.runAll("ab");
  await stage.worker(0).die();
  await stage.worker(1).finish();
  assertEquals(await saved, "a");
  await stage.worker(1).die();
  await stage.worker(2).die();
  await assertRejects(async () => await lost, WorkerDiedError);
  assertEquals(stage.workers.length, 3);
});

// executors 79
Deno.test("Dispatcher.run() never runs a call again whose dependency failed or that was cancelled", async () => {
  await using stage = new Stage({ retries: 5 });
  const calls = await stage.runAll("ab");
  await stage.worker(0).fail(new DependencyError("Cannot run", ["x", "a"]));
  await stage.worker(0).fail(new CancelledError("Cannot finish"));
  const ended = await Promise.all(calls) as { type: string }[];
  assertEquals(ended.map(({ type }) => type), ["error", "error"]);
});

Deno.test("Dispatcher.run() runs no call again that was given up meanwhile", async () => {
  await using stage = new Stage({ retries: 5 });
  const controller = new AbortController();
  const call = stage.run("a", { cancellation: controller.signal });
  await settle();
  await stage.worker(0).fail(new Error("once"));
  controller.abort(new Error("enough"));
  await assertRejects(() => call, Error, "enough");
  await stage.worker(0).fail(new Error("twice"));
  assertEquals(stage.dispatcher.statistics().queued, 0);
});

Deno.test("Dispatcher.run() tells whether a call has begun, and anew when it runs again", async () => {
  await using stage = new Stage({ retries: 1, maxWorkers: 1 });
  let sent: SentCall | undefined;
  const call = stage.run("a", { sent: (call) => sent = call });
  assertEquals([sent?.begun, sent?.toRejection?.(new Error())], [false, undefined]);
  await settle();
  assertEquals(sent?.begun, true);
  stage.worker(0).begins = false;
  await stage.worker(0).fail(new Error("once"));
  assertEquals([stage.tasks, sent?.begun], [["a"], false]);
  stage.worker(0).begins = true;
  assertEquals(sent?.begun, true);
  await stage.worker(0).finish();
  await call;
});

// executors 46
Deno.test("Dispatcher replaces a worker after `maxTasksPerWorker` calls, and sends none ahead beyond", async () => {
  await using stage = new Stage({ maxTasksPerWorker: 3, prefetch: 8 });
  const calls = await stage.runAll("abcdefg");
  await stage.worker(0).finish(SHORT);
  assertEquals(stage.tasks, ["b c"]);
  await stage.finishAll(SHORT);
  assertEquals(await Promise.all(calls), [..."abcdefg"]);
  assertEquals(stage.workers.map(({ finished, ended }) => [finished, ended]), [
    [3, "closed"],
    [3, "closed"],
    [1, "no"],
  ]);
});

Deno.test("Dispatcher does not count calls that a worker gave back", async () => {
  await using stage = new Stage({ maxTasksPerWorker: 4, prefetch: 8 });
  await stage.runAll("abcd");
  await stage.worker(0).finish(SHORT);
  assertEquals(stage.tasks, ["b c d"]);
  await stage.runAll("z", { priority: 1 });
  assertEquals([stage.tasks, stage.worker(0).revoked], [["b z c"], 2]);
  await stage.finishAll(SHORT);
  assertEquals(stage.workers.map(({ finished }) => finished), [4, 1]);
});

// executors 46
Deno.test("Dispatcher.close() right after the limit does not stall", async () => {
  const stage = new Stage({ maxTasksPerWorker: 1 });
  const calls = await stage.runAll("abc");
  const closed = stage.dispatcher.close();
  await stage.finishAll();
  assertEquals(await Promise.all(calls), ["a", "b", "c"]);
  await closed;
  assertEquals(stage.workers.map(({ ended }) => ended), ["closed", "closed", "closed"]);
});

Deno.test("Dispatcher replaces a worker that holds too much memory, and takes back what it has not started", async () => {
  await using stage = new Stage({ prefetch: 4 });
  const calls = await stage.runAll("abcde");
  await stage.worker(0).finish(SHORT);
  assertEquals(stage.tasks, ["b c d e"]);
  await stage.worker(0).finish({ ...SHORT, heapBytes: 1e9 });
  // The next has started already.
  assertEquals(stage.worker(0).tasks, "c");
  await stage.worker(0).finish();
  assertEquals(stage.worker(0).ended, "closed");
  await stage.finishAll();
  assertEquals(await Promise.all(calls), [..."abcde"]);
  assertEquals(stage.worker(1).finished, 2);
});

// executors 51
Deno.test("Dispatcher.resize() ends the first that ends a call, and the survivor stays the same", async () => {
  await using stage = new Stage({ maxWorkers: 2, prefetch: 4 });
  await stage.runAll("abcdefgh");
  await stage.worker(0).finish(SHORT);
  const before = stage.tasks;
  assertEquals(before, ["c d e f", "a g h"]);
  stage.dispatcher.resize(2);
  assertEquals(stage.tasks, before);
  stage.dispatcher.resize(1);
  await stage.worker(1).finish(SHORT);
  // What it had started ends, what it had not goes to the other.
  assertEquals(stage.tasks, ["c d e f", "g"]);
  await stage.worker(1).finish(SHORT);
  assertEquals([stage.worker(0).ended, stage.worker(1).ended], ["no", "closed"]);
  assertEquals(stage.dispatcher.statistics().workers, 1);
  stage.dispatcher.resize(2);
  await stage.runAll("ij");
  await stage.finishAll();
  assertEquals(stage.workers.map(({ ended }) => ended), ["no", "closed", "no"]);
});

// executors 53
Deno.test("Dispatcher.resize() recovers when a worker dies right after", async () => {
  await using stage = new Stage({ maxWorkers: 2 });
  const calls = await stage.runAll("abcd");
  stage.dispatcher.resize(1);
  await stage.worker(0).die();
  await stage.worker(1).die();
  await stage.finishAll();
  assertEquals(await Promise.all(calls.slice(2)), ["c", "d"]);
  assertEquals(stage.workers.length, 3);
});

// executors 34
Deno.test("Dispatcher.terminate() rejects all that has not ended, at once", async () => {
  const stage = new Stage({ prefetch: 4 });
  const calls = await stage.runAll("abcdef");
  await stage.worker(0).finish(SHORT);
  stage.dispatcher.terminate();
  const results = await Promise.allSettled(calls.slice(1));
  for (const result of results) {
    assert(result.status === "rejected" && result.reason instanceof ExecutorShutdownError);
    assert(result.reason.message.includes("was shut down"));
  }
  await stage.dispatcher.close();
});

// executors 43
Deno.test("Dispatcher.run() rejects every call when `init` fails, and one warning is given", async () => {
  const cause = new TypeError("no licence");
  const failure = new WorkerInitError("Cannot start", { cause, hook: "init" });
  const warnings: QuiverWarning[] = [];
  const open = warnOfFailedInit(() => Promise.reject(failure), (warning) => warnings.push(warning));
  await using stage = new Stage({ maxWorkers: 3, open });
  const results = await Promise.allSettled([
    ...await stage.runAll("abcdef"),
    ...await stage.runAll("gh"),
  ]);
  for (const result of results) {
    assert(result.status === "rejected");
    assertStrictEquals(result.reason, failure);
  }
  assertEquals(warnings.map((warning) => warning.cause), [failure]);
});

// executors 13
Deno.test("Dispatcher rejects what is queued when the last worker died and none can start", async () => {
  const worker = new FakeWorker("only");
  let opened = 0;
  const gone = new WorkerInitError("Cannot start");
  const open = () => opened++ === 0 ? Promise.resolve(worker) : Promise.reject(gone);
  const stage = new Stage({ open });
  const calls = await stage.runAll("abcd");
  await worker.die();
  await assertRejects(async () => await calls[0], WorkerDiedError);
  for (const call of calls.slice(1)) await assertRejects(async () => await call, WorkerInitError);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher tells an observer of calls and workers", async () => {
  const log: string[] = [];
  const observer: ExecutorObserver = {
    queued: ({ id, task }) => log.push(`${id} ${task} queued`),
    started: ({ id, worker }) => log.push(`${id} at ${worker}`),
    retried: ({ id, attempt, error }) => log.push(`${id} again, ${attempt}: ${error}`),
    finished: ({ id, outcome, time }) => log.push(`${id} ${outcome} ${time >= 0}`),
    workerStarted: ({ worker }) => log.push(`${worker} is there`),
    workerEnded: ({ worker, reason }) => log.push(`${worker} ${reason}`),
  };
  const stage = new Stage({ observer: new SafeObserver(observer, () => {}) });
  await stage.runAll("a", { retries: 1 });
  await stage.worker(0).fail(new RangeError("once"));
  await stage.worker(0).fail(new RangeError("twice"));
  await stage.runAll("b");
  await stage.worker(0).die();
  const controller = new AbortController();
  const dropped = stage.run("c", { cancellation: controller.signal });
  controller.abort(new Error("enough"));
  await assertRejects(() => dropped, Error, "enough");
  await stage.dispatcher.close();
  assertEquals(log, [
    "1 a queued",
    "fake-0 is there",
    "1 at fake-0",
    "1 again, 2: RangeError: once",
    "1 at fake-0",
    "1 error true",
    "2 b queued",
    "2 at fake-0",
    "fake-0 died",
    "2 died true",
    "3 c queued",
    "3 dropped true",
    "fake-1 is there",
    "fake-1 closed",
  ]);
});

Deno.test("Dispatcher goes on when an observer throws, and warns once", async () => {
  const warnings: QuiverWarning[] = [];
  const observer = {
    queued: () => {
      throw new Error("out of ink");
    },
    finished: () => Promise.reject(new Error("out of paper")),
  };
  const safe = new SafeObserver(observer, (warning) => warnings.push(warning));
  await using stage = new Stage({ observer: safe });
  const calls = await stage.runAll("ab");
  await stage.finishAll();
  assertEquals(await Promise.all(calls), ["a", "b"]);
  assertEquals(warnings.map(({ cause }) => String(cause)), ["Error: out of ink"]);
});

Deno.test("Dispatcher sends a worker no more than it has room for, what was taken back included", async () => {
  await using stage = new Stage();
  await stage.runAll("a");
  stage.worker(0).capacity = 10;
  const calls = await stage.runAll("bcdefgh");
  await stage.worker(0).finish(SHORT);
  assertEquals(stage.tasks, ["b c d e f g h"]);
  // Each is given up behind others, which go and come back.
  for (const task of "ijklmn") {
    const controller = new AbortController();
    const given = stage.run(task, { cancellation: controller.signal });
    await settle();
    controller.abort(new Error("enough"));
    await assertRejects(() => given, Error, "enough");
    await settle();
  }
  assertEquals(stage.worker(0).room, 0);
  stage.worker(0).listen();
  await stage.finishAll(SHORT);
  assertEquals(await Promise.all(calls), [..."bcdefgh"]);
  assertEquals(stage.workers.length, 1);
});

Deno.test("Dispatcher replaces an idle worker that has seen nothing of what was taken back", async () => {
  await using stage = new Stage();
  await stage.runAll("a");
  const deaf = stage.worker(0);
  await deaf.finish();
  deaf.capacity = 0;
  const [call] = await stage.runAll("b");
  assertEquals([deaf.ended, stage.tasks], ["closed", ["b"]]);
  await stage.finishAll();
  assertEquals(await call, "b");
});
