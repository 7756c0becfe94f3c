// End-to-end: worker contexts through the public API, with real workers of every kind.
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  cacheScope,
  configureDefaultContext,
  createMemoryCache,
  defaultContextStatistics,
  defaultLimiter,
  type Limiter,
  openBag,
  openScope,
  openWorkerContext,
  runInWorker,
  ScopeClosedError,
  UnclonableError,
  type WorkerContextOptions,
  WorkerDiedError,
  WorkerInitError,
  WorkersKilledError,
  type WorkerType,
} from "@quiver/quiver";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { openSharedFolder, until } from "./_shared_folder.ts";
import * as tasks from "./testdata/context_tasks.ts";

interface Kind {
  readonly type: WorkerType;
  readonly open: (options?: WorkerContextOptions) => ReturnType<typeof openWorkerContext>;
}

/** Declares a test for each kind of worker; some hold only for those with an isolate of their own. */
function testKinds(name: string, fn: (kind: Kind) => Promise<void>, isolated = false): void {
  for (const type of WORKER_TYPES) {
    if (isolated && type === "inline") continue;
    const open = (options: WorkerContextOptions = {}) => openWorkerContext({ type, ...options });
    Deno.test(`${type}: ${name}`, () => fn({ type, open }));
  }
}

const UNLIMITED: Limiter = { acquire: () => ({ [Symbol.dispose]: () => {} }) };

const isolatedKinds = (name: string, fn: (kind: Kind) => Promise<void>) =>
  testKinds(name, fn, true);

testKinds("WorkerContext.run() runs a task and keeps its worker for the next", async ({ open }) => {
  await using context = open();
  const future = context.run(tasks.echo, [{ a: 1 }]);
  assertEquals(await future, { a: 1 });
  assertEquals([future.state, future.hit], ["done", false]);
  const isolate = await context.run(tasks.whichIsolate, []);
  assertEquals(await context.run(tasks.whichIsolate, []), isolate);
  assertEquals(context.statistics(), { queued: 0, running: 0, idle: 1, workers: 1, lost: 0 });
});

testKinds("WorkerContext.run() answers from the cache without a worker", async ({ open }) => {
  await cacheScope({ cache: createMemoryCache() }, async () => {
    const value = await tasks.whichIsolate();
    await using context = open();
    const limiter: Limiter = {
      acquire: () => {
        throw new Error("a hit asked for a permit");
      },
    };
    const future = context.run(tasks.whichIsolate, [], { limiter });
    assertEquals(await future, value);
    assertEquals([future.hit, context.statistics().workers], [true, 0]);
  });
});

testKinds("WorkerContext.run() remembers in a bag", async ({ open }) => {
  await using folder = await openSharedFolder();
  const isolates: string[] = [];
  for (const hit of [false, true]) {
    await using bag = await openBag(`${folder.path}/results.bag`);
    await using context = open();
    await cacheScope({ cache: bag }, async () => {
      const future = context.run(tasks.whichIsolate, []);
      isolates.push(await future);
      assertEquals([future.hit, context.statistics().workers], [hit, hit ? 0 : 1]);
    });
  }
  assertEquals(isolates[0], isolates[1]);
});

testKinds(
  "WorkerContext.run() takes the idle worker that was used last",
  async ({ type, open }) => {
    await using folder = await openSharedFolder();
    await using context = open();
    const call = async (name: string) => {
      const call = context.run(tasks.gatedIsolate, [folder.path, name], { limiter: UNLIMITED });
      await folder.appears(`${name}.started`);
      return { call, go: () => folder.write(`${name}.go`) };
    };
    const [first, second] = [await call("first"), await call("second")];
    await second.go();
    await second.call;
    await first.go();
    const isolate = await first.call;
    assertEquals(context.statistics().idle, 2);
    for (const _ of [1, 2, 3]) assertEquals(await context.run(tasks.whichIsolate, []), isolate);
    assertEquals(await second.call === isolate, type === "inline");
  },
);

testKinds("WorkerContext.run() starts workers without bound but the limiter's", async (kind) => {
  await using folder = await openSharedFolder();
  await using context = kind.open();
  const names = ["a", "b", "c", "d", "e"];
  const calls = names.map((name) =>
    context.run(tasks.gated, [folder.path, name], { limiter: UNLIMITED })
  );
  for (const name of names) await folder.appears(`${name}.started`);
  assertEquals(context.statistics().running, 5);
  for (const name of names) await folder.write(`${name}.go`);
  assertEquals(await Promise.all(calls), names);
});

