// End-to-end: calls in worker contexts, with real workers of every kind.
import {
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  openBag,
  UnclonableError,
  WorkerDiedError,
  WorkerInitError,
} from "@quiver/quiver";
import { type Limiter, openWorkerContext } from "@quiver/quiver/workers";
import { leaveNothing } from "../leave_nothing.ts";
import { openSharedFolder, until } from "./_shared_folder.ts";
import { testIsolatedKinds, testKinds, testKindsTogether, UNLIMITED } from "./_worker_kinds.ts";
import * as tasks from "./testdata/context_tasks.ts";

leaveNothing();

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
testIsolatedKinds("WorkerContext.run() fails alone when its worker dies", async ({ open }) => {
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
testKindsTogether(
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
    // It has a moment to end by itself.
    assertEquals(context.statistics(), { queued: 0, running: 0, idle: 0, workers: 1, lost: 0 });
    await until(() => context.statistics().ended !== undefined);
    const { workers, ended } = context.statistics();
    assertEquals([workers, ended], [0, { killed: 1 }]);
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
    while (sent && context.statistics().idle > 0) await undefined;
    controller.abort(new RangeError("enough"));
    await assertRejects(() => call, RangeError, "enough");
    await until(() => context.statistics().running === 0);
    assertEquals(context.statistics().lost, 0);
    assertEquals(await context.run(tasks.echo, [7]), 7);
  }
});

// executors 26
testKindsTogether(
  "WorkerContext.run() with `detach` lets a call go on that nobody awaits",
  async (kind) => {
    await using folder = await openSharedFolder();
    await using context = kind.open();
    const controller = new AbortController();
    const options = { signal: controller.signal, onAbort: "detach" } as const;
    const call = context.run(tasks.gated, [folder.path, "call"], options);
    await folder.appears("call.started");
    controller.abort(new RangeError("enough"));
    await assertRejects(() => call, RangeError, "enough");
    await until(() => context.statistics().lost === 1);
    assertEquals(folder.has("call.ended"), false);
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
  await until(() => context.statistics().idle === 0);
  assertEquals(context.statistics().workers, 1);
  await folder.write("leave");
  assertEquals(await second === first, kind.type === "inline");
});

testIsolatedKinds(
  "WorkerContext.run() has another worker where an idle one has died",
  async (kind) => {
    await using folder = await openSharedFolder();
    await using context = kind.open();
    const first = await context.run(tasks.whichIsolate, []);
    await context.run(tasks.dieLater, [folder.path]);
    await folder.write("die.go");
    await until(() => context.statistics().workers === 0);
    assertNotEquals(await context.run(tasks.whichIsolate, []), first);
  },
);

// executors 29
Deno.test("web: WorkerContext.run() goes elsewhere when its idle worker ends unseen", async () => {
  await using context = openWorkerContext();
  const first = await context.run(tasks.whichIsolate, []);
  await context.run(tasks.dieAtOnce, []);
  assertEquals(context.statistics().idle, 1);
  assertNotEquals(await context.run(tasks.whichIsolate, []), first);
});

Deno.test("WorkerContext.run() refuses bad options by name", async () => {
  await using context = openWorkerContext({ workerType: "inline" });
  // @ts-expect-error A misspelled option.
  assertThrows(() => context.run(tasks.echo, [1], { onabort: "detach" }), TypeError, '"onabort"');
  // @ts-expect-error An action that is none.
  assertThrows(() => context.run(tasks.echo, [1], { onAbort: "kill" }), TypeError, "`onAbort`");
  // @ts-expect-error No limiter.
  assertThrows(() => context.run(tasks.echo, [1], { limiter: {} }), TypeError, "`limiter`");
  // @ts-expect-error No task.
  assertThrows(() => context.run(() => 1, []), TypeError, "it is not a task");
});
