// collaboration: a dispatcher whose workers cannot start, with fake workers and a start that takes no time
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { WorkerDiedError, WorkerInitError } from "../../src/base/errors.ts";
import type { QuiverWarning } from "../../src/base/warning.ts";
import type { DispatcherOptions } from "../../src/executor/dispatch/options.ts";
import type { Worker } from "../../src/worker/worker.ts";
import { FakeWorker, settle, Stage } from "./fake_workers.ts";

/** What the system says when there are no more files to open. */
function toSystemError(): Error {
  return Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
}

interface SmallStageOptions extends Partial<DispatcherOptions> {
  /** Makes what is thrown when there are enough. */
  readonly toError?: () => unknown;
}

/** A stage on which no more than some workers can be at once. */
class SmallStage extends Stage {
  readonly warnings: QuiverWarning[];
  /** How many starts were tried. */
  readonly tried: () => number;
  /** Lets so many workers be at once from now on. */
  readonly allow: (most: number) => void;
  /** Resolves when a start has failed for the nth time from now. */
  readonly failing: (times?: number) => Promise<void>;

  constructor(most: number, maxWorkers: number, options: SmallStageOptions = {}) {
    const { toError = toSystemError, ...own } = options;
    const workers: FakeWorker[] = [];
    const warnings: QuiverWarning[] = [];
    let starts = 0;
    let waits: { left: number; readonly done: () => void }[] = [];
    super({
      maxWorkers,
      prefetch: 1,
      startDelay: 1,
      ...own,
      warn: (warning) => void warnings.push(warning),
      open: async (): Promise<Worker> => {
        starts++;
        if (workers.filter(({ ended }) => ended === "no").length >= most) {
          for (const wait of waits) if (--wait.left === 0) queueMicrotask(wait.done);
          waits = waits.filter(({ left }) => left > 0);
          throw toError();
        }
        const worker = new FakeWorker(`small-${workers.length}`);
        workers.push(worker);
        this.workers.push(worker);
        return await Promise.resolve(worker);
      },
    });
    this.warnings = warnings;
    this.tried = () => starts;
    this.allow = (count) => void (most = count);
    this.failing = (times = 1) =>
      new Promise<void>((resolve) => void waits.push({ left: times, done: resolve }));
  }
}

Deno.test("Dispatcher.run() leaves calls in the queue while any worker lives", async () => {
  await using stage = new SmallStage(2, 10);
  const calls = await stage.runAll("abcdefghij");
  assertEquals(stage.tasks.toSorted(), ["a", "b"]);
  assertEquals(stage.dispatcher.statistics().queued, 8);
  await stage.finishAll();
  assertEquals(await Promise.all(calls), [..."abcdefghij"]);
  assertEquals(stage.workers.length, 2);
  assertEquals(stage.warnings.length, 1);
  const [warning] = stage.warnings;
  assert(warning !== undefined);
  assert(warning.message.startsWith("An executor cannot start all of its workers: it goes on"));
  assert(warning.cause instanceof Error);
  assertEquals(warning.cause.message, "Too many open files (os error 24)");
});

Deno.test("Dispatcher.run() starts as many workers as it may when the system gives more again", async () => {
  await using stage = new SmallStage(1, 4);
  const calls = await stage.runAll("abcdef");
  await stage.failing(3);
  assertEquals(stage.tasks, ["a"]);
  stage.allow(3);
  const failing = stage.failing();
  await failing;
  await settle();
  assertEquals(stage.tasks, ["a", "b", "c"]);
  stage.allow(10);
  while (stage.workers.length < 4) await new Promise((resolve) => setTimeout(resolve));
  await settle();
  assertEquals(stage.tasks, ["a", "b", "c", "d"]);
  await stage.finishAll();
  assertEquals(await Promise.all(calls), [..."abcdef"]);
  assertEquals(stage.warnings.length, 1);
});

