// collaboration: workers faked through their interface; the last tests are end-to-end, with real ones
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";
import {
  CancelledError,
  ExecutorShutdownError,
  WorkerDiedError,
  WorkerInitError,
} from "../../src/base/errors.ts";
import { Dispatcher } from "../../src/executor/dispatch/dispatcher.ts";
import type { DispatcherOptions } from "../../src/executor/dispatch/options.ts";
import { openWebWorker } from "../../src/worker/web/web_worker.ts";
import type { CallRequest, Outcome, Worker } from "../../src/worker/worker.ts";
import { FakeWorker, settle } from "./fake_workers.ts";

leaveNothing();

interface Stage {
  readonly dispatcher: Dispatcher;
  readonly workers: FakeWorker[];
  /** Runs calls, whose names are the letters. */
  run(tasks: string): Promise<Outcome>[];
}

async function createStage(options: Partial<DispatcherOptions> = {}): Promise<Stage> {
  const workers: FakeWorker[] = [];
  const dispatcher = new Dispatcher({
    maxWorkers: 2,
    idleTimeout: Infinity,
    open: () => {
      const worker = new FakeWorker(`fake-${workers.length}`);
      workers.push(worker);
      return Promise.resolve(worker);
    },
    ...options,
  });
  const run = (tasks: string) => [...tasks].map((task) => dispatcher.run(deed(task)));
  await settle();
  return { dispatcher, workers, run };
}

function deed(task: string, ...args: unknown[]): CallRequest {
  return { module: "file:///deeds.ts", task, args, context: undefined };
}

/** The values of calls, once they all have one. */
async function values(calls: Promise<Outcome>[]): Promise<unknown[]> {
  const outcomes = await Promise.all(calls);
  return outcomes.map((outcome) => outcome.type === "value" ? outcome.value : outcome);
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  assert(item !== undefined, `nothing at ${index}`);
  return item;
}

/** Ends all calls of all workers until none is left. */
async function finishAll({ workers }: Stage, duration: number = 1): Promise<void> {
  while (workers.some((worker) => worker.pending > 0)) {
    for (const worker of workers) if (worker.pending > 0) await worker.finish({ duration });
  }
}