testKinds("WorkerContext.run() with `maxWorkers` queues", async ({ open }) => {
  await using folder = await openSharedFolder();
  await using context = open({ maxWorkers: 1 });
  const first = context.run(tasks.gated, [folder.path, "first"]);
  await folder.appears("first.started");
  const second = context.run(tasks.echo, [2]);
  await until(() => context.statistics().queued === 1);
  await folder.write("first.go");
  assertEquals([await first, await second], ["first", 2]);
  assertEquals(context.statistics().workers, 1);
});

testKinds("WorkerContext.run() holds a permit of its limiter while it runs", async ({ open }) => {
  await using folder = await openSharedFolder();
  await using context = open();
  const events: string[] = [];
  const first = Promise.withResolvers<Disposable>();
  const permit = { [Symbol.dispose]: () => void events.push("given back") };
  const limiter = { acquire: () => (events.push("asked"), first.promise) };
  const call = context.run(tasks.gated, [folder.path, "call"], { limiter });
  await until(() => events.length > 0);
  assertEquals([events, context.statistics().workers], [["asked"], 0]);
  first.resolve(permit);
  await folder.appears("call.started");
  assertEquals(events, ["asked"]);
  await folder.write("call.go");
  await call;
  assertEquals(events, ["asked", "given back"]);
});

testKinds("WorkerContext.run() that is given up gives a late permit back", async ({ open }) => {
  await using context = open();
  const late = Promise.withResolvers<Disposable>();
  const returned = Promise.withResolvers<void>();
  const controller = new AbortController();
  const asked = Promise.withResolvers<void>();
  const limiter = { acquire: () => (asked.resolve(), late.promise) };
  const call = context.run(tasks.echo, [1], { limiter, signal: controller.signal });
  await asked.promise;
  controller.abort(new RangeError("enough"));
  await assertRejects(() => call, RangeError, "enough");
  assertEquals(call.state, "cancelled");
  late.resolve({ [Symbol.dispose]: () => returned.resolve() });
  await returned.promise;
  assertEquals(context.statistics().workers, 0);
});

// executors 15
testKinds(
  "WorkerContext.run() with an argument that cannot be sent keeps its worker",
  async (kind) => {
    await using context = kind.open();
    const isolate = await context.run(tasks.whichIsolate, []);
    await assertRejects(() => context.run(tasks.echo, [() => 1]), UnclonableError, "args[0]");
    assertEquals(await context.run(tasks.whichIsolate, []), isolate);
    assertEquals(context.statistics().workers, 1);
  },
);

// executors 1, 9
isolatedKinds("WorkerContext.run() fails alone when its worker dies", async ({ open }) => {
  await using folder = await openSharedFolder();
  await using context = open();
  const other = context.run(tasks.gated, [folder.path, "other"], { limiter: UNLIMITED });
  await folder.appears("other.started");
  const error = await assertRejects(
    () => context.run(tasks.die, [], { limiter: UNLIMITED }),
    WorkerDiedError,
    'Cannot finish "die"',
  );
  assertNotEquals(error.reason, "");
  assertEquals(await context.run(tasks.echo, [7]), 7);
  await folder.write("other.go");
  assertEquals(await other, "other");
});

// executors 9
testKinds("WorkerContext.run() tells each call why no worker starts", async ({ open }) => {
  await using context = open({ init: tasks.failToSetUp });
  for (const _ of [1, 2]) {
    const error = await assertRejects(() => context.run(tasks.echo, [1]), WorkerInitError);
    assertInstanceOf(error.cause, RangeError);
  }
  assertEquals(context.statistics().workers, 0);
});

// executors 2
testKinds(
  "WorkerContext.run() with `terminate` ends the worker of an endless call",
  async (kind) => {
    await using folder = await openSharedFolder();
    await using context = kind.open();
    const controller = new AbortController();
    const options = { signal: controller.signal, onAbort: "terminate" } as const;
    const call = context.run(tasks.hang, [folder.path], options);
    await folder.appears("hang.started");
    controller.abort(new RangeError("enough"));
    await assertRejects(() => call, RangeError, "enough");
    controller.abort(new RangeError("once more"));
    assertEquals(context.statistics(), { queued: 0, running: 0, idle: 0, workers: 0, lost: 0 });
    assertEquals(await context.run(tasks.echo, [7]), 7);
  },
);

