// Collaboration: the hooks of workers, with real workers and a real dispatcher.
import { assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";
import {
  ExecutorShutdownError,
  WorkerDiedError,
  WorkerInitError,
  WorkersKilledError,
} from "../../src/base/errors.ts";
import { Dispatcher } from "../../src/executor/dispatch/dispatcher.ts";
import { openWorkerOfType, type WorkerHookCalls } from "../../src/executor/engine/open_worker.ts";
import { transfer } from "../../src/worker/transfer.ts";
import {
  type CallRequest,
  type RunResult,
  toHookCall,
  WORKER_TYPES,
} from "../../src/worker/worker.ts";
import { openSharedFolder } from "./_shared_folder.ts";
import * as tasks from "./testdata/context_tasks.ts";

leaveNothing();

function toRequest(task: { readonly address: { module: string; name: string } }): CallRequest {
  return { module: task.address.module, task: task.address.name, args: [], context: undefined };
}

function valueOf(result: RunResult): unknown {
  if (result.type === "value") return result.value;
  throw new Error(`the call has no value: ${result.type}`);
}

function toHook(task: { address: { module: string; name: string } }, ...args: unknown[]) {
  return toHookCall({ task, args }, "test", "hook");
}

for (const type of WORKER_TYPES) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${type}: ${name}`, fn);
  const open = (hooks: WorkerHookCalls, signal = new AbortController().signal) => {
    const openWorker = openWorkerOfType({ type, ...hooks });
    return () => openWorker(signal);
  };

  // executors 42
  test("init runs once in a new worker, before its first call", async () => {
    await using worker = await open({ init: toHook(tasks.setUp, "yes") })();
    const first = valueOf(await worker.run(toRequest(tasks.readState)));
    const second = valueOf(await worker.run(toRequest(tasks.readState)));
    assertEquals(first, second);
    // Inline workers share the state of this isolate.
    if (type !== "inline") assertEquals(first, { ready: "yes", inits: 1 });
  });

  // executors 43
  test("init that throws is a WorkerInitError with what it threw", async () => {
    const error = await assertRejects(
      open({ init: toHook(tasks.failToSetUp) }),
      WorkerInitError,
      'its `init` task "failToSetUp" failed: no licence left',
    );
    assertInstanceOf(error.cause, RangeError);
    assertEquals(error.cause.cause, "the licence server");
  });

  test("init with arguments that cannot be sent is a WorkerInitError", async () => {
    await assertRejects(open({ init: toHook(tasks.setUp, () => {}) }), WorkerInitError, "args[0]");
  });

  test("retire with arguments that cannot be sent is a WorkerInitError", async () => {
    await assertRejects(
      open({ retire: toHook(tasks.afterCalls, () => {}) }),
      WorkerInitError,
      'its `retire` task "afterCalls" failed: Cannot send args[0]',
    );
  });

  test("init that never ends can be given up", async () => {
    await using folder = await openSharedFolder();
    const controller = new AbortController();
    const opening = open({ init: toHook(tasks.hang, folder.path) }, controller.signal)();
    await folder.appears("hang.started");
    controller.abort();
    await assertRejects(() => opening, WorkerInitError, "it was terminated");
  });

  test("retire that never ends goes with its worker, and is no failure", async () => {
    await using folder = await openSharedFolder();
    const worker = await open({ retire: toHook(tasks.hang, folder.path) })();
    assertEquals((await worker.run(toRequest(tasks.whichIsolate))).type, "value");
    await folder.appears("hang.started");
    const next = worker.run(toRequest(tasks.whichIsolate));
    const closing = worker.close();
    worker.terminate();
    assertEquals(await next, { type: "revoked" });
    await closing;
  });

  test("Dispatcher.terminate() ends a worker whose init never ends", async () => {
    await using folder = await openSharedFolder();
    const init = toHook(tasks.hang, folder.path);
    const dispatcher = new Dispatcher({ maxWorkers: 1, open: openWorkerOfType({ type, init }) });
    const call = dispatcher.run(toRequest(tasks.whichIsolate));
    await folder.appears("hang.started");
    dispatcher.terminate();
    await assertRejects(() => call, ExecutorShutdownError);
    await dispatcher.close();
  });

  test("Dispatcher.close() kills what does not end in the grace period, and counts it", async () => {
    await using folder = await openSharedFolder();
    const hook = toHook(tasks.hang, folder.path);
    for (const hooks of [{ init: hook }, { retire: hook }]) {
      const open = openWorkerOfType({ type, ...hooks });
      const dispatcher = new Dispatcher({ maxWorkers: 1, open, gracePeriod: 1 });
      const controller = new AbortController();
      const call = dispatcher.run(toRequest(tasks.whichIsolate), {
        cancellation: controller.signal,
      });
      await folder.appears("hang.started");
      if (hooks.init === undefined) await call;
      else {
        controller.abort(new RangeError("enough"));
        await assertRejects(() => call, RangeError, "enough");
      }
      const error = await assertRejects(() => dispatcher.close(), WorkersKilledError, "in 1 ms");
      assertEquals(error.killed, 1);
      await Deno.remove(`${folder.path}/hang.started`);
    }
  });

  test("retire ends the worker, and calls that it was given meanwhile go back", async () => {
    const worker = await open({ retire: toHook(tasks.always) })();
    const first = worker.run(toRequest(tasks.whichIsolate));
    const second = worker.run(toRequest(tasks.whichIsolate));
    assertEquals((await first).type, "value");
    assertEquals(await second, { type: "revoked" });
    assertEquals(await worker.dead, "it was closed");
    assertEquals(await worker.run(toRequest(tasks.whichIsolate)), { type: "revoked" });
    await worker.close();
  });

  test("retire ends a worker that has no other call", async () => {
    const worker = await open({ retire: toHook(tasks.always) })();
    assertEquals((await worker.run(toRequest(tasks.whichIsolate))).type, "value");
    assertEquals(await worker.dead, "it was closed");
    await worker.close();
  });

  test("retire that says no keeps the worker", async () => {
    await using worker = await open({ retire: toHook(tasks.never) })();
    const first = valueOf(await worker.run(toRequest(tasks.whichIsolate)));
    assertEquals(valueOf(await worker.run(toRequest(tasks.whichIsolate))), first);
  });

  test("retire leaves calls that have not started to be taken back", async () => {
    await using worker = await open({ retire: toHook(tasks.never) })();
    const { room } = worker;
    const runs = [1, 2, 3].map(() => worker.run(toRequest(tasks.whichIsolate)));
    assertEquals(worker.room, room - 3);
    assertEquals([worker.revoke(), worker.revoke()], [true, true]);
    assertEquals((await Promise.all(runs)).map(({ type }) => type), [
      "value",
      "revoked",
      "revoked",
    ]);
    assertEquals(worker.revoke(), false);
  });

  test("retire loses no call whose arguments were given away", async () => {
    await using dispatcher = new Dispatcher({
      maxWorkers: 1,
      open: open({ retire: toHook(tasks.always) }),
    });
    const calls = Array.from({ length: 20 }, (_, index) => {
      const args = [transfer(new Uint8Array(1000).fill(index))];
      return dispatcher.run({ ...toRequest(tasks.echo), args });
    });
    const values = (await Promise.all(calls)).map(valueOf);
    assertEquals(values, Array.from(values, (_, index) => new Uint8Array(1000).fill(index)));
  });

  test("a call that cannot be given back ends at the worker that leaves", async () => {
    for (const end of ["close", "terminate"] as const) {
      await using folder = await openSharedFolder();
      const dispatcher = new Dispatcher({
        maxWorkers: 1,
        gracePeriod: 100,
        open: open({ retire: toHook(tasks.retireWhen, folder.path, "leave") }),
      });
      await dispatcher.run(toRequest(tasks.whichIsolate));
      // While the worker asks itself it is sent these ahead, as the first was short.
      const long = { ...toRequest(tasks.gated), args: [folder.path, "long"] };
      const given = transfer(new Float64Array(8));
      const calls = [
        dispatcher.run(toRequest(tasks.whichIsolate)),
        dispatcher.run({ ...long, args: [...long.args, given] }),
        dispatcher.run(toRequest(tasks.whichIsolate)),
      ];
      const ends = Promise.allSettled(calls);
      await Deno.writeTextFile(`${folder.path}/leave`, "");
      await folder.appears("long.started");
      await new Promise((resolve) => setTimeout(resolve, 300));
      // Where the first took long nothing was sent ahead, and it has ended elsewhere by now.
      const { running, idle, workers, lost } = dispatcher.statistics();
      assertEquals([running, idle, workers, lost], [1, 0, 1, 0]);
      if (end === "terminate") dispatcher.terminate();
      await Deno.writeTextFile(`${folder.path}/long.go`, "");
      const outcomes = (await ends).map((one) =>
        one.status === "fulfilled" ? one.value.type : one.reason.name
      );
      const expected = end === "close" ? "value" : "ExecutorShutdownError";
      assertEquals(outcomes.slice(1), [expected, expected]);
      // A busy machine does not end a worker in the grace period.
      dispatcher.terminate();
      await dispatcher.close();
    }
  });

  test("retire gets its arguments as they were given, each time", async () => {
    const worker = await open({ retire: toHook(tasks.countInArgument, { count: 0 }) })();
    for (let call = 0; call < 3; call++) {
      assertEquals((await worker.run(toRequest(tasks.whichIsolate))).type, "value");
    }
    await worker.close();
  });

  // executors 45
  test("retire that throws leaves the result, and close() reports it", async () => {
    const worker = await open({ retire: toHook(tasks.failToRetire) })();
    assertEquals((await worker.run(toRequest(tasks.whichIsolate))).type, "value");
    await worker.dead;
    const error = await assertRejects(() => worker.close(), WorkerDiedError, "cannot tell");
    assertInstanceOf(error.cause, TypeError);
  });

  test("close() waits for a retire that still runs", async () => {
    const worker = await open({ retire: toHook(tasks.failToRetire) })();
    await worker.run(toRequest(tasks.whichIsolate));
    await assertRejects(() => worker.close(), WorkerDiedError, "cannot tell");
  });

  // executors 29, 45
  test("Dispatcher runs every call though each worker leaves, and tells what went wrong", async () => {
    const dispatcher = new Dispatcher({
      maxWorkers: 1,
      open: open({ retire: toHook(tasks.afterCalls, 2) }),
    });
    const calls = Array.from({ length: 9 }, () => dispatcher.run(toRequest(tasks.whichIsolate)));
    const isolates = (await Promise.all(calls)).map(valueOf);
    await dispatcher.close();
    // Inline workers share one counter, and one isolate.
    assertEquals(new Set(isolates).size, type === "inline" ? 1 : 5);

    const broken = new Dispatcher({
      maxWorkers: 1,
      open: open({ retire: toHook(tasks.failToRetire) }),
    });
    assertEquals((await broken.run(toRequest(tasks.whichIsolate))).type, "value");
    assertEquals((await broken.run(toRequest(tasks.whichIsolate))).type, "value");
    const error = await assertRejects(() => broken.close(), AggregateError);
    assertEquals(error.errors.map(({ name }) => name), ["WorkerDiedError", "WorkerDiedError"]);

    const told: unknown[] = [];
    const telling = new Dispatcher({
      maxWorkers: 1,
      open: open({ retire: toHook(tasks.failToRetire) }),
      endFailed: (error) => told.push(error),
    });
    await telling.run(toRequest(tasks.whichIsolate));
    await telling.close();
    assertEquals(told.map((error) => error instanceof WorkerDiedError), [true]);
  });
}

Deno.test("toHookCall() refuses what is no task", () => {
  const refused = () =>
    // @ts-expect-error A plain function has no address.
    toHookCall(() => true, "open a worker context", "retire");
  assertThrows(refused, TypeError, "Cannot open a worker context: `retire` is no task");
});