Deno.test("Dispatcher.run() starts workers up to the maximum, then queues first come first served", async () => {
  const stage = await createStage();
  const calls = stage.run("a");
  await settle();
  calls.push(...stage.run("bcd"));
  await settle();
  assertEquals(stage.workers.map((worker) => worker.tasks), ["a", "b"]);
  assertEquals(stage.dispatcher.statistics(), {
    queued: 2,
    running: 2,
    idle: 0,
    workers: 2,
    lost: 0,
  });
  await at(stage.workers, 1).finish();
  assertEquals(stage.workers.map((worker) => worker.tasks), ["a", "c"]);
  await at(stage.workers, 0).finish();
  assertEquals(stage.workers.map((worker) => worker.tasks), ["d", "c"]);
  await finishAll(stage);
  assertEquals(await values(calls), ["a", "b", "c", "d"]);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() starts no more workers than there are calls", async () => {
  const stage = await createStage({ maxWorkers: 8 });
  const calls = stage.run("ab");
  await settle();
  await finishAll(stage);
  await values(calls);
  assertEquals(stage.workers.length, 2);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() takes the worker that was used last", async () => {
  const stage = await createStage();
  const calls = stage.run("ab");
  await settle();
  await at(stage.workers, 1).finish();
  await at(stage.workers, 0).finish();
  calls.push(...stage.run("c"));
  await settle();
  assertEquals(stage.workers.map((worker) => worker.tasks), ["c", ""]);
  await finishAll(stage);
  await values(calls);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() sends short calls ahead, in equal shares", async () => {
  const stage = await createStage({ prefetch: 4 });
  const calls = stage.run("abcdefgh");
  await settle();
  await at(stage.workers, 0).finish({ duration: 0.01 });
  assertEquals(stage.workers.map((worker) => worker.pending), [4, 3]);
  await finishAll(stage, 0.01);
  assertEquals(await values(calls), [..."abcdefgh"]);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() never sends ahead more than `prefetch` calls", async () => {
  const stage = await createStage({ prefetch: 4 });
  const calls = stage.run("abcdefghijklmnopqrstuvwxyz");
  await settle();
  while (stage.workers.some((worker) => worker.pending > 0)) {
    for (const worker of stage.workers) {
      await worker.finish({ duration: 0.01 });
      assert(worker.pending <= 4);
    }
  }
  assertEquals((await values(calls)).length, 26);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() does not send long calls ahead", async () => {
  const stage = await createStage();
  const calls = stage.run("abcdef");
  await settle();
  for (let round = 0; round < 3; round++) {
    assertEquals(stage.workers.map((worker) => worker.pending), [1, 1]);
    for (const worker of stage.workers) await worker.finish({ duration: 100 });
  }
  await values(calls);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher lets an idle worker take over what was sent ahead to another", async () => {
  const stage = await createStage({ prefetch: 4 });
  const calls = stage.run("abcdefgh");
  await settle();
  const [slow, fast] = [at(stage.workers, 0), at(stage.workers, 1)];
  await slow.finish({ duration: 0.01 });
  const stuck = slow.tasks[0];
  while (fast.pending > 0) await fast.finish({ duration: 0.01 });
  assertEquals(slow.tasks, stuck);
  assertEquals(stage.dispatcher.statistics().idle, 1);
  await finishAll(stage, 0.01);
  assertEquals(await values(calls), [..."abcdefgh"]);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher takes over what was sent ahead even when calls turn out long and more wait", async () => {
  const stage = await createStage({ prefetch: 4 });
  const calls = stage.run("abcdefghijkl");
  await settle();
  const [slow, fast] = [at(stage.workers, 0), at(stage.workers, 1)];
  await slow.finish({ duration: 0.01 });
  const stuck = slow.tasks[0];
  while (fast.pending > 0) await fast.finish({ duration: 100 });
  assertEquals(slow.tasks, stuck);
  assertEquals(stage.dispatcher.statistics().queued, 0);
  await finishAll(stage);
  assertEquals((await values(calls)).length, 12);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() rejects only the running call when its worker dies", async () => {
  const stage = await createStage({ maxWorkers: 1, prefetch: 4 });
  const calls = stage.run("abcd");
  await settle();
  await at(stage.workers, 0).finish({ duration: 0.01 });
  assertEquals(at(stage.workers, 0).tasks, "b c d");
  await at(stage.workers, 0).die();
  await assertRejects(() => at(calls, 1), WorkerDiedError);
  assertEquals(at(stage.workers, 1).tasks[0], "c");
  await finishAll(stage);
  assertEquals(await values([at(calls, 0), at(calls, 2), at(calls, 3)]), ["a", "c", "d"]);
  assertEquals(stage.workers.length, 2);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher replaces a worker that died idle", async () => {
  const stage = await createStage({ maxWorkers: 1 });
  const first = stage.run("a");
  await settle();
  await finishAll(stage);
  await values(first);
  await at(stage.workers, 0).die();
  assertEquals(stage.dispatcher.statistics().workers, 0);
  const second = stage.run("b");
  await settle();
  await finishAll(stage);
  assertEquals(await values(second), ["b"]);
  assertEquals(stage.workers.length, 2);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() goes elsewhere when a worker takes no calls", async () => {
  const stage = await createStage({ maxWorkers: 1 });
  const first = stage.run("a");
  await settle();
  await finishAll(stage);
  await values(first);
  // Dead, though nobody was told yet.
  at(stage.workers, 0).ended = "died";
  const second = stage.run("b");
  await settle();
  assertEquals(at(stage.workers, 1).tasks, "b");
  await finishAll(stage);
  await values(second);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() rejects what waits when no worker can start, and tries again later", async () => {
  let starts = 0;
  const error = new WorkerInitError("Cannot start");
  const broken = () => ++starts <= 2 ? Promise.reject(error) : Promise.resolve(worker);
  const worker = new FakeWorker("late");
  const { dispatcher, run } = await createStage({ open: broken });
  const results = await Promise.allSettled(run("abcdef"));
  for (const result of results) {
    assert(result.status === "rejected");
    assertStrictEquals(result.reason, error);
  }
  assertEquals(starts, 2);
  const call = dispatcher.run(deed("g"));
  await settle();
  await worker.finish();
  assertEquals(await values([call]), ["g"]);
  await dispatcher.close();
});

