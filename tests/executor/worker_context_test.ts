// End-to-end: how worker contexts start, keep and end real workers of every kind.
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  cacheScope,
  openScope,
  ScopeClosedError,
  WorkerDiedError,
  WorkersKilledError,
} from "@quiver/quiver";
import {
  configureDefaultContext,
  openWorkerContext,
  runInWorker,
  type WorkerContextOptions,
} from "@quiver/quiver/workers";
import { leaveNothing } from "../leave_nothing.ts";
import { openSharedFolder, until } from "./_shared_folder.ts";
import { testKinds, testKindsTogether, UNLIMITED } from "./_worker_kinds.ts";
import * as tasks from "./testdata/context_tasks.ts";
import { surroundings, traced } from "./testdata/tasks.ts";

leaveNothing();

// executors 39
testKinds("WorkerContext waits in the end for calls that run, and refuses others", async (kind) => {
  await using folder = await openSharedFolder();
  const context = kind.open();
  const calls = ["a", "b"].map((name) => context.run(tasks.gated, [folder.path, name]));
  for (const name of ["a", "b"]) await folder.appears(`${name}.started`);
  let closed = false;
  const closing = context[Symbol.asyncDispose]().then(() => closed = true);
  await assertRejects(() => context.run(tasks.echo, [1]), ScopeClosedError, 'Cannot run "echo"');
  await folder.write("a.go");
  assertEquals([await calls[0], closed], ["a", false]);
  await folder.write("b.go");
  await closing;
  assertEquals(await calls[1], "b");
  assertEquals(context.statistics().workers, 0);
  await context[Symbol.asyncDispose]();
});

// executors 41
testKinds("WorkerContext takes an infinite grace period", async ({ open }) => {
  await using folder = await openSharedFolder();
  const context = open({ gracePeriod: Infinity });
  const controller = new AbortController();
  const options = { signal: controller.signal, onAbort: "detach" } as const;
  const call = context.run(tasks.gated, [folder.path, "call"], options);
  await folder.appears("call.started");
  controller.abort(new RangeError("enough"));
  await assertRejects(() => call, RangeError, "enough");
  const closing = context[Symbol.asyncDispose]();
  await folder.write("call.go");
  await closing;
  assert(folder.has("call.ended"));
});

testKindsTogether("WorkerContext kills what does not end within the grace period", async (kind) => {
  await using folder = await openSharedFolder();
  const context = kind.open({ gracePeriod: 1 });
  const controllers = ["a", "b"].map(() => new AbortController());
  const calls = controllers.map(({ signal }, index) =>
    context.run(tasks.gated, [folder.path, `${index}`], {
      signal,
      onAbort: "detach",
      limiter: UNLIMITED,
    })
  );
  for (const index of ["0", "1"]) await folder.appears(`${index}.started`);
  for (const controller of controllers) controller.abort(new RangeError("enough"));
  for (const call of calls) await assertRejects(() => call, RangeError, "enough");
  const error = await assertRejects(() => context[Symbol.asyncDispose](), WorkersKilledError);
  assertEquals(error.killed, 2);
  const counts = { queued: 0, running: 0, idle: 0, workers: 0, lost: 0 };
  assertEquals(context.statistics(), { ...counts, ended: { killed: 2 } });
  // In this isolate they go on, whatever was said. A thread that has yet to end must not hear of it: it
  // would write to the folder that is removed.
  if (kind.type !== "inline") return;
  for (const index of ["0", "1"]) await folder.write(`${index}.go`);
  for (const index of ["0", "1"]) await folder.appears(`${index}.ended`);
});

// executors 42
testKinds("WorkerContext sets each worker up once", async ({ type, open }) => {
  const read = async (ready: string) => {
    await using context = open({ init: { task: tasks.setUp, args: [ready] } });
    const first = await context.run(tasks.readState, []);
    assertEquals(await context.run(tasks.readState, []), first);
    return first;
  };
  const [one, two] = [await read("one"), await read("two")];
  assertEquals([one.ready, two.ready], ["one", "two"]);
  if (type !== "inline") assertEquals([one.inits, two.inits], [1, 1]);
});

