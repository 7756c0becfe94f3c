// end-to-end: whatever ends a worker costs one call, and nothing hangs; on every kind that can die
import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import {
  DeadlineError,
  Executor,
  type ExecutorOptions,
  type Future,
  type Task,
  task,
  WorkerDiedError,
  WorkerInitError,
} from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import { openSharedFolder, until } from "./_shared_folder.ts";
import * as tasks from "./testdata/crash_tasks.ts";

leaveNothing();

const KINDS = ["web", "process", "inline"] as const;
/** An inline worker is the program: what ends it ends the program, too. */
const MORTAL_KINDS = ["web", "process"] as const;
const MOD = new URL("../../mod.ts", import.meta.url).href;

/** How a process tells of each death; a web worker has a reason only. */
const EXIT_CODES: { readonly [how in tasks.Death]: number | undefined } = {
  "closes": 0,
  "exits with 0": 0,
  "exits with 3": 3,
  "exits in a microtask": 5,
  "exits while its result is encoded": 4,
  "throws in a timer": 1,
  "rejects a promise that nobody awaits": 1,
  "kills its own process": undefined,
};
const DEATHS = Object.keys(EXIT_CODES) as tasks.Death[];

/** Whether each of its workers has a call. */
function isBusy(executor: Executor): boolean {
  const { workers, idle } = executor.statistics();
  return workers > 0 && idle === 0;
}

/** Resolves when the call says that it runs. */
async function runs(future: Future<unknown>): Promise<void> {
  for await (const { message } of future.progress) if (message === "running") return;
}

/** A task of a module with the given text, which the worker is the first to import. */
interface LostTask extends AsyncDisposable {
  readonly task: Task<[], unknown>;
}

