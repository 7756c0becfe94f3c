import { CancelledError } from "../../base/errors.ts";
import { voidCache } from "../../cache/cache.ts";
import { runInScope } from "../../scope/current_scope.ts";
import type { Scope } from "../../scope/scope.ts";
import { freezeArguments, FrozenArguments, hasFuture, isEqual } from "../../task/call_arguments.ts";
import { answerCall, type CallRunner, REMEMBERING } from "../../task/call_task.ts";
import type { TaskDefinition } from "../../task/definition.ts";
import { type CallStatus, type CallTracker, CancelSource, Future } from "../../task/future.ts";
import { capture, copyLarge, type LargeBuffer } from "../../value/capture.ts";
import { holdsSpecial } from "../../value/holds_special.ts";
import { isGivenAway, isTransferred } from "../../worker/transfer.ts";
import type { CallRequest } from "../../worker/worker.ts";
import type { CallOptions } from "../call_options.ts";
import type { CallObserver, OutcomeListener } from "../dispatch/call.ts";
import { WorkerRunner } from "../engine/runner.ts";
import { type CallContext, type Remembering, toCallContext } from "../wire/call_context.ts";
import { ChunkCall, type ChunkContent, type ChunkResult, type ChunkRoute } from "./chunk_call.ts";
import type { MapBatch, MapCalls } from "./map_buffer.ts";

/** The part of an executor that a map needs. */
export interface MapExecutor {
  /** How many workers run at once at most. */
  readonly maxWorkers: () => number;
  /** Whether workers share memory with this isolate. */
  readonly sharesMemory: boolean;
  /** Whether workers import the code of tasks by themselves. */
  readonly loadsCode: boolean;
  /**
   * How the calls are made; their signal is that of the map. With `retries` an item that fails in a
   * chunk is run again by itself.
   */
  readonly options?: CallOptions;
  /** Brings requests to workers. */
  readonly dispatcher: ChunkRoute["dispatcher"];
  /**
   * Refuses a call when the executor takes none.
   *
   * @param scope The scope that the call is made in.
   * @returns A failed future, or `undefined`.
   */
  refuse(name: string, scope: Scope): Future<unknown> | undefined;
  /** Whoever waits for calls at shutdown. */
  readonly tracker: () => CallTracker;
}

/** What a map calls, and where. */
export interface MapSubject {
  /** The task. */
  readonly definition: TaskDefinition;
  /** The scope of the calls. */
  readonly scope: Scope;
  /** Told of each call that has ended, and whether the cache knew its result. */
  readonly ended: (hit: boolean) => void;
  /** Given each future before it ends. */
  readonly follow: (future: Future<unknown>) => void;
}

/** An item, as it was when it came. */
export type MapItem<T> = T | FrozenArguments;

/** Makes the calls of a map, some at a time. */
export class MapCaller<T, R> {
  readonly #executor: MapExecutor;
  readonly #subject: MapSubject;
  readonly #route: ChunkRoute;
  readonly #runner: CallRunner;
  /** Of the large buffer that came last: a generator may fill one again and again. */
  #lastCopy: { readonly original: WeakRef<object>; readonly copy: LargeBuffer } | undefined;