Deno.test("Dispatcher.run() rejects when `open` throws at once", async () => {
  const open = () => {
    throw new RangeError("no more memory");
  };
  const { dispatcher } = await createStage({ open });
  await assertRejects(() => dispatcher.run(deed("a")), RangeError, "no more memory");
  await assertRejects(() => dispatcher.run(deed("b")), RangeError, "no more memory");
  await dispatcher.close();
});

Deno.test("Dispatcher.run() rejects a call whose arguments cannot be sent, and uses its worker on", async () => {
  const stage = await createStage({ maxWorkers: 1 });
  const calls = stage.run("ab");
  await settle();
  at(stage.workers, 0).calls.shift()?.listener.failed(new TypeError("unclonable"));
  await assertRejects(() => at(calls, 0), TypeError, "unclonable");
  await settle();
  assertEquals(at(stage.workers, 0).tasks, "b");
  await finishAll(stage);
  await at(calls, 1);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() with an aborted signal rejects with its reason and starts nothing", async () => {
  const stage = await createStage();
  const reason = new Error("too late");
  const signal = AbortSignal.abort(reason);
  assertStrictEquals(
    await reasonOf(stage.dispatcher.run(deed("a"), { cancellation: signal })),
    reason,
  );
  await settle();
  assertEquals(stage.workers.length, 0);
  await stage.dispatcher.close();
});

async function reasonOf(promise: Promise<unknown>): Promise<unknown> {
  const [result] = await Promise.allSettled([promise]);
  return result.status === "rejected" ? result.reason : undefined;
}