Deno.test("Dispatcher.run() replaces workers that end while no more can start", async () => {
  await using stage = new SmallStage(2, 4, { maxTasksPerWorker: 1 });
  const calls = await stage.runAll("abcdefgh");
  await stage.finishAll();
  assertEquals(await Promise.all(calls), [..."abcdefgh"]);
  assertEquals(stage.workers.length, 8);
});

Deno.test("Dispatcher.run() tries again alone when all first starts fail, and rejects no call", async () => {
  await using stage = new SmallStage(0, 40);
  const calls = await stage.runAll("abcdef");
  assertEquals(stage.tried(), 6);
  await stage.failing();
  assertEquals(stage.tried(), 7);
  stage.allow(1);
  while (stage.workers.length === 0) await new Promise((resolve) => setTimeout(resolve));
  await settle();
  await stage.finishAll();
  assertEquals(await Promise.all(calls), [..."abcdef"]);
});

Deno.test("Dispatcher.run() rejects all calls when there is no worker and the last attempt has failed", async () => {
  const errors = [
    toSystemError(),
    new WorkerInitError("Cannot start", { cause: toSystemError() }),
    new WorkerInitError("Cannot start", { cause: new WorkerDiedError("it died", { reason: "x" }) }),
  ];
  for (const error of errors) {
    await using stage = new SmallStage(0, 1, { toError: () => error });
    const calls = await stage.runAll("abc");
    for (const result of await Promise.allSettled(calls)) {
      assert(result.status === "rejected");
      assertStrictEquals(result.reason, error);
    }
    assertEquals([stage.tried(), stage.warnings.length], [5, 1]);
    // The next call tries again, as often.
    await assertRejects(() => stage.run("d"));
    assertEquals([stage.tried(), stage.warnings.length], [10, 1]);
    stage.allow(1);
    const last = stage.run("e");
    await settle();
    await stage.finishAll();
    assertEquals(await last, "e");
  }
});

Deno.test("Dispatcher.run() rejects at once what no further attempt would help", async () => {
  const errors = [
    new TypeError("there is no such permission"),
    new WorkerInitError("Cannot start", { cause: new Deno.errors.NotCapable("may not") }),
    new WorkerInitError("its `init` task failed", { cause: toSystemError(), hook: "init" }),
  ];
  for (const error of errors) {
    for (const maxWorkers of [1, 3]) {
      await using stage = new SmallStage(0, maxWorkers, { toError: () => error });
      const results = await Promise.allSettled(await stage.runAll("abc"));
      assertEquals(results.map(({ status }) => status), ["rejected", "rejected", "rejected"]);
      assertEquals([stage.tried(), stage.warnings], [maxWorkers, []]);
    }
  }
});

Deno.test("Dispatcher.run() tells one call of each `init` that fails while workers live", async () => {
  const error = new WorkerInitError("its `init` task failed", { hook: "init" });
  await using stage = new SmallStage(1, 3, { toError: () => error });
  const calls = await stage.runAll("abcd");
  assertEquals(stage.tasks, ["a"]);
  assertStrictEquals(await calls[1]?.catch((reason) => reason), error);
  assertEquals(stage.warnings, []);
});

Deno.test("Dispatcher.close() waits for calls whose workers cannot start yet", async () => {
  await using stage = new SmallStage(0, 2);
  const calls = await stage.runAll("ab");
  const closed = stage.dispatcher.close();
  await stage.failing();
  stage.allow(1);
  while (stage.workers.length === 0) await new Promise((resolve) => setTimeout(resolve));
  await settle();
  await stage.finishAll();
  assertEquals(await Promise.all(calls), ["a", "b"]);
  await closed;
});

Deno.test("Dispatcher.terminate() ends the wait for a start", async () => {
  await using stage = new SmallStage(0, 2);
  const [call] = await stage.runAll("a");
  stage.dispatcher.terminate();
  await assertRejects(() => call ?? Promise.resolve(), Error, "was shut down");
  assertEquals(stage.tried(), 1);
});
