// collaboration: how the dispatcher gives calls up, with workers faked through their interface
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { cacheScope, createMemoryCache, Executor, type Future, openBag } from "@quiver/quiver";
import { DeadlineError, WorkerDiedError } from "../../src/base/errors.ts";
import { type CallObserver, DispatchedCall } from "../../src/executor/dispatch/call.ts";
import { Dispatcher } from "../../src/executor/dispatch/dispatcher.ts";
import type { DispatcherOptions } from "../../src/executor/dispatch/options.ts";
import {
  type CallFollower,
  type CallListener,
  type CallRequest,
  type Cancellation,
  type Outcome,
  PromisedCall,
  type RunResult,
  type Worker,
} from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { double, fail, surroundings } from "./testdata/tasks.ts";

leaveNothing();

/** A worker whose calls end when the test says so, and whose code stops when it says so. */
class FakeWorker implements Worker {
  readonly room = Infinity;
  readonly aborts: unknown[] = [];
  readonly stop = Promise.withResolvers<boolean>();
  readonly #death = Promise.withResolvers<string>();
  readonly #calls: CallListener[] = [];
  readonly dead = this.#death.promise;

  constructor(readonly name: string) {}

  get pending(): number {
    return this.#calls.length;
  }

  /** Who follows the call that runs. */
  get follower(): CallFollower | undefined {
    return this.#calls[0]?.follower;
  }

  send(_request: CallRequest, listener: CallListener): void {
    this.#calls.push(listener);
  }

  run(request: CallRequest, follower?: CallFollower): Promise<RunResult> {
    const call = new PromisedCall(follower);
    this.send(request, call);
    return call.result;
  }

  abort(_follower: CallFollower, reason: unknown): void {
    this.aborts.push(reason);
  }

  takeItems(): undefined {}

  begunItems(): number {
    return 0;
  }