Deno.test("Dispatcher.run() removes a queued call whose signal aborts", async () => {
  const stage = await createStage({ maxWorkers: 1 });
  const controller = new AbortController();
  const calls = stage.run("a");
  const given = stage.dispatcher.run(deed("b"), { cancellation: controller.signal });
  calls.push(...stage.run("c"));
  await settle();
  controller.abort(new Error("not needed"));
  await assertRejects(() => given, Error, "not needed");
  assertEquals(stage.dispatcher.statistics().queued, 1);
  await at(stage.workers, 0).finish();
  assertEquals(at(stage.workers, 0).tasks, "c");
  await finishAll(stage);
  assertEquals(await values(calls), ["a", "c"]);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() gives a running call up at once and keeps its worker apart until it ends", async () => {
  const stage = await createStage({ maxWorkers: 1 });
  const controller = new AbortController();
  const { signal: cancellation } = controller;
  const given = stage.dispatcher.run(deed("a"), { cancellation, gracePeriod: 0 });
  const calls = stage.run("b");
  await settle();
  controller.abort(new Error("too slow"));
  await assertRejects(() => given, Error, "too slow");
  await settle();
  assertEquals(stage.workers.map((worker) => worker.tasks), ["a", "b"]);
  assertEquals(stage.dispatcher.statistics(), {
    queued: 0,
    running: 1,
    idle: 0,
    workers: 1,
    lost: 1,
  });
  await at(stage.workers, 0).finish();
  assertEquals(stage.dispatcher.statistics().lost, 0);
  assertEquals(at(stage.workers, 0).ended, "closed");
  await finishAll(stage);
  assertEquals(await values(calls), ["b"]);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher takes a lost worker back when there is room for it", async () => {
  const stage = await createStage({ maxWorkers: 1 });
  const controller = new AbortController();
  const given = stage.dispatcher.run(deed("a"), { cancellation: controller.signal });
  await settle();
  controller.abort();
  await reasonOf(given);
  await at(stage.workers, 0).finish();
  const calls = stage.run("b");
  await settle();
  assertEquals(stage.workers.map((worker) => worker.tasks), ["b"]);
  await finishAll(stage);
  await values(calls);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() takes back a call that was sent ahead when its signal aborts", async () => {
  const stage = await createStage({ maxWorkers: 1, prefetch: 8 });
  const controller = new AbortController();
  const calls = stage.run("ab");
  const given = stage.dispatcher.run(deed("c"), { cancellation: controller.signal });
  calls.push(...stage.run("d"));
  await settle();
  await at(stage.workers, 0).finish({ duration: 0.01 });
  assertEquals(at(stage.workers, 0).tasks, "b c d");
  controller.abort(new Error("not needed"));
  await assertRejects(() => given, Error, "not needed");
  await settle();
  assertEquals(at(stage.workers, 0).tasks, "b d");
  assertEquals(stage.dispatcher.statistics().lost, 0);
  await finishAll(stage);
  assertEquals(await values(calls), ["a", "b", "d"]);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() leaves no listener on the signal", async () => {
  const stage = await createStage();
  const signal = new AbortController().signal;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  Object.assign(signal, {
    addEventListener: (...args: Parameters<typeof add>) => (listeners++, add(...args)),
    removeEventListener: (...args: Parameters<typeof remove>) => (listeners--, remove(...args)),
  });
  const call = stage.dispatcher.run(deed("a"), { cancellation: signal });
  await settle();
  assertEquals(listeners, 1);
  await finishAll(stage);
  await values([call]);
  assertEquals(listeners, 0);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher ends workers that were idle for too long", async () => {
  // The dispatcher's timer does not keep the event loop alive.
  const alive = setInterval(() => {}, 60_000);
  const stage = await createStage({ idleTimeout: 0 });
  const calls = stage.run("ab");
  await settle();
  await finishAll(stage);
  await values(calls);
  await Promise.all(stage.workers.map((worker) => worker.dead));
  assertEquals(stage.workers.map((worker) => worker.ended), ["closed", "closed"]);
  assertEquals(stage.dispatcher.statistics().workers, 0);
  clearInterval(alive);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.resize() ends idle workers that are too many, and busy ones later", async () => {
  const stage = await createStage({ maxWorkers: 3 });
  const calls = stage.run("abcd");
  await settle();
  stage.dispatcher.resize(1);
  await at(stage.workers, 0).finish();
  assertEquals(at(stage.workers, 0).ended, "closed");
  await at(stage.workers, 1).finish();
  assertEquals(at(stage.workers, 1).ended, "closed");
  await at(stage.workers, 2).finish();
  assertEquals(at(stage.workers, 2).tasks, "d");
  stage.dispatcher.resize(2);
  calls.push(...stage.run("e"));
  await settle();
  assertEquals(at(stage.workers, 3).tasks, "e");
  await finishAll(stage);
  assertEquals(await values(calls), [..."abcde"]);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.close() waits for queued and running calls, and takes no more", async () => {
  const stage = await createStage({ maxWorkers: 1 });
  const calls = stage.run("ab");
  await settle();
  const closed = stage.dispatcher.close();
  await assertRejects(
    () => stage.dispatcher.run(deed("c")),
    ExecutorShutdownError,
    'Cannot run "c": the executor was shut down',
  );
  assertEquals(at(stage.workers, 0).ended, "no");
  await finishAll(stage);
  assertEquals(await values(calls), ["a", "b"]);
  await closed;
  assertEquals(at(stage.workers, 0).ended, "closed");
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.close() with `cancelPending` rejects what has not started", async () => {
  const stage = await createStage({ maxWorkers: 1, prefetch: 2 });
  const calls = stage.run("abcd");
  await settle();
  await at(stage.workers, 0).finish({ duration: 0.01 });
  assertEquals(at(stage.workers, 0).tasks, "b c");
  const closed = stage.dispatcher.close();
  assertStrictEquals(stage.dispatcher.close({ cancelPending: true }), closed);
  await assertRejects(() => at(calls, 2), CancelledError);
  await assertRejects(() => at(calls, 3), CancelledError);
  await finishAll(stage);
  assertEquals(await values(calls.slice(0, 2)), ["a", "b"]);
  await closed;
});

