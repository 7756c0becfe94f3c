/** Workers whose calls end when the test says so, and a dispatcher on such workers. */
import { assert } from "@std/assert";
import { WorkerDiedError } from "../../src/base/errors.ts";
import type { CallObserver } from "../../src/executor/dispatch/call.ts";
import { Dispatcher } from "../../src/executor/dispatch/dispatcher.ts";
import type { DispatcherOptions } from "../../src/executor/dispatch/options.ts";
import { type CallContext, STARTED } from "../../src/executor/wire/call_context.ts";
import { fromThrown } from "../../src/value/codec/thrown_value.ts";
import {
  type BegunItems,
  type CallFollower,
  type CallListener,
  type CallRequest,
  type Cancellation,
  type Outcome,
  PromisedCall,
  type RunResult,
  type Worker,
  type WorkerEndedBy,
} from "../../src/worker/worker.ts";

/** A call that a fake worker has. */
export interface FakeCall {
  readonly task: string;
  readonly listener: CallListener;
  /** Whether it says that it begins. */
  readonly announces: boolean;
}

function isAnnounced(context: unknown): boolean {
  // What `toCallContext` or the dispatcher made.
  return (context as CallContext | undefined)?.announce === true;
}

const ENDINGS = {
  no: undefined,
  closed: "closed",
  terminated: "killed",
  died: "crashed",
  silent: "unresponsive",
} as const;

/** A worker whose calls end when the test says so. */
export class FakeWorker implements Worker {
  /** How many calls may be on their way at once. */
  capacity = Infinity;
  /** Whether it takes up the calls that it has. */
  begins = true;
  readonly name: string;
  readonly #death = Promise.withResolvers<string>();
  readonly dead = this.#death.promise;
  /** Neither ended nor taken back, oldest first; the first has started. */
  readonly calls: FakeCall[] = [];
  /** Why calls were aborted. */
  readonly aborts: unknown[] = [];
  /** How many calls it has ended. */
  finished = 0;
  /** How many calls were taken back from it. */
  revoked = 0;
  /** How many of them it has not seen. */
  #unseen = 0;
  ended: "no" | "closed" | "terminated" | "died" | "silent" = "no";

  constructor(name: string) {
    this.name = name;
  }

  /** What was taken back is on its way until `listen()`. */
  get room(): number {
    return this.capacity - this.calls.length - this.#unseen;
  }

  get endedBy(): WorkerEndedBy | undefined {
    return ENDINGS[this.ended];
  }

  get pending(): number {
    return this.calls.length;
  }

  /** The names of the tasks it has. */
  get tasks(): string {
    return this.calls.map(({ task }) => task).join(" ");
  }

  send({ task, context }: CallRequest, listener: CallListener): void {
    if (this.ended !== "no") return queueMicrotask(() => listener.ended({ type: "revoked" }));
    assert(this.room > 0, `${this.name} has no room`);
    if (this.calls.push({ task, listener, announces: isAnnounced(context) }) === 1) this.#begin();
  }

