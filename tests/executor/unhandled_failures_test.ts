// End-to-end: failures that nobody has looked at end no program in the middle, and are told at the end.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  Executor,
  type ExecutorOptions,
  type Future,
  UnhandledFailuresError,
  wait,
} from "@quiver/quiver";
import { openWorkerContext } from "@quiver/quiver/workers";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { fail, failList } from "./testdata/unhandled_exit.ts";
import { double } from "./testdata/tasks.ts";
import { Gate } from "./gate.ts";
import * as tasks from "./testdata/worker_count_tasks.ts";

leaveNothing();

/** Waits without looking. */
async function settle(...futures: Future<unknown>[]): Promise<void> {
  for (const future of futures) {
    const { promise, resolve } = Promise.withResolvers<void>();
    future.onDone(() => resolve());
    await promise;
  }
}

for (const workerType of WORKER_TYPES) {
  const open = (options: ExecutorOptions = {}) =>
    new Executor({ maxWorkers: 2, workerType, ...options });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  test("calls that fail while another one is awaited end no program", async () => {
    await using executor = open();
    await using gate = new Gate();
    // All that come later fail before the first is done.
    const first = executor.submit(tasks.hold, gate.path);
    const futures = Array.from({ length: 10 }, (_, n) => executor.submit(fail, n));
    await settle(...futures);
    await new Promise((resolve) => setTimeout(resolve));
    gate.open();
    await first;
    const messages: string[] = [];
    for (const future of futures) {
      try {
        await future;
      } catch (error) {
        messages.push(error instanceof RangeError ? error.message : "");
      }
    }
    assertEquals(messages, futures.map((_, n) => `failed with ${n}`));
  });

  test("Executor.shutdown() throws one error that names failures nobody looked at, once", async () => {
    const executor = open({ maxWorkers: 1 });
    const seen = executor.submit(fail, 0);
    await Promise.allSettled([seen]);
    const first = executor.submit(fail, 1);
    executor.submit(fail, 2).onDone(() => {});
    assertEquals(await executor.submit(double, 1), 2);
    const error = await assertRejects(() => executor.shutdown(), UnhandledFailuresError);
    assertEquals(error.count, 2);
    assertEquals(error.errors.map(String), [
      "RangeError: failed with 1",
      "RangeError: failed with 2",
    ]);
    assert(error.errors.every((each) => each instanceof RangeError));
    assertEquals(error.cause, error.errors[0]);
    assertStringIncludes(error.message, '"fail" (RangeError: failed with 1), "fail" (RangeError');
    await executor.shutdown();
    // Nor is a look that comes too late.
    await first.catch(() => {});
    await executor[Symbol.asyncDispose]();
  });

  test("an executor's disposal throws the same, beside the error of the block", async () => {
    const run = async () => {
      await using executor = open();
      executor.submit(fail, 1);
      throw new EvalError("of the block");
    };
    const error = await assertRejects(run, SuppressedError);
    assert(error.error instanceof UnhandledFailuresError);
    assert(error.suppressed instanceof EvalError);
  });

  test("a failure that is looked at before the end counts as handled, however late", async () => {
    const ways: ((future: Future<number>, executor: Executor) => unknown)[] = [
      (future) => future.catch(() => {}),
      (future) => future.then(() => {}, () => {}),
      (future) => future.finally(() => {}).catch(() => {}),
      (future) => Promise.allSettled([future]),
      (future) => Promise.any([future, Promise.resolve()]),
      (future) => wait([future]),
      (future) => wait([future], { timeout: 0 }),
      (future, executor) => Promise.allSettled(executor.batched([future], 2)),
      (future, executor) => executor.submit(double, future).catch(() => {}),
      (future, executor) =>
        Array.fromAsync(executor.map(double, [future] as never[])).catch(() => {}),
    ];
    for (const early of [true, false]) {
      await using executor = open();
      for (const look of ways) {
        const future = executor.submit(fail, 1);
        if (!early) await settle(future);
        await look(future, executor);
      }
    }
  });

  test("what is made of a result that failed, or of none, is told of, too", async () => {
    const executor = open();
    executor.submit(failList, 1).at(0);
    executor.submit(fail, 2).get("toFixed");
    executor.batched([executor.submit(fail, 3)], 2);
    executor.submit(double, executor.submit(fail, 4));
    executor.submit(double, 5).get("missing" as never);
    const error = await assertRejects(() => executor.shutdown(), UnhandledFailuresError);
    // Of a number a field that is not there is undefined, as everywhere.
    assertEquals(error.count, 4, error.message);
    for (const name of ['"failList.at(0)"', '"fail.get("toFixed")"', '"batch 1"', '"double"']) {
      assertStringIncludes(error.message, name);
    }
  });

  test("what the caller has given up is not told of, nor what depended on it", async () => {
    const executor = open({ maxWorkers: 1 });
    const controller = new AbortController();
    const cancelled = executor.submit(double, 1);
    executor.submit(double, executor.submit(double, cancelled));
    assertEquals(cancelled.cancel(), true);
    executor.with({ signal: controller.signal }).submit(double, 1);
    executor.submit(double, executor.with({ signal: controller.signal }).submit(double, 2));
    controller.abort(new EvalError("enough"));
    executor.with({ signal: controller.signal }).submit(double, 1);
    executor.submit(double, 1).abort("enough");
    await executor.shutdown();
  });

  test("what Executor.shutdown({ cancelPending }) has cancelled is not told of", async () => {
    const executor = open({ maxWorkers: 1 });
    // Short calls, so that others are sent ahead.
    await Promise.all(Array.from({ length: 50 }, (_, n) => executor.submit(double, n)));
    await using gate = new Gate();
    const running = executor.submit(tasks.hold, gate.path);
    await gate.reached(1);
    for (let n = 0; n < 20; n++) executor.submit(double, executor.submit(double, n));
    const shutdown = executor.shutdown({ cancelPending: true });
    gate.open();
    await shutdown;
    await running;
  });

  test("what Executor.terminate() has ended is not told of, and what failed before is", async () => {
    const executor = open();
    await using gate = new Gate();
    await settle(executor.submit(fail, 1));
    for (let n = 0; n < 4; n++) executor.submit(tasks.hold, gate.path);
    executor.submit(double, executor.submit(tasks.hold, gate.path) as never);
    await gate.reached(1);
    executor.terminate();
    const refused = executor.submit(double, 1);
    gate.open();
    await refused.catch(() => {});
    const error = await assertRejects(() => executor.shutdown(), UnhandledFailuresError);
    assertEquals(error.errors.map(String), ["RangeError: failed with 1"]);
  });

  test("closing a worker context, or a scope with workers, throws the same", async () => {
    const context = openWorkerContext({ workerType });
    context.run(fail, [1]);
    const error = await assertRejects(() => context.close(), UnhandledFailuresError);
    assertStringIncludes(error.message, "failed with 1");
  });
}

