// End-to-end: how an executor ends, with calls that wait, run and fail; every kind passes the same list.
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  CancelledError,
  Executor,
  type ExecutorOptions,
  ExecutorShutdownError,
  UnclonableError,
} from "@quiver/quiver";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { until } from "./_shared_folder.ts";
import { Gate } from "./gate.ts";
import * as tasks from "./testdata/worker_count_tasks.ts";
import { double } from "./testdata/tasks.ts";

leaveNothing();

/** What a program with workers of the kind `"process"` needs beside `--allow-read`. */
const PROCESS_PERMISSIONS = ["--allow-write", "--allow-env", "--allow-run"];

for (const workerType of WORKER_TYPES) {
  const open = (options: ExecutorOptions = {}) =>
    new Executor({ maxWorkers: 2, workerType, ...options });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  // executors 30
  test("Executor.shutdown() lets 50 queued calls finish", async () => {
    const executor = open();
    const calls = Array.from({ length: 50 }, (_, n) => executor.submit(double, n));
    await executor.shutdown();
    assertEquals(calls.every(({ state }) => state === "done"), true);
    assertEquals(await Promise.all(calls), calls.map((_, n) => 2 * n));
    assertEquals(executor.statistics().workers, 0);
  });

  // executors 31
  test("Executor.shutdown() may be called twice, and submit() rejects after it", async () => {
    const executor = open();
    await executor.submit(double, 1);
    await Promise.all([executor.shutdown(), executor.shutdown()]);
    await executor.shutdown();
    assertEquals(executor.closed, true);
    await assertRejects(() => executor.submit(double, 1), ExecutorShutdownError, "was shut down");
  });

  // executors 33
  test("Executor.shutdown({ cancelPending }) cancels what waits and lets finish what runs", async () => {
    const executor = open({ maxWorkers: 1 });
    // Short calls, so that others are sent ahead.
    await Promise.all(Array.from({ length: 50 }, (_, n) => executor.submit(double, n)));
    await using gate = new Gate();
    const running = executor.submit(tasks.hold, gate.path);
    await gate.reached(1);
    const waiting = Array.from({ length: 20 }, (_, n) => executor.submit(double, n));
    const shutdown = executor.shutdown({ cancelPending: true });
    for (const result of await Promise.allSettled(waiting)) {
      assert(result.status === "rejected");
      assertInstanceOf(result.reason, CancelledError);
    }
    gate.open();
    await shutdown;
    assertEquals(typeof await running, "string");
  });

  // executors 34
  test("Executor.terminate() rejects what waits and what runs at once", async () => {
    const executor = open();
    await using gate = new Gate();
    const calls = Array.from({ length: 6 }, () => executor.submit(tasks.hold, gate.path));
    await gate.reached(2);
    executor.terminate();
    for (const result of await Promise.allSettled(calls)) {
      assert(result.status === "rejected");
      assertInstanceOf(result.reason, ExecutorShutdownError);
      assert(result.reason.message.includes("shut down"));
    }
    // In this isolate they go on, whatever was said.
    gate.open();
    await executor.shutdown();
    assertEquals(executor.statistics().workers, 0);
  });

  // executors 35
  test("Executor.shutdown({ wait: false }) right before an argument turns out unclonable", async () => {
    const executor = open();
    const good = executor.submit(double, 2);
    const bad = executor.submit(double, (() => 1) as never);
    const refused = assertRejects(() => bad, UnclonableError, "args[0]");
    await executor.shutdown({ wait: false });
    await refused;
    assertEquals(await good, 4);
    await executor.shutdown();
  });

  // executors 49
  test("Executor.shutdown() while workers end as they were idle for too long", async () => {
    const executor = open({ idleTimeout: 0 });
    for (const n of [1, 2, 3]) assertEquals(await executor.submit(double, n), 2 * n);
    const last = executor.submit(double, 4);
    await executor.shutdown();
    assertEquals(await last, 8);
  });

  // executors 37, 38
  for (const how of ["await", "leave"] as const) {
    test(`a program that drops its executor ends by itself (${how})`, async () => {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          "--allow-read",
          ...(workerType === "process" ? PROCESS_PERMISSIONS : []),
          "--v8-flags=--expose-gc",
          new URL("./testdata/drops_executor.ts", import.meta.url).href,
          workerType,
          how,
        ],
        env: { NO_COLOR: "1" },
      }).output();
      const decoder = new TextDecoder();
      const text = [decoder.decode(stdout), decoder.decode(stderr)];
      assertEquals([code, ...text], [0, "done\n30\n", ""]);
    });
  }
}

// What runs in this isolate goes on, so that nothing would free the lock.
for (const workerType of WORKER_TYPES.filter((type) => type !== "inline")) {
  // executors 34
  Deno.test(`${workerType}: Executor.terminate() ends the workers of executors inside of its tasks`, async () => {
    const path = await Deno.makeTempFile();
    const executor = new Executor({ maxWorkers: 1, workerType });
    await using gate = new Gate();
    const call = executor.submit(tasks.nestLock, workerType, path, gate.path);
    const refused = assertRejects(() => call, ExecutorShutdownError, "shut down");
    await gate.reached(1);
    executor.terminate();
    await refused;
    {
      using file = await Deno.open(path, { write: true });
      // Granted as soon as the worker's worker is no more.
      await file.lock(true);
    }
    await executor.shutdown();
    await Deno.remove(path);
  });
}

/** Lets standard error be a terminal whose text goes to a test. */
class FakeTerminal implements Disposable {
  readonly texts: string[] = [];

  constructor(isTerminal = true) {
    const write = (bytes: Uint8Array): number => {
      this.texts.push(new TextDecoder().decode(bytes));
      return bytes.length;
    };
    Object.assign(Deno.stderr, { isTerminal: () => isTerminal, writeSync: write });
  }

  [Symbol.dispose](): void {
    Reflect.deleteProperty(Deno.stderr, "isTerminal");
    Reflect.deleteProperty(Deno.stderr, "writeSync");
  }
}

Deno.test("an executor that is disposed of tells a terminal for how many calls it waits", async () => {
  using terminal = new FakeTerminal();
  await using gate = new Gate();
  const waiting = WORKER_TYPES.flatMap((workerType) => {
    const executor = new Executor({ maxWorkers: 2, workerType });
    const calls = [1, 2, 3].map(() => executor.submit(tasks.hold, gate.path));
    return [...calls, executor[Symbol.asyncDispose]()];
  });
  await until(() => terminal.texts.length === WORKER_TYPES.length);
  gate.open();
  await Promise.all(waiting);
  const note =
    "Note: workers are to end when 3 calls have ended; `shutdown({ cancelPending: true })` gives up " +
    "those that have not started\n";
  assertEquals(terminal.texts, WORKER_TYPES.map(() => note));
});

Deno.test("an executor that waits says nothing where nobody sits at a terminal, or when it is quick", async () => {
  using file = new FakeTerminal(false);
  {
    await using gate = new Gate();
    const executor = new Executor({ maxWorkers: 1, workerType: "inline" });
    const call = executor.submit(tasks.hold, gate.path);
    const disposed = executor[Symbol.asyncDispose]();
    // Its own timer comes before.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    gate.open();
    await Promise.all([call, disposed]);
  }
  assertEquals(file.texts, []);
  using terminal = new FakeTerminal();
  const executor = new Executor({ maxWorkers: 1, workerType: "inline" });
  executor.submit(double, 1);
  await executor.shutdown();
  assertEquals(terminal.texts, []);
});