async function openTask(text: string): Promise<LostTask> {
  const folder = await openSharedFolder();
  const path = `${folder.path}/module.js`;
  await Deno.writeTextFile(path, text);
  return {
    task: task(new URL(`file://${path}`), (): unknown => undefined, { name: "lost" }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** Defines the task, so that what comes before or after decides. */
const DEFINITION = `
  import { task } from "${MOD}";
  export const lost = task(import.meta, () => "found", { name: "lost" });
`;

for (const workerType of MORTAL_KINDS) {
  const open = (options: ExecutorOptions = {}) =>
    new Executor({ maxWorkers: 1, workerType, ...options });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  // executors 1, 3, 5
  test("Executor.submit() rejects the one call whose worker ends in whatever way", async () => {
    await using executor = open();
    for (const how of DEATHS) {
      if (how === "kills its own process" && workerType === "web") continue;
      const before = await executor.submit(tasks.identify);
      const [guilty, waiting] = [
        executor.submit(tasks.die, how),
        executor.submit(tasks.identify),
      ];
      const error = await assertRejects(() => guilty, WorkerDiedError, 'Cannot finish "die"', how);
      assertEquals(error.ending, "crashed", how);
      if (workerType === "process") {
        assertEquals(error.exitCode, EXIT_CODES[how], how);
        assertEquals(error.signal, how.startsWith("kills") ? "SIGKILL" : undefined, how);
      }
      assert(await waiting !== before, `the worker is the same, although it ${how}`);
    }
    assertEquals(executor.statistics().workers, 1);
  });

  // executors 7
  test("Executor.map() whose every worker dies throws one error, and leaves nothing", async () => {
    for (const count of workerType === "web" ? [1, 2, 5, 13] : [1, 2, 5]) {
      await using executor = open({ maxWorkers: count });
      const items = Array.from({ length: count }, () => "exits with 3" as const);
      const error = await assertRejects(
        () => Array.fromAsync(executor.map(tasks.die, items, { chunkSize: 1 })),
        WorkerDiedError,
      );
      assertMatch(error.message, /^Cannot finish "die": /);
      assertEquals(await executor.submit(tasks.double, count), 2 * count);
    }
  });

  // executors 9, 13
  test("Executor.submit() leaves the queue whole when the last worker dies", async () => {
    const executor = open();
    const guilty = executor.submit(tasks.die, "closes");
    const queued = Array.from({ length: 20 }, (_, x) => executor.submit(tasks.double, x));
    const refused = assertRejects(() => guilty, WorkerDiedError);
    await executor.shutdown();
    await refused;
    assertEquals(await Promise.all(queued), queued.map((_, x) => 2 * x));
  });

  // executors 10
  test("Executor.submit() settles when its worker ends with a large result on its way", async () => {
    await using executor = open();
    for (let round = 0; round < 3; round++) {
      const [result] = await Promise.allSettled([executor.submit(tasks.giveAndExit, 1e6)]);
      // All of it, or nothing.
      if (result.status === "fulfilled") assertEquals(result.value.length, 1e6);
      else assertInstanceOf(result.reason, WorkerDiedError);
      assertEquals(await executor.submit(tasks.double, round), 2 * round);
    }
  });

  test("Executor.submit() names what keeps a module from loading, and the worker lives on", async () => {
    await using executor = open();
    const worker = await executor.submit(tasks.identify);
    for (
      const [text, cause] of [
        [`throw new RangeError("not today");`, /not today/],
        [`import "./missing.js"; ${DEFINITION}`, /Module not found.*missing\.js/],
        [`import { absent } from "${MOD}"; ${DEFINITION}`, /absent/],
        ["const = 1;", /Expected|Unexpected/],
        [`await Promise.reject(new RangeError("not yet")); ${DEFINITION}`, /not yet/],
        ["export const nothing = 1;", /does not define it/],
      ] as const
    ) {
      await using lost = await openTask(text);
      const error = await assertRejects(() => executor.submit(lost.task), WorkerInitError);
      assertMatch(`${error.message} ${error.cause}`, cause);
    }
    assertEquals(await executor.submit(tasks.identify), worker);
  });

  test("Executor.submit() rejects when the worker ends while it loads a module", async () => {
    await using executor = open();
    for (const text of ["self.close(); await new Promise(() => {});", "Deno.exit(3);"]) {
      await using lost = await openTask(`${text} ${DEFINITION}`);
      await assertRejects(() => executor.submit(lost.task), WorkerDiedError, '"lost"');
      assertEquals(await executor.submit(tasks.double, 1), 2);
    }
  });

  test("Executor.submit() waits for a module that awaits at its top level", async () => {
    await using executor = open();
    const wait = "await new Promise((resolve) => setTimeout(resolve, 5));";
    await using lost = await openTask(`${wait} ${DEFINITION} ${wait}`);
    assertEquals(await executor.submit(lost.task), "found");
  });

  test("Future.abort() ends a call whose module never finishes to load", async () => {
    await using executor = open();
    await using lost = await openTask(`${DEFINITION} await new Promise(() => {});`);
    for (const onAbort of ["terminate", "detach"] as const) {
      const future = executor.with({ onAbort }).submit(lost.task);
      // It is loading, and its body has not begun.
      await until(() => isBusy(executor));
      assertEquals(future.state, "pending");
      assertEquals(future.abort("enough"), true);
      assertEquals(await future.catch((reason) => reason), "enough");
      assertEquals(await executor.submit(tasks.double, 2), 4);
    }
  });

  // executors 34
  test("Executor.terminate() ends what never finishes to load, loops or waits", async () => {
    const executor = open({ maxWorkers: 2 });
    await using lost = await openTask(`${DEFINITION} await new Promise(() => {});`);
    const memory = workerType === "web" ? new SharedArrayBuffer(4) : undefined;
    const calls = [executor.submit(tasks.spin, memory), executor.submit(lost.task)];
    const waiting = executor.submit(tasks.double, 1);
    await runs(calls[0] ?? waiting);
    await until(() => isBusy(executor) && executor.statistics().workers === 2);
    executor.terminate();
    // Nothing else stops the loop of a thread.
    if (memory !== undefined) new Int32Array(memory)[0] = 1;
    for (const result of await Promise.allSettled([...calls, waiting])) {
      assert(result.status === "rejected");
      assertInstanceOf(result.reason, Error);
    }
    await executor.shutdown();
    assertEquals(executor.statistics().workers, 0);
  });

  test("a deadline ends an endless loop, for its caller at once", async () => {
    await using executor = open();
    const memory = workerType === "web" ? new SharedArrayBuffer(4) : undefined;
    const hasty = executor.with({ deadline: 20, onAbort: "terminate" });
    const late = hasty.submit(tasks.spin, memory);
    const others = [1, 2].map((x) => executor.submit(tasks.double, x));
    await assertRejects(() => late, DeadlineError);
    assertEquals(await Promise.all(others), [2, 4]);
    if (memory !== undefined) {
      assertEquals(executor.statistics().lost, 1);
      new Int32Array(memory)[0] = 1;
    }
    await until(() => executor.statistics().lost === 0);
  });
}

for (const workerType of KINDS) {
  Deno.test(`${workerType}: Executor.submit() survives a stack that overflows`, async () => {
    await using executor = new Executor({ maxWorkers: 1, workerType });
    const worker = await executor.submit(tasks.identify);
    await assertRejects(() => executor.submit(tasks.overflowStack), RangeError, "call stack");
    assertEquals(await executor.submit(tasks.identify), worker);
  });
}

Deno.test("process: Executor.submit() loses only the call that exhausts the memory", async () => {
  await using executor = new Executor({
    maxWorkers: 1,
    workerType: "process",
    flags: ["--v8-flags=--max-old-space-size=40"],
  });
  const guilty = executor.submit(tasks.exhaustMemory);
  const waiting = executor.submit(tasks.double, 3);
  const error = await assertRejects(() => guilty, WorkerDiedError, '"exhaustMemory"');
  assert(error.signal !== undefined || error.exitCode !== 0);
  assertEquals(await waiting, 6);
});