  /**
   * Creates a caller.
   *
   * @param executor What runs the calls.
   * @param subject What is called.
   * @param pace How many items travel together.
   */
  constructor(executor: MapExecutor, subject: MapSubject, pace: ChunkRoute["pace"]) {
    this.#executor = executor;
    this.#subject = subject;
    const { definition: { address }, scope: { warn } } = subject;
    const { dispatcher, sharesMemory, options = {} } = executor;
    this.#route = {
      address,
      dispatcher,
      options,
      pace,
      sharesMemory,
      warn: (message) => warn(message),
    };
    this.#runner = new WorkerRunner(new ChunkGatherer(this.#route), executor.loadsCode);
  }

  /**
   * Keeps an item as it is now: the call is made when it comes, though it may wait.
   *
   * @returns The item for {@linkcode call}.
   */
  freeze(item: T): MapItem<T> {
    if (typeof item !== "object" || item === null) return item;
    const { definition: { name }, scope: { warn } } = this.#subject;
    if (this.#remembers) {
      const tools = REMEMBERING.loaded?.BUFFER_TOOLS;
      const frozen = freezeArguments(name, [item], warn, { tools });
      frozen?.endTurn();
      return frozen ?? item;
    }
    if (isGivenAway(item)) return item;
    try {
      // One item in, one item out.
      return capture([item], { large: this.#copyLarge }).values[0] as T;
    } catch {
      // It has an accessor that throws: whoever sends it says so.
      return item;
    }
  }

  /** Items that share a buffer share its copy, for as long as it stays the same. */
  readonly #copyLarge = (value: LargeBuffer): LargeBuffer => {
    const { original, copy } = this.#lastCopy ?? {};
    if (copy !== undefined && original?.deref() === value && isEqual(copy, value)) return copy;
    const own = copyLarge(value);
    this.#lastCopy = { original: new WeakRef(value), copy: own };
    return own;
  };

  get #remembers(): boolean {
    const { cache } = this.#subject.scope;
    return cache !== undefined && cache !== voidCache;
  }

  /**
   * Calls the task for items that came together.
   *
   * @returns The calls: as one where nothing is to be known of each.
   */
  call(items: readonly MapItem<T>[]): MapCalls<R>[] {
    const { definition, scope } = this.#subject;
    const refused = this.#executor.refuse(definition.name, scope);
    if (refused !== undefined) {
      return [{ size: items.length, batch: refused.then(toNothing, toFailure), cancel: () => {} }];
    }
    return runInScope(scope, () => {
      if (this.#isPlain(items)) return [this.#callTogether(items)];
      return items.map((item) => this.#callAlone(item));
    });
  }

  /** Whether neither the cache nor futures make some of the calls end before others. */
  #isPlain(items: readonly MapItem<T>[]): boolean {
    return !this.#remembers && !holdsSpecial(items) && !isTransferred(items) && !hasFuture(items);
  }

  /** One future for all: a promise for each would take longer than a short call. */
  #callTogether(items: readonly MapItem<T>[]): MapCalls<R> {
    const { definition: { name }, scope, ended } = this.#subject;
    const content = { items, context: toCallContext(scope) };
    const run = (status: CallStatus) => new ChunkCall(this.#route, status).run(content);
    const future = new Future(name, run, this.#executor.tracker());
    this.#subject.follow(future);
    const batch = future.then((result): MapBatch<R> => {
      for (const _ of items) ended(false);
      return toBatch(result);
    }, toFailure);
    return { size: items.length, batch, cancel: () => future.cancel() };
  }

  #callAlone(item: MapItem<T>): MapCalls<R> {
    const { definition, scope, ended } = this.#subject;
    const tracker = this.#executor.tracker();
    const frozen = item instanceof FrozenArguments ? item : undefined;
    const args = frozen?.values ?? [item];
    const future = answerCall(definition, args, scope, this.#runner, { tracker, frozen });
    this.#subject.follow(future);
    // The definition is that of the task, so its function returns what the task does.
    const batch = future.then((value): MapBatch<R> => ({ values: [value as R] }), toFailure)
      .finally(() => ended(future.hit === true));
    return { size: 1, batch, cancel: () => future.cancel() };
  }
}

function toBatch<R>({ values, failures }: ChunkResult): MapBatch<R> {
  const [first] = failures;
  // What the task returned, see `MapCaller.#callAlone`.
  if (first === undefined) return { values: values as readonly R[] };
  const [index, error] = first;
  return { values: values.slice(0, index) as R[], failure: { error } };
}

function toFailure(error: unknown): MapBatch<never> {
  return { values: [], failure: { error } };
}

function toNothing(): MapBatch<never> {
  return { values: [] };
}

/** A call that waits for its chunk to be full. */
interface GatheredCall {
  readonly request: CallRequest;
  readonly observer: CallObserver;
  readonly result: OutcomeListener;
}

/**
 * Gathers calls into chunks, in place of a dispatcher: those that come in one microtask checkpoint
 * travel together. So each call goes the way that every call goes, through the cache and past
 * whoever computes the same, and only what a worker must run travels in chunks.
 */
export class ChunkGatherer {
  readonly #route: ChunkRoute;
  #gathered: GatheredCall[] = [];

  /**
   * Creates a gatherer for the calls that one task gets in one scope, each with one argument.
   *
   * @param route What chunks are sent with.
   */
  constructor(route: ChunkRoute) {
    this.#route = route;
  }

  /**
   * Runs a call on a worker.
   *
   * @param observer When to give it up, and who is told when it starts.
   * @param result Told how it ended.
   */
  dispatch(request: CallRequest, observer: CallObserver, result: OutcomeListener): void {
    const call: GatheredCall = { request, observer, result };
    if (this.#gathered.push(call) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const all = this.#gathered;
    this.#gathered = [];
    const gathered: GatheredCall[] = [];
    for (const call of all) {
      const { args, callbacks } = call.request;
      // Each may be given up by itself, and calls nobody back then; what has moved cannot go again.
      if (callbacks !== undefined || isTransferred(args)) void this.#send([call]);
      else gathered.push(call);
    }
    const { size } = this.#route.pace;
    for (let begin = 0; begin < gathered.length; begin += size) {
      void this.#send(gathered.slice(begin, begin + size));
    }
  }

  async #send(calls: readonly GatheredCall[]): Promise<void> {
    const chunk = new ChunkCall(this.#route, observeAll(calls));
    try {
      deliver(calls, await chunk.run(toContent(calls)));
    } catch (error) {
      for (const { result } of calls) result.reject(error);
    }
  }
}

function toContent(gathered: readonly GatheredCall[]): ChunkContent {
  // What `toCallContext` made, in one scope: all the same but for the calls.
  const contexts = gathered.map(({ request }) => request.context as CallContext | undefined);
  const { call: _call, check: _check, lent: _lent, ...context } =
    contexts.find((each) => each !== undefined) ??
      {};
  const remembering = contexts.map(toRemembering);
  // A call that cannot be remembered has none.
  const sources = contexts.find((each) => each?.sources !== undefined)?.sources;
  const tasks = Object.assign({}, ...contexts.map((each) => each?.tasks));
  const [{ request: { callbacks = undefined } = {} } = {}] = gathered;
  return {
    items: gathered.map(({ request }) => request.args[0]),
    context: contexts.some((each) => each !== undefined)
      ? {
        tags: {},
        strict: false,
        ...context,
        ...(sources && { sources }),
        ...(Object.keys(tasks).length > 0 && { tasks }),
      }
      : undefined,
    ...(remembering.some((own) => own !== undefined) && { remembering }),
    ...(callbacks !== undefined && { callbacks }),
  };
}

function toRemembering(context: CallContext | undefined): Remembering | undefined {
  const { call, check, lent } = context ?? {};
  if (call === undefined && check === undefined) return undefined;
  return {
    ...(call !== undefined && { call }),
    ...(check !== undefined && { check }),
    ...(lent !== undefined && { lent }),
  };
}

/** A chunk is given up when each of its calls is. */
function observeAll(calls: readonly GatheredCall[]): CallObserver {
  const [first] = calls;
  if (first !== undefined && calls.length === 1) return first.observer;
  const cancellation = new CancelSource();
  let wanted = calls.length;
  for (const { observer } of calls) {
    const given = observer.cancellation;
    const giveUp = () => {
      if (--wanted === 0) cancellation.abort(given?.reason);
    };
    if (given?.aborted) giveUp();
    else given?.addEventListener("abort", giveUp);
  }
  return { cancellation };
}

function deliver(
  calls: readonly GatheredCall[],
  { values, failures, sources }: ChunkResult,
): void {
  for (const [index, error] of failures) calls[index]?.result.reject(error);
  for (const [index, value] of values.entries()) {
    const source = sources[index];
    // Those that failed are settled already.
    calls[index]?.result.resolve({
      type: "value",
      value,
      ...(source !== undefined && { source }),
      duration: 0,
      warnings: [],
    });
  }
  for (const { request: { task }, result } of calls.slice(values.length)) {
    result.reject(new CancelledError(`Cannot finish "${task}": the map that called it has ended`));
  }
}