// executors 23
testKinds("WorkerContext.run() with an aborted signal starts no worker", async ({ open }) => {
  await using context = open();
  const signal = AbortSignal.abort(new RangeError("too late"));
  await assertRejects(() => context.run(tasks.echo, [1], { signal }), RangeError, "too late");
  assertEquals(context.statistics().workers, 0);
});

// executors 25
testKinds("WorkerContext.run() given up on its way leaves no worker busy", async ({ open }) => {
  await using folder = await openSharedFolder();
  await using context = open();
  await context.run(tasks.echo, [1]);
  for (const sent of [false, true]) {
    const controller = new AbortController();
    const options = { signal: controller.signal, onAbort: "terminate" } as const;
    const call = context.run(tasks.hang, [folder.path], options);
    // Microtasks only: the call is posted, and its worker had hardly time to take it.
    while (sent && call.state !== "running") await undefined;
    controller.abort(new RangeError("enough"));
    await assertRejects(() => call, RangeError, "enough");
    await until(() => context.statistics().running === 0);
    assertEquals(context.statistics().lost, 0);
    assertEquals(await context.run(tasks.echo, [7]), 7);
  }
});

// executors 26
testKinds(
  "WorkerContext.run() with `detach` lets a call go on that nobody awaits",
  async (kind) => {
    await using folder = await openSharedFolder();
    await using context = kind.open();
    const controller = new AbortController();
    const call = context.run(tasks.gated, [folder.path, "call"], { signal: controller.signal });
    await folder.appears("call.started");
    controller.abort(new RangeError("enough"));
    await assertRejects(() => call, RangeError, "enough");
    assertEquals([context.statistics().lost, folder.has("call.ended")], [1, false]);
    await folder.write("call.go");
    await folder.appears("call.ended");
    await until(() => context.statistics().lost === 0);
    assertEquals(context.statistics().idle, 1);
  },
);

testKinds("WorkerContext.run() given up while an argument is awaited rejects", async ({ open }) => {
  await using context = open();
  const controller = new AbortController();
  const argument = Promise.withResolvers<number>();
  const call = context.run(tasks.echo, [argument.promise], { signal: controller.signal });
  controller.abort(new RangeError("enough"));
  await assertRejects(() => call, RangeError, "enough");
  argument.resolve(1);
  assertEquals(context.statistics().workers, 0);
});

// executors 29
testKinds("WorkerContext.run() goes elsewhere when its worker leaves just then", async (kind) => {
  await using folder = await openSharedFolder();
  await using context = kind.open({
    retire: { task: tasks.retireWhen, args: [folder.path, "leave"] },
  });
  const first = await context.run(tasks.whichIsolate, []);
  const second = context.run(tasks.whichIsolate, []);
  await until(() => second.state === "running");
  assertEquals(context.statistics().workers, 1);
  await folder.write("leave");
  assertEquals(await second === first, kind.type === "inline");
});

isolatedKinds("WorkerContext.run() has another worker where an idle one has died", async (kind) => {
  await using folder = await openSharedFolder();
  await using context = kind.open();
  const first = await context.run(tasks.whichIsolate, []);
  await context.run(tasks.dieLater, [folder.path]);
  await folder.write("die.go");
  await until(() => context.statistics().workers === 0);
  assertNotEquals(await context.run(tasks.whichIsolate, []), first);
});

// executors 29
Deno.test("web: WorkerContext.run() goes elsewhere when its idle worker ends unseen", async () => {
  await using context = openWorkerContext();
  const first = await context.run(tasks.whichIsolate, []);
  await context.run(tasks.dieAtOnce, []);
  assertEquals(context.statistics().idle, 1);
  assertNotEquals(await context.run(tasks.whichIsolate, []), first);
});

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
  const call = context.run(tasks.gated, [folder.path, "call"], { signal: controller.signal });
  await folder.appears("call.started");
  controller.abort(new RangeError("enough"));
  await assertRejects(() => call, RangeError, "enough");
  const closing = context[Symbol.asyncDispose]();
  await folder.write("call.go");
  await closing;
  assert(folder.has("call.ended"));
});