Deno.test("Dispatcher.close() ends a worker that was still starting", async () => {
  const opened = Promise.withResolvers<Worker>();
  const { dispatcher } = await createStage({ open: () => opened.promise });
  const call = dispatcher.run(deed("a"));
  const closed = dispatcher.close({ cancelPending: true });
  await assertRejects(() => call, CancelledError);
  const worker = new FakeWorker("late");
  opened.resolve(worker);
  await closed;
  assertEquals(worker.ended, "closed");
});

Deno.test("Dispatcher.close() rejects with what a worker's close throws", async () => {
  class Sticky extends FakeWorker {
    override async close(): Promise<void> {
      await super.close();
      throw new RangeError(`${this.name} sticks`);
    }
  }
  const workers: FakeWorker[] = [];
  const open = () => {
    const worker = new Sticky(`sticky-${workers.length}`);
    workers.push(worker);
    return Promise.resolve(worker);
  };
  const { dispatcher, run } = await createStage({ open });
  const calls = run("ab");
  await settle();
  for (const worker of workers) await worker.finish();
  await values(calls);
  const error = await assertRejects(() => dispatcher.close(), AggregateError, "Cannot end all");
  assertEquals(error.errors.map(String), [
    "RangeError: sticky-0 sticks",
    "RangeError: sticky-1 sticks",
  ]);
});

Deno.test("Dispatcher.close() waits for a worker that still has to give a call back", async () => {
  class Willing extends FakeWorker {
    override revoke(): boolean {
      const call = this.calls.pop();
      // The answer takes its time.
      settle().then(() => call?.listener.ended({ type: "revoked" }));
      return call !== undefined;
    }
  }
  const worker = new Willing("willing");
  const { dispatcher } = await createStage({ open: () => Promise.resolve(worker) });
  const controller = new AbortController();
  const given = dispatcher.run(deed("a"), { cancellation: controller.signal });
  await settle();
  controller.abort(new Error("not needed"));
  await Promise.all([
    assertRejects(() => given, Error, "not needed"),
    dispatcher.close(),
  ]);
  assertEquals(worker.ended, "closed");
});

Deno.test("Dispatcher.terminate() ends a worker whose close hangs", async () => {
  class Hanging extends FakeWorker {
    override async close(): Promise<void> {
      await this.dead;
    }
  }
  const worker = new Hanging("hanging");
  const { dispatcher, run } = await createStage({ open: () => Promise.resolve(worker) });
  const calls = run("a");
  await settle();
  await worker.finish();
  await values(calls);
  const closed = dispatcher.close();
  await settle();
  dispatcher.terminate();
  await closed;
  assertEquals(worker.ended, "terminated");
});

Deno.test("Dispatcher.close() ends a lost worker at once", async () => {
  const stage = await createStage();
  const controller = new AbortController();
  const { signal: cancellation } = controller;
  const given = stage.dispatcher.run(deed("a"), { cancellation, gracePeriod: 0 });
  await settle();
  controller.abort();
  await reasonOf(given);
  await stage.dispatcher.close();
  assertEquals(at(stage.workers, 0).ended, "terminated");
});

Deno.test("Dispatcher.terminate() ends everything at once", async () => {
  const stage = await createStage({ maxWorkers: 1, prefetch: 2 });
  const calls = stage.run("abcd");
  await settle();
  await at(stage.workers, 0).finish({ duration: 0.01 });
  const closed = stage.dispatcher.close();
  stage.dispatcher.terminate();
  assertEquals(await values(calls.slice(0, 1)), ["a"]);
  await assertRejects(() => at(calls, 1), ExecutorShutdownError, "was shut down");
  await assertRejects(() => at(calls, 2), ExecutorShutdownError);
  await assertRejects(() => at(calls, 3), ExecutorShutdownError);
  assertEquals(at(stage.workers, 0).ended, "terminated");
  await closed;
  await assertRejects(() => stage.dispatcher.run(deed("e")), ExecutorShutdownError);
  stage.dispatcher.terminate();
});