  /** The first says that it begins, if it is asked to. */
  #begin(): void {
    const [first] = this.calls;
    if (first?.announces) first.listener.follower?.onMessage(STARTED, undefined);
  }

  run(request: CallRequest, follower?: CallFollower): Promise<RunResult> {
    const call = new PromisedCall(follower);
    this.send(request, call);
    return call.result;
  }

  revoke(): boolean {
    if (this.calls.length < (this.begins ? 2 : 1)) return false;
    const newest = this.calls.pop();
    queueMicrotask(() => newest?.listener.ended({ type: "revoked" }));
    this.revoked++;
    this.#unseen++;
    return true;
  }

  cancel(follower: CallFollower): Cancellation {
    const index = this.calls.findIndex(({ listener }) => listener.follower === follower);
    if (index < 1) return "begun";
    this.calls.splice(index, 1);
    this.revoked++;
    this.#unseen++;
    return "withdrawn";
  }

  hasBegun(follower: CallFollower): boolean {
    return this.begins && this.calls[0]?.listener.follower === follower;
  }

  /** How many items of its first call have begun. */
  begun: number | undefined;

  takeItems(): BegunItems | undefined {
    return this.begun === undefined ? undefined : { count: this.begun, sure: this.begun };
  }

  begunItems(): number {
    return this.begun ?? 0;
  }

  /** It sees what was taken back. */
  listen(): void {
    this.#unseen = 0;
  }

  /** Ends the running call with its name; short calls are sent ahead. */
  async finish(more: { duration?: number; heapBytes?: number } = {}): Promise<void> {
    const call = this.calls.shift();
    assert(call !== undefined, `${this.name} has no call`);
    this.finished++;
    call.listener.ended({ type: "value", value: call.task, duration: 1, warnings: [], ...more });
    this.#begin();
    await settle();
  }

  /** Ends the running call with an error. */
  async fail(error: unknown): Promise<void> {
    const thrown = { thrown: fromThrown(error) };
    this.calls.shift()?.listener.ended({
      type: "error",
      error: thrown,
      duration: 1,
      warnings: [],
    });
    this.#begin();
    await settle();
  }

  /** It takes up nothing, and is ended. */
  async fallSilent(): Promise<void> {
    this.begins = false;
    this.#end("silent");
    await settle();
  }

  async die(): Promise<void> {
    this.#end("died");
    await settle();
  }

  close(): Promise<void> {
    assert(this.calls.length === 0, `${this.name} was closed with calls`);
    this.#end("closed");
    return Promise.resolve();
  }

  abort(_follower: CallFollower, reason: unknown): void {
    this.aborts.push(reason);
  }

  checkArrivals(): () => boolean {
    return () => true;
  }

  stopped(): Promise<boolean> {
    return Promise.resolve(true);
  }

  terminate(): void {
    this.#end("terminated");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #end(ended: "closed" | "terminated" | "died" | "silent"): void {
    if (this.ended !== "no") return;
    this.ended = ended;
    this.#death.resolve(ended);
    while (this.revoke());
    const reason = { reason: ended };
    const running = this.calls.shift();
    queueMicrotask(() =>
      running?.listener.failed(new WorkerDiedError("Cannot finish: it died", reason))
    );
  }
}

/** Lets all promises settle that wait for nothing but each other. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 60; turn++) await Promise.resolve();
}

/** A dispatcher on fake workers. */
export class Stage implements AsyncDisposable {
  readonly workers: FakeWorker[] = [];
  readonly dispatcher: Dispatcher;

  constructor(options: Partial<DispatcherOptions> = {}) {
    this.dispatcher = new Dispatcher({
      maxWorkers: 1,
      idleTimeout: Infinity,
      open: () => {
        const worker = new FakeWorker(`fake-${this.workers.length}`);
        this.workers.push(worker);
        return Promise.resolve(worker);
      },
      ...options,
    });
  }

  /** What each worker that has not ended has. */
  get tasks(): string[] {
    return this.workers.filter(({ ended }) => ended === "no").map(({ tasks }) => tasks);
  }

  /** Gives the dispatcher a call. */
  run(task: string, observer?: CallObserver): Promise<unknown> {
    const request = { module: "file:///deeds.ts", task, args: [], context: undefined };
    return this.dispatcher.run(request, observer).then(toValue);
  }

  /** Gives the dispatcher calls whose names are the letters, and lets the workers start. */
  async runAll(tasks: string, observer?: CallObserver): Promise<Promise<unknown>[]> {
    const calls = [...tasks].map((task) => this.run(task, observer));
    for (const call of calls) call.catch(() => {});
    await settle();
    return calls;
  }

  worker(index: number): FakeWorker {
    const worker = this.workers[index];
    assert(worker !== undefined, `there is no worker ${index}`);
    return worker;
  }

  /** Ends all calls of all workers until none is left. */
  async finishAll(more?: { duration?: number }): Promise<void> {
    while (this.workers.some(({ pending }) => pending > 0)) {
      for (const worker of this.workers) if (worker.pending > 0) await worker.finish(more);
    }
  }

  /** Also after an assertion that failed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.dispatcher.terminate();
    await this.dispatcher.close();
  }
}

function toValue(outcome: Outcome): unknown {
  return outcome.type === "value" ? outcome.value : outcome;
}