testKinds("WorkerContext kills what does not end within the grace period", async (kind) => {
  await using folder = await openSharedFolder();
  const context = kind.open({ gracePeriod: 1 });
  const controllers = ["a", "b"].map(() => new AbortController());
  const calls = controllers.map(({ signal }, index) =>
    context.run(tasks.gated, [folder.path, `${index}`], { signal, limiter: UNLIMITED })
  );
  for (const index of ["0", "1"]) await folder.appears(`${index}.started`);
  for (const controller of controllers) controller.abort(new RangeError("enough"));
  for (const call of calls) await assertRejects(() => call, RangeError, "enough");
  const error = await assertRejects(() => context[Symbol.asyncDispose](), WorkersKilledError);
  assertEquals(error.killed, 2);
  assertEquals(context.statistics(), { queued: 0, running: 0, idle: 0, workers: 0, lost: 0 });
  // In this isolate they go on, whatever was said.
  for (const index of ["0", "1"]) await folder.write(`${index}.go`);
  if (kind.type !== "inline") return;
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

// executors 73
testKinds("cacheScope() with workers has its own, a nested one others", async ({ type, open }) => {
  await using explicit = open();
  await configureDefaultContext({ type });
  const seen: { isolate: string; workers: number }[] = [];
  const call = async (context?: typeof explicit) => {
    const options = context === undefined ? {} : { context };
    const isolate = await runInWorker(tasks.whichIsolate, [], options);
    const { workers } = context?.statistics() ?? defaultContextStatistics();
    seen.push({ isolate, workers });
  };
  await call();
  await cacheScope({ workers: { type } }, async () => {
    assertEquals(defaultContextStatistics().workers, 0);
    await call();
    await cacheScope({ workers: { type } }, async () => {
      assertEquals(defaultContextStatistics().workers, 0);
      await call();
      await call(explicit);
    });
    await cacheScope({ tags: { inherits: true } }, call);
  });
  await call();
  assertEquals(seen.map(({ workers }) => workers), [1, 1, 1, 1, 1, 1]);
  const [outside, outer, inner, own, inherited, again] = seen.map(({ isolate }) => isolate);
  assertEquals([inherited, again], [outer, outside]);
  if (type !== "inline") assertEquals(new Set([outside, outer, inner, own]).size, 4);
  await configureDefaultContext({});
});

// executors 74
testKinds("work that outlives a scope with workers belongs to that scope", async ({ type }) => {
  const started = Promise.withResolvers<void>();
  let late = Promise.resolve("");
  await cacheScope({ workers: { type } }, async () => {
    late = started.promise.then(() => runInWorker(tasks.whichIsolate, []));
    await runInWorker(tasks.echo, [1]);
  });
  // In trio-parallel it would have the workers of the nursery that it runs in.
  started.resolve();
  await assertRejects(() => late, ScopeClosedError);
});

// executors 75
testKinds(
  "openScope() with workers ends them, and refuses calls through them",
  async ({ type }) => {
    const handle = openScope({ workers: { type } });
    const { workers } = handle.scope;
    const statistics = await handle.run(async () => {
      await runInWorker(tasks.echo, [1]);
      return () => defaultContextStatistics();
    });
    assertEquals(await handle.run(() => statistics().idle), 1);
    await handle[Symbol.asyncDispose]();
    await assertRejects(() => handle.run(() => runInWorker(tasks.echo, [1])), ScopeClosedError);
    await cacheScope({}, async () => {
      assertStrictEquals(handle.scope.workers, workers);
      await handle[Symbol.asyncDispose]();
    });
  },
);

// executors 75
testKinds(
  "cacheScope() refuses calls in its workers after its end, used or not",
  async ({ type }) => {
    for (const used of [true, false]) {
      const { promise, resolve } = Promise.withResolvers<void>();
      let late: Promise<unknown> = promise;
      await cacheScope({ workers: { type } }, async () => {
        if (used) await runInWorker(tasks.echo, [1]);
        late = promise.then(() => runInWorker(tasks.echo, [2]));
      });
      resolve();
      await assertRejects(() => late, ScopeClosedError, 'Cannot run "echo"');
    }
  },
);

testKinds("cacheScope() waits in the end for calls that run on its workers", async ({ type }) => {
  await using folder = await openSharedFolder();
  const calls: Promise<string>[] = [];
  await cacheScope({ workers: { type } }, async () => {
    calls.push(runInWorker(tasks.gated, [folder.path, "call"]));
    await folder.appears("call.started");
    void folder.write("call.go");
  });
  assert(folder.has("call.ended"));
  assertEquals(await calls[0], "call");
});

testKinds(
  "configureDefaultContext() ends the workers of before after their calls",
  async (kind) => {
    await using folder = await openSharedFolder();
    await configureDefaultContext({ type: kind.type });
    const call = runInWorker(tasks.gated, [folder.path, "call"]);
    await folder.appears("call.started");
    const configured = configureDefaultContext({ type: "inline" });
    assertEquals(await runInWorker(tasks.echo, [1]), 1);
    await folder.write("call.go");
    await configured;
    assertEquals([call.state, await call], ["done", "call"]);
    await configureDefaultContext({});
  },
);

testKinds(
  "runInWorker() in a call on a worker does not wait for its caller's permit",
  async (kind) => {
    await configureDefaultContext({ type: kind.type });
    const calls = Array.from(
      { length: 4 * navigator.hardwareConcurrency },
      (_, index) => runInWorker(tasks.nested, [index]),
    );
    assertEquals(await Promise.all(calls), calls.map((_, index) => index));
    await configureDefaultContext({});
  },
);

// executors 37, 38
Deno.test("a program that closes nothing ends by itself after its calls, and says nothing", async () => {
  await using folder = await openSharedFolder();
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-read",
      "--allow-write",
      new URL("./testdata/idle_main.ts", import.meta.url).href,
      folder.path,
    ],
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(30_000),
  }).output();
  const decoder = new TextDecoder();
  assertEquals(
    [code, decoder.decode(stdout), decoder.decode(stderr)],
    [0, "the last line of the program\n", ""],
  );
  for (const name of ["a", "b", "c", "d", "context"]) assert(folder.has(name));
});