Deno.test("Dispatcher.terminate() ends a worker that was still starting", async () => {
  const opened = Promise.withResolvers<Worker>();
  const { dispatcher } = await createStage({ maxWorkers: 2, open: () => opened.promise });
  const call = dispatcher.run(deed("a"));
  dispatcher.terminate();
  await assertRejects(() => call, ExecutorShutdownError);
  await assertRejects(() => dispatcher.run(deed("b")), ExecutorShutdownError);
  const worker = new FakeWorker("late");
  opened.resolve(worker);
  await settle();
  assertEquals(worker.ended, "terminated");
  await dispatcher.close();
});

Deno.test("Dispatcher serves a long queue whose calls leave from anywhere", async () => {
  const stage = await createStage({ maxWorkers: 1 });
  const controller = new AbortController();
  const [first] = stage.run("a");
  assert(first !== undefined);
  const { signal } = controller;
  const given = Array.from(
    { length: 20_000 },
    () => stage.dispatcher.run(deed("x"), { cancellation: signal }),
  );
  const last = stage.run("z");
  await settle();
  controller.abort(new Error("not needed"));
  const results = await Promise.allSettled(given);
  assert(results.every(({ status }) => status === "rejected"));
  await finishAll(stage);
  assertEquals(await values([first, ...last]), ["a", "z"]);
  await stage.dispatcher.close();
});

const ENTRY = new URL("../worker/testdata/entry.ts", import.meta.url);

function createWebDispatcher(maxWorkers: number): { dispatcher: Dispatcher; opened: Worker[] } {
  const opened: Worker[] = [];
  const open = async () => {
    const worker = await openWebWorker(ENTRY, { name: `web-${opened.length}` });
    opened.push(worker);
    return worker;
  };
  return { dispatcher: new Dispatcher({ maxWorkers, open }), opened };
}

Deno.test("Dispatcher runs 10,000 calls on two web workers, and none outlives it", async () => {
  const { dispatcher, opened } = createWebDispatcher(2);
  const calls = Array.from({ length: 10_000 }, (_, n) => dispatcher.run(deed("echo", n)));
  const expected = Array.from({ length: 10_000 }, (_, n) => n);
  assertEquals(await values(calls), expected);
  await dispatcher.close();
  assertEquals(opened.length, 2);
  for (const worker of opened) assertEquals(await worker.dead, "it was closed");
});

Deno.test("Dispatcher loses only the calls that end their web worker", async () => {
  const { dispatcher } = createWebDispatcher(2);
  const calls = Array.from(
    { length: 200 },
    (_, n) => dispatcher.run(n % 40 === 20 ? deed("exit") : deed("echo", n)),
  );
  const results = await Promise.allSettled(calls);
  for (const [n, result] of results.entries()) {
    if (n % 40 === 20) {
      assert(result.status === "rejected" && result.reason instanceof WorkerDiedError);
    } else assert(result.status === "fulfilled" && result.value.type === "value", `call ${n}`);
  }
  await dispatcher.close();
});

Deno.test("Dispatcher gives up a call that loops in a web worker and goes on with another", async () => {
  const { dispatcher } = createWebDispatcher(1);
  const memory = new SharedArrayBuffer(8);
  const words = new Int32Array(memory);
  const running = Promise.resolve(Atomics.waitAsync(words, 0, 0).value);
  const controller = new AbortController();
  const looping = dispatcher.run(deed("signalAndSpin", memory), {
    cancellation: controller.signal,
  });
  await running;
  const next = dispatcher.run(deed("echo", 1));
  controller.abort(new Error("too slow"));
  await assertRejects(() => looping, Error, "too slow");
  assertEquals(await values([next]), [1]);
  assertEquals(dispatcher.statistics().lost, 1);
  Atomics.store(words, 1, 1);
  await dispatcher.close();
});