  revoke(): boolean {
    if (this.#calls.length < 2) return false;
    const newest = this.#calls.pop();
    queueMicrotask(() => newest?.ended({ type: "revoked" }));
    return true;
  }

  cancel(follower: CallFollower): Cancellation {
    const index = this.#calls.findIndex((call) => call.follower === follower);
    if (index < 1) return "begun";
    this.#calls.splice(index, 1);
    return "withdrawn";
  }

  hasBegun(follower: CallFollower): boolean {
    return this.follower === follower;
  }

  async finish(duration = 1): Promise<void> {
    this.#calls.shift()?.ended({ type: "value", value: 1, duration, warnings: [] });
    await settle();
  }

  close(): Promise<void> {
    this.#death.resolve("closed");
    return Promise.resolve();
  }

  terminate(): void {
    this.#death.resolve("terminated");
    const error = new WorkerDiedError("Cannot finish", { reason: "terminated", ending: "killed" });
    const running = this.#calls.shift();
    queueMicrotask(() => running?.failed(error));
  }

  checkArrivals(): () => boolean {
    return () => true;
  }

  stopped(signal: AbortSignal): Promise<boolean> {
    signal.addEventListener("abort", () => this.stop.resolve(false));
    return this.stop.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Lets all promises settle that wait for nothing but each other. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

interface Stage {
  readonly dispatcher: Dispatcher;
  readonly workers: FakeWorker[];
  run(task: string, observer?: CallObserver): Promise<Outcome>;
}

function createStage(options: Partial<DispatcherOptions> = {}): Stage {
  const workers: FakeWorker[] = [];
  const open = () => {
    const worker = new FakeWorker(`fake-${workers.length}`);
    workers.push(worker);
    return Promise.resolve(worker);
  };
  const dispatcher = new Dispatcher({ maxWorkers: 1, idleTimeout: Infinity, open, ...options });
  const run = (task: string, observer?: CallObserver) => {
    const call = dispatcher.run({ module: "file:///x.ts", task, args: [], context: {} }, observer);
    call.catch(() => {});
    return call;
  };
  return { dispatcher, workers, run };
}

function counts({ dispatcher }: Stage): { workers: number; lost: number } {
  const { workers, lost } = dispatcher.statistics();
  return { workers, lost };
}

Deno.test("Dispatcher.run() counts a deadline from the call's word that it starts", async () => {
  const stage = createStage();
  const late = stage.run("late", { deadline: 1, gracePeriod: 0 });
  const waiting = stage.run("waiting", { deadline: 1 });
  await settle();
  // More than the deadline passes, and nothing has started.
  await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(stage.dispatcher.statistics().running, 1);
  stage.workers[0]?.follower?.onMessage("started", undefined);
  const error = await assertRejects(() => late, DeadlineError);
  assertEquals(error.message, 'Cannot finish "late" within 1 ms of its start');
  assertEquals(stage.workers[0]?.aborts, [error]);
  await settle();
  // The other one is elsewhere, and its time has not begun.
  assertEquals(counts(stage), { workers: 1, lost: 1 });
  await stage.workers[1]?.finish();
  await waiting;
  await stage.workers[0]?.finish();
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() counts a deadline though the call could not say that it starts", async () => {
  const stage = createStage();
  const late = stage.run("late", { deadline: 1, gracePeriod: 0, onAbort: "terminate" });
  await settle();
  // It was stopped before its word was out, and somebody has seen that it has begun.
  stage.workers[0]?.follower?.noteBegun?.();
  await assertRejects(() => late, DeadlineError);
  assertEquals(await stage.workers[0]?.dead, "terminated");
  stage.workers[0]?.stop.resolve(true);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() counts no deadline for what follows the body of a remembered call", async () => {
  const stage = createStage({ maxWorkers: 3 });
  const run = async (task: string, ...said: string[]) => {
    const call = stage.run(task, { deadline: 1, gracePeriod: 0 });
    await settle();
    for (const word of said) stage.workers.at(-1)?.follower?.onMessage(word, undefined);
    return { call };
  };
  const inTime = await run("in time", "started", "ended");
  const late = await run("late", "started", "ended");
  const open = await run("open", "started");
  // Where no deadline ends it any more, its worker must not stand still.
  const finishing = stage.workers.map(({ follower }) => follower?.finishing);
  assertEquals(finishing, [true, true, false]);
  // Its timer was set after the others'.
  await assertRejects(() => open.call, DeadlineError);
  await stage.workers[0]?.finish();
  assertEquals((await inTime.call).type, "value");
  await stage.workers[1]?.finish(2);
  await assertRejects(() => late.call, DeadlineError);
  await stage.workers[2]?.finish();
  await stage.dispatcher.close();
});

Deno.test("a call says when its body has ended, if what follows may take time", async () => {
  const { onMessage } = DispatchedCall.prototype;
  const said: string[] = [];
  DispatchedCall.prototype.onMessage = function (kind, data) {
    said.push(kind);
    onMessage.call(this, kind, data);
  };
  using _onMessage = {
    [Symbol.dispose]: () => void (DispatchedCall.prototype.onMessage = onMessage),
  };
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(`${path}/bag`, { fold: "manual" });
    await using executor = new Executor({ workerType: "inline" });
    for (const cache of [undefined, createMemoryCache(), bag]) {
      const patient = executor.with({ deadline: 60_000 });
      const run = async (call: () => Future<unknown>) => {
        said.length = 0;
        await cacheScope(cache === undefined ? {} : { cache }, () => call().catch(() => {}));
        return said.join(" ");
      };
      const short = cache === undefined ? "started" : "started ended";
      assertEquals(await run(() => patient.submit(double, 2)), short);
      assertEquals(await run(() => patient.submit(surroundings)), "started ended");
      assertEquals(await run(() => patient.submit(fail, "type")), "started ended");
    }
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("Dispatcher.run() keeps the worker of a call that ends within its grace period", async () => {
  const stage = createStage();
  const controller = new AbortController();
  const call = stage.run("a", { cancellation: controller.signal, gracePeriod: 60_000 });
  await settle();
  controller.abort("enough");
  assertStrictEquals(await call.catch((reason) => reason), "enough");
  assertEquals(stage.workers[0]?.aborts, ["enough"]);
  assertEquals(counts(stage), { workers: 1, lost: 0 });
  const next = stage.run("b");
  await settle();
  assertEquals(stage.workers.length, 1);
  // Its timer would keep this test from ending.
  await stage.workers[0]?.finish();
  await stage.workers[0]?.finish();
  await next;
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() gives up the worker of a call after its grace period", async () => {
  const stage = createStage();
  const controller = new AbortController();
  void stage.run("a", { cancellation: controller.signal, gracePeriod: 1 });
  await settle();
  controller.abort("enough");
  const next = stage.run("b");
  while (counts(stage).lost === 0) await new Promise((resolve) => setTimeout(resolve));
  await settle();
  assertEquals(counts(stage), { workers: 1, lost: 1 });
  await stage.workers[1]?.finish();
  await next;
  await stage.workers[0]?.finish();
  assertEquals(counts(stage), { workers: 1, lost: 0 });
  await stage.dispatcher.close();
});

Deno.test('Dispatcher.run() with "terminate" ends the worker, lost until its code stops', async () => {
  const stage = createStage({ onAbort: "terminate" });
  const controller = new AbortController();
  const { signal: cancellation } = controller;
  void stage.run("a", { cancellation, gracePeriod: 0 });
  await settle();
  controller.abort("enough");
  assertEquals(await stage.workers[0]?.dead, "terminated");
  assertEquals(counts(stage), { workers: 0, lost: 1 });
  stage.workers[0]?.stop.resolve(true);
  await settle();
  assertEquals(counts(stage), { workers: 0, lost: 0 });
  await stage.dispatcher.close();
});

Deno.test('Dispatcher.run() with "detach" for one call overrides the default', async () => {
  const stage = createStage({ onAbort: "terminate" });
  const controller = new AbortController();
  void stage.run("a", { cancellation: controller.signal, onAbort: "detach", gracePeriod: 0 });
  await settle();
  controller.abort("enough");
  assertEquals(counts(stage), { workers: 0, lost: 1 });
  await stage.workers[0]?.finish();
  // There is room for it: it takes calls again.
  assertEquals(counts(stage), { workers: 1, lost: 0 });
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.close() names the workers that cannot be stopped, and ends", async () => {
  const stage = createStage();
  const controller = new AbortController();
  void stage.run("stuck", { cancellation: controller.signal, gracePeriod: 0 });
  await settle();
  controller.abort("enough");
  const warnings: string[] = [];
  await stage.dispatcher.close({ warn: (message) => warnings.push(message) });
  assertEquals(warnings, [
    'Cannot stop worker "fake-0": it still runs "stuck", and the program may not end by itself ' +
    "before that returns; end it by `Deno.exit()`, or use workers that can be killed",
  ]);
});

Deno.test("Dispatcher.close() gives up a call in its grace period when that is over", async () => {
  const stage = createStage();
  const controller = new AbortController();
  void stage.run("slow", { cancellation: controller.signal, gracePeriod: 1 });
  await settle();
  controller.abort("enough");
  stage.workers[0]?.stop.resolve(true);
  await stage.dispatcher.close();
  assertEquals(await stage.workers[0]?.dead, "terminated");
});

// executors 29
Deno.test("Dispatcher.run() leaves a loop of workers that take no calls when its signal aborts", async () => {
  const controller = new AbortController();
  let starts = 0;
  class Leaving extends FakeWorker {
    override send(_request: CallRequest, listener: CallListener): void {
      queueMicrotask(() => listener.ended({ type: "revoked" }));
    }
  }
  const open = () => {
    if (++starts === 100) controller.abort("no worker stays");
    return Promise.resolve(new Leaving(`leaving-${starts}`));
  };
  const stage = createStage({ open });
  const call = stage.run("a", { cancellation: controller.signal });
  assertEquals(await call.catch((reason) => reason), "no worker stays");
  await settle();
  assertEquals(starts, 100);
  await stage.dispatcher.close();
});