// executors 45
testKinds(
  "WorkerContext keeps the result when `retire` fails, and tells in the end",
  async (kind) => {
    const context = kind.open({ retire: tasks.failToRetire });
    assertEquals(await context.run(tasks.echo, ["kept"]), "kept");
    const error = await assertRejects(() => context[Symbol.asyncDispose](), WorkerDiedError);
    assertInstanceOf(error.cause, TypeError);
  },
);

testKinds("WorkerContext replaces a worker that wishes to leave", async ({ type, open }) => {
  await using context = open({ retire: { task: tasks.afterCalls, args: [2] } });
  const isolates: string[] = [];
  for (const _ of [1, 2, 3, 4]) isolates.push(await context.run(tasks.whichIsolate, []));
  const [first, second, third, fourth] = isolates;
  assertEquals([second, fourth], [first, third]);
  assertEquals(first === third, type === "inline");
});

// executors 47
testKinds("WorkerContext ends idle workers, and starts others", async ({ type, open }) => {
  await using context = open({ idleTimeout: 0 });
  const first = await context.run(tasks.whichIsolate, []);
  await until(() => context.statistics().workers === 0);
  const second = await context.run(tasks.whichIsolate, []);
  assertEquals(first === second, type === "inline");
});

// executors 50
testKinds("WorkerContext keeps idle workers for ever where that is wished", async ({ open }) => {
  await using staying = open({ idleTimeout: Infinity });
  await staying.run(tasks.echo, [1]);
  await using leaving = open({ idleTimeout: 0 });
  await leaving.run(tasks.echo, [1]);
  await until(() => leaving.statistics().workers === 0);
  assertEquals(staying.statistics().idle, 1);
});

Deno.test("process: workers of contexts and of scopes have permissions, variables and flags", async () => {
  const workers: WorkerContextOptions = {
    workerType: "process",
    permissions: { read: true, env: ["QUIVER_TEST"] },
    env: { QUIVER_TEST: "set" },
    flags: ["--v8-flags=--expose-gc"],
  };
  const expected = { variable: "set", write: "prompt", gc: "function" };
  await using context = openWorkerContext(workers);
  assertEquals(await context.run(surroundings, []), expected);
  const denied = await assertRejects(() => context.run(traced, [1, "."]), Error, "write access");
  assertEquals(denied.name, "NotCapable");
  await cacheScope({ workers }, async () => {
    assertEquals(await runInWorker(surroundings, []), expected);
  });
});

Deno.test("openWorkerContext() refuses bad options by name", () => {
  const bad: [WorkerContextOptions, typeof TypeError | typeof RangeError, string][] = [
    // @ts-expect-error A misspelled option.
    [{ idleTimeOut: 1 }, TypeError, '"idleTimeOut" is not an option'],
    // @ts-expect-error A kind that is none.
    [{ workerType: "thread" }, TypeError, "`workerType` is one of"],
    // @ts-expect-error What the option was called.
    [{ type: "inline" }, TypeError, '"type" is not an option'],
    [{ idleTimeout: -1 }, RangeError, "`idleTimeout` must not be negative: -1"],
    [{ gracePeriod: NaN }, RangeError, "`gracePeriod` must not be negative: NaN"],
    [{ maxWorkers: 0 }, RangeError, "`maxWorkers` must be a positive integer or Infinity: 0"],
    [{ permissions: "none" }, TypeError, '`permissions` is for workers of the kind "process"'],
    [{ env: {} }, TypeError, '`env` is for workers of the kind "process", not "web"'],
    [
      { flags: [], workerType: "inline" },
      TypeError,
      '`flags` is for workers of the kind "process"',
    ],
    // @ts-expect-error A function that no worker finds.
    [{ init: () => {} }, TypeError, "`init` is no task"],
    // @ts-expect-error The same with arguments.
    [{ retire: { task: () => true, args: [] } }, TypeError, "`retire` is no task"],
  ];
  for (const [options, error, text] of bad) {
    assertThrows(() => openWorkerContext(options), error, text);
    assertThrows(() => configureDefaultContext(options), error, text);
    assertThrows(() => openScope({ workers: options }), error, text);
  }
});