Deno.test("of many failures those are named that the error has room for, and all are counted", async () => {
  const executor = new Executor({ workerType: "inline", maxWorkers: 1 });
  const futures = Array.from({ length: 1000 }, (_, n) => executor.submit(fail, n));
  await settle(...futures);
  // As a loop that is left in the middle looks at them.
  for (const future of futures.slice(0, 500)) await future.catch(() => {});
  const error = await assertRejects(() => executor.shutdown(), UnhandledFailuresError);
  assertEquals(error.count, 500);
  assertEquals(error.errors.map(String), ["RangeError: failed with 999"]);

  const second = new Executor({ workerType: "inline", maxWorkers: 1 });
  for (let n = 0; n < 1000; n++) second.submit(fail, n);
  const all = await assertRejects(() => second.shutdown(), UnhandledFailuresError);
  assertEquals([all.count, all.errors.length], [1000, 100]);
  assertStringIncludes(all.message, "failed with 4) and 995 more");
  assert(all.message.length < 1000);
});

Deno.test("a call of a cached scope that fails is told of as any other", async () => {
  const executor = new Executor({ workerType: "inline" });
  await cacheScope({ cache: createMemoryCache() }, () => {
    executor.submit(fail, 1);
    executor.submit(fail, 1);
  });
  const error = await assertRejects(() => executor.shutdown(), UnhandledFailuresError);
  assertEquals(error.count, 2);
});

Deno.test("a failure in another library's pool that nobody looks at is told at the end", async () => {
  const { code, stdout, stderr } = await run("inline", "of another library's pool");
  assertEquals([code, stdout], [1, "went on\n"], stderr);
  assertStringIncludes(
    stderr,
    "Cannot pass over 1 call that has failed, as nobody has looked at its",
  );
});

Deno.test("of failures of many executors that nobody closes, all are counted", async () => {
  const { code, stderr } = await run("inline", "of many executors");
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Cannot pass over 300 calls that have failed");
});

const PROGRAM = new URL("./testdata/unhandled_exit.ts", import.meta.url);

async function run(
  kind: string,
  how: string,
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", PROGRAM.href, kind, how],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

for (const kind of WORKER_TYPES) {
  for (
    const how of [
      "dropped",
      "shut down without waiting",
      "submitted too late",
      "ended by Deno.exit()",
      "of the shared executor",
      // These are of one kind only.
      ...(kind === "web" ? ["of the program's workers"] : []),
      "of a scope's workers",
      "inside of a worker",
    ]
  ) {
    Deno.test(`${kind}: a failure ${how} that nobody looks at is told at the end`, async () => {
      const { code, stdout, stderr } = await run(kind, how);
      assertEquals([code, stdout], [1, "went on\n"], stderr);
      const reason = how === "submitted too late" ? "was shut down" : "failed with 1";
      assertStringIncludes(stderr, "UnhandledFailuresError: Cannot pass over");
      assertStringIncludes(stderr, reason);
      assertEquals(stderr.split("error: Uncaught").length - 1, 1, stderr);
    });
  }

  Deno.test(`${kind}: a failure behind another error is printed with it`, async () => {
    const { code, stdout, stderr } = await run(kind, "behind another error");
    assertEquals([code, stdout], [1, "went on\n"], stderr);
    assertStringIncludes(stderr, "the first of two");
    assertStringIncludes(stderr, "failed with 1");
  });

  Deno.test(`${kind}: a failure seen after all is told of nowhere`, async () => {
    assertEquals(await run(kind, "seen after all"), { code: 0, stdout: "went on\n", stderr: "" });
  });
}