Deno.test("defaultLimiter() has a permit for each processor, first come, first served", async () => {
  const limiter = defaultLimiter();
  assertStrictEquals(limiter, defaultLimiter());
  const permits: Disposable[] = [];
  for (let count = 0; count < navigator.hardwareConcurrency; count++) {
    const permit = limiter.acquire();
    assert(!(permit instanceof Promise));
    permits.push(permit);
  }
  const order: number[] = [];
  const waiting = [1, 2].map(async (name) => {
    using _permit = await limiter.acquire();
    order.push(name);
  });
  permits[0]?.[Symbol.dispose]();
  // Given back twice, it is still one.
  permits[0]?.[Symbol.dispose]();
  await Promise.all(waiting);
  assertEquals(order, [1, 2]);
  for (const permit of permits) permit[Symbol.dispose]();
});

Deno.test("openWorkerContext() refuses bad options by name", () => {
  const bad: [WorkerContextOptions, typeof TypeError | typeof RangeError, string][] = [
    // @ts-expect-error A misspelled option.
    [{ idleTimeOut: 1 }, TypeError, '"idleTimeOut" is not an option'],
    // @ts-expect-error A kind that is none.
    [{ type: "thread" }, TypeError, "`type` is one of"],
    [{ idleTimeout: -1 }, RangeError, "`idleTimeout` must not be negative: -1"],
    [{ gracePeriod: NaN }, RangeError, "`gracePeriod` must not be negative: NaN"],
    [{ maxWorkers: 0 }, RangeError, "`maxWorkers` must be a positive integer or Infinity: 0"],
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

Deno.test("WorkerContext.run() refuses bad options by name", async () => {
  await using context = openWorkerContext({ type: "inline" });
  // @ts-expect-error A misspelled option.
  assertThrows(() => context.run(tasks.echo, [1], { onabort: "detach" }), TypeError, '"onabort"');
  // @ts-expect-error An action that is none.
  assertThrows(() => context.run(tasks.echo, [1], { onAbort: "kill" }), TypeError, "`onAbort`");
  // @ts-expect-error No limiter.
  assertThrows(() => context.run(tasks.echo, [1], { limiter: {} }), TypeError, "`limiter`");
  // @ts-expect-error No task.
  assertThrows(() => context.run(() => 1, []), TypeError, "it is not a task");
});
