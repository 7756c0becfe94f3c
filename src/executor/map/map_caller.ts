import type { CancelSignal } from "../../base/abortable.ts";
import { withDefaults } from "../../base/check_options.ts";
import { voidCache } from "../../cache/cache.ts";
import { runInScope } from "../../scope/current_scope.ts";
import type { Scope } from "../../scope/scope.ts";
import {
  findStandIns,
  freezeArguments,
  FrozenArguments,
  isEqual,
} from "../../task/call_arguments.ts";
import { answerCall, type CallRunner, REMEMBERING } from "../../task/call_task.ts";
import type { TaskDefinition } from "../../task/definition.ts";
import {
  type CallStatus,
  type CallTracker,
  CancelSource,
  Future,
  type SentCall,
} from "../../task/future.ts";
import { capture, copyLarge, type LargeBuffer } from "../../value/capture.ts";
import { holdsSpecial } from "../../value/holds_special.ts";
import { pinning } from "../../value/share.ts";
import { isGivenAway, isTransferred } from "../../worker/transfer.ts";
import type { CallRequest, ProgressReport } from "../../worker/worker.ts";
import type { CallOptions } from "../call_options.ts";
import type { CallObserver, OutcomeListener } from "../dispatch/call.ts";
import { WorkerRunner } from "../engine/runner.ts";
import { type CallContext, type Remembering, toCallContext } from "../wire/call_context.ts";
import {
  ChunkCall,
  type ChunkContent,
  type ChunkOptions,
  type ChunkResult,
  type ChunkRoute,
  type ItemListener,
} from "./chunk_call.ts";
import type { DeliverResults, MapBatch, MapCalls } from "./map_buffer.ts";
import { MapEnds, type OnError } from "./map_ends.ts";
import type { ItemSpread } from "./spread_item.ts";

/** The part of an executor that a map needs. */
export interface MapExecutor {
  /** How many workers run at once at most. */
  readonly maxWorkers: () => number;
  /** Whether workers import the code of tasks by themselves. */
  readonly loadsCode: boolean;
  /** Whether they are handed the code of the tasks that a task may call, as they may not read it. */
  readonly handsCode: boolean;
  /** How an item that fails in a chunk is run again by itself, unless its task or the options say so. */
  readonly retries?: CallOptions["retries"];
  /** How the calls are made; their signal is that of the map. */
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
  /**
   * Calls a listener once when the executor takes no more calls.
   *
   * @returns Takes the listener back.
   */
  readonly onClose: (listener: () => void) => () => void;
}

/** What a map calls, and where. */
export interface MapSubject {
  /** The task. */
  readonly definition: TaskDefinition;
  /** The scope of the calls. */
  readonly scope: Scope;
  /** Told of each call that has ended, whether the cache knew its result, and why it failed if it did. */
  readonly ended: (hit: boolean, failure?: MapFailure) => void;
  /** Given each future before it ends. */
  readonly follow: (future: Future<unknown>) => void;
  /** Told what calls that have no future say, and of their ends (`undefined`), if somebody follows them. */
  readonly said?: SaidOfCall | undefined;
}

/** Why a call has failed. */
export interface MapFailure {
  /** What it threw. */
  readonly error: unknown;
}

/** How a map calls its task. */
export interface MapMode {
  /** How many items travel together. */
  readonly pace: ChunkRoute["pace"];
  /** Makes arguments of an item; absent where each item is the one argument. */
  readonly spread?: ItemSpread | undefined;
  /** What becomes of a call that fails. */
  readonly onError: OnError;
}

/**
 * Told what a call says that has no future.
 *
 * @param items With what it was called together.
 * @param index Which of those it is.
 * @param progress How far it is; nothing when it has ended.
 */
type SaidOfCall = (
  items: readonly unknown[],
  index: number,
  progress: ProgressReport | undefined,
) => void;

/** An item, as it was when it came. */
export type MapItem<T> = T | FrozenArguments;

const NO_FAILURE = () => undefined;

function toFailures({ failures }: ChunkResult): (index: number) => MapFailure | undefined {
  if (failures.length === 0) return NO_FAILURE;
  const byIndex = new Map(failures.map(([index, error]) => [index, { error }]));
  return (index) => byIndex.get(index);
}

/** Makes the calls of a map, some at a time. */
export class MapCaller<T, R> {
  readonly #executor: MapExecutor;
  readonly #subject: MapSubject;
  readonly #route: ChunkRoute;
  readonly #runner: CallRunner;
  readonly #ends: MapEnds;
  readonly #spread: ItemSpread | undefined;
  /** Of the large buffer that came last: a generator may fill one again and again. */
  #lastCopy: { readonly original: WeakRef<object>; readonly copy: LargeBuffer } | undefined;

  /**
   * Creates a caller.
   *
   * @param executor What runs the calls.
   * @param subject What is called.
   * @param mode How it is called.
   */
  constructor(executor: MapExecutor, subject: MapSubject, { pace, spread, onError }: MapMode) {
    this.#executor = executor;
    this.#ends = new MapEnds(onError);
    this.#spread = spread;
    this.#subject = subject;
    const { definition: { address, comforts }, scope } = subject;
    const { warn } = scope;
    const { dispatcher } = executor;
    // Whoever makes the map waits for it, and is as urgent at least.
    const priority = Math.max(executor.options?.priority ?? 0, scope.priority ?? -Infinity);
    const { retries = 0 } = executor;
    const options = withDefaults<ChunkOptions>(
      { retries, ...comforts, priority },
      { ...executor.options, priority },
    );
    this.#route = {
      address,
      dispatcher,
      options,
      pace,
      spread: spread !== undefined,
      warn: ({ message, cause }) => warn(message, cause),
    };
    const gatherer = new ChunkGatherer(this.#route);
    const { loadsCode, handsCode } = executor;
    this.#runner = new WorkerRunner(gatherer, loadsCode, { splits: false, handsCode });
  }

  /**
   * Keeps an item as it is now: the call is made when it comes, though it may wait.
   *
   * @returns The item for {@linkcode call}.
   */
  freeze(item: T): MapItem<T> {
    if (this.#spread === undefined) return this.#freeze(item);
    return this.#freeze(this.spread(item));
  }

  /** Makes arguments of an item, if they are to be; the caller keeps it as it is. */
  spread(item: T): T {
    // Whoever calls a spread item takes it for arguments.
    return this.#spread === undefined ? item : this.#spread.toArguments(item) as T;
  }

  /** The arguments of an item. */
  #toArguments(item: T): readonly unknown[] {
    return this.#spread === undefined ? [item] : item as readonly unknown[];
  }

  #freeze(item: T): MapItem<T> {
    if (typeof item !== "object" || item === null) return item;
    const { definition: { name }, scope: { warn } } = this.#subject;
    if (this.#remembers) {
      const tools = REMEMBERING.loaded?.BUFFER_TOOLS;
      const frozen = freezeArguments(name, this.#toArguments(item), warn, { tools });
      frozen?.endTurn();
      return frozen ?? item;
    }
    if (isGivenAway(item)) return item;
    try {
      // One item in, one item out.
      return capture([item], { large: this.#copyLarge, shared: pinning() }).values[0] as T;
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
   * @returns What makes the calls: as one where nothing is to be known of each.
   */
  call(items: readonly MapItem<T>[]): readonly MakeCalls<R>[] {
    const { definition, scope } = this.#subject;
    const refused = this.#executor.refuse(definition.name, scope);
    if (refused !== undefined) return [(deliver) => toRefusedCalls(refused, items, deliver)];
    const plain = runInScope(scope, () => this.#isPlain(items));
    // What each needs it gets by itself.
    const groups = this.#route.options?.demand === undefined
      ? [items]
      : items.map((item) => [item]);
    return plain
      ? groups.map((group) => (deliver) =>
        runInScope(scope, () => this.#callTogether(group, deliver))
      )
      : items.map((item) => (deliver) => runInScope(scope, () => this.#callAlone(item, deliver)));
  }

  /** Whether neither the cache nor futures make some of the calls end before others. */
  #isPlain(items: readonly MapItem<T>[]): boolean {
    const { isOfRepl } = this.#subject.definition;
    if (this.#remembers || isOfRepl || holdsSpecial(items) || isTransferred(items)) return false;
    const { future, shared } = findStandIns(items);
    return !future && !shared;
  }

  /** One future for all: a promise for each would take longer than a short call. */
  #callTogether(items: readonly MapItem<T>[], deliver: DeliverResults<R>): MapCalls {
    const { definition: { name }, scope, ended, said } = this.#subject;
    const content = { items, context: toCallContext(scope) };
    const settled = (
      begin: number,
      count: number,
      failureOf: (index: number) => MapFailure | undefined,
    ) => {
      for (let index = begin; index < begin + count; index++) {
        said?.(items, index, undefined);
        ended(false, failureOf(index - begin));
      }
    };
    const ends = this.#ends;
    const listener: ItemListener = {
      ended: (begin, result) => {
        settled(begin, result.values.length, toFailures(result));
        deliver(begin, ends.ofResult(result) as MapBatch<R>);
      },
      failed: (begin, count, error) => {
        settled(begin, count, () => ({ error }));
        deliver(begin, ends.ofFailure(error, count));
      },
      ...(said !== undefined && {
        onMessage: (index, kind, data) => {
          // What `CallControl.report()` has sent.
          if (kind === "progress") said(items, index, data as ProgressReport | undefined);
        },
      }),
    };
    const run = (status: CallStatus) =>
      new ChunkCall(this.#route, content, status.cancellation, listener).run();
    const future = new Future(name, run, this.#executor.tracker());
    // Its calls tell how they end, those that it gives up included.
    future.catch(() => {});
    return { size: items.length, cancel: () => future.cancel() };
  }

  #callAlone(item: MapItem<T>, deliver: DeliverResults<R>): MapCalls {
    const { definition, scope, ended } = this.#subject;
    const tracker = this.#executor.tracker();
    const frozen = item instanceof FrozenArguments ? item : undefined;
    const args = frozen?.values ?? this.#toArguments(item as T);
    const priority = this.#executor.options?.priority;
    const future = answerCall(definition, args, scope, this.#runner, { tracker, frozen, priority });
    this.#subject.follow(future);
    const ends = this.#ends;
    void future.then((value) => {
      ended(future.hit === true);
      // The definition is that of the task, so its function returns what the task does.
      deliver(0, ends.ofValue(value) as MapBatch<R>);
    }, (error) => {
      ended(false, { error });
      deliver(0, ends.ofFailure(error));
    });
    return { size: 1, cancel: () => future.cancel() };
  }
}

/** Makes calls, and gives their results to who takes them. */
type MakeCalls<R> = (deliver: DeliverResults<R>) => MapCalls;

function toRefusedCalls<R>(
  refused: Future<unknown>,
  { length }: readonly unknown[],
  deliver: DeliverResults<R>,
): MapCalls {
  refused.catch((error) => deliver(0, { values: [], failure: { error } }));
  return { size: length, cancel: () => {} };
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
      // Each may be given up by itself, and calls nobody back then; what has moved cannot go again, and
      // what each needs it gets by itself.
      const alone = this.#route.options?.demand !== undefined;
      if (alone || callbacks !== undefined || isTransferred(args)) this.#send([call]);
      else gathered.push(call);
    }
    if (gathered.length > 0) this.#send(gathered);
  }

  #send(calls: readonly GatheredCall[]): void {
    const wishes = new Wishes(calls.length);
    const listener: ItemListener = {
      ended: (begin, result) => {
        const { length } = result.values;
        wishes.end(begin, length);
        deliver(calls.slice(begin, begin + length), result);
      },
      failed: (begin, count, reason) => {
        wishes.end(begin, count);
        for (const { result } of calls.slice(begin, begin + count)) result.reject(reason);
      },
      onMessage: (index, kind, data) => calls[index]?.observer.onMessage?.(kind, data),
    };
    const chunk = new ChunkCall(
      this.#route,
      toContent(calls, this.#route.spread === true),
      wishes.cancellation,
      listener,
    );
    void chunk.run();
    const { priority: common = 0 } = this.#route.options ?? {};
    for (const [index, { observer }] of calls.entries()) {
      const item = new GatheredItem(chunk, index, wishes);
      observer.sent?.(item);
      item.listen(observer.cancellation);
      // Somebody may wait for it since before it was gathered.
      const { priority = common } = observer;
      if (priority > common) item.raise(priority);
    }
  }
}

/** Which of the items that were gathered somebody waits for. */
class Wishes {
  /** Aborted when nobody waits for those that have not begun. */
  readonly cancellation = new CancelSource();
  readonly #dropped: Uint8Array;
  #wanted: number;
  #left: number;

  constructor(count: number) {
    this.#wanted = count;
    this.#left = count;
    this.#dropped = new Uint8Array(count);
  }

  /** Items have ended. */
  end(begin: number, count: number): void {
    this.#left -= count;
    for (let index = begin; index < begin + count; index++) this.drop(index);
  }

  /** An item has ended, has begun, or is given up: it is no reason for others to begin. */
  drop(index: number, reason?: unknown): void {
    if (this.#dropped[index] !== 0) return;
    this.#dropped[index] = 1;
    if (--this.#wanted === 0 && this.#left > 0) this.cancellation.abort(reason);
  }
}

/** One of the items that were gathered, as a call. */
class GatheredItem implements SentCall {
  readonly #chunk: ChunkCall;
  readonly #index: number;
  readonly #wishes: Wishes;
  #cancellation: CancelSignal | undefined;

  constructor(chunk: ChunkCall, index: number, wishes: Wishes) {
    this.#chunk = chunk;
    this.#index = index;
    this.#wishes = wishes;
  }

  get begun(): boolean {
    return this.#chunk.hasBegun(this.#index);
  }

  raise(priority: number): void {
    this.#chunk.raise(this.#index, priority);
  }

  /** One that has begun goes on to its end; the others are given up together. */
  cancel(): boolean {
    if (!this.begun) return true;
    this.#wishes.drop(this.#index);
    return false;
  }

  /** Follows the signal of the one who waits for it. */
  listen(cancellation: CancelSignal | undefined): void {
    this.#cancellation = cancellation;
    if (cancellation?.aborted) this.handleEvent();
    else cancellation?.addEventListener("abort", this);
  }

  /** It is given up. */
  handleEvent(): void {
    this.#wishes.drop(this.#index, this.#cancellation?.reason);
  }
}

function toContent(gathered: readonly GatheredCall[], spread: boolean): ChunkContent {
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
  const shared = gathered.map(({ request }) => request.shared);
  const needs = [...new Set(contexts.flatMap((each) => each?.needs ?? []))];
  return {
    items: gathered.map(({ request: { args } }) => spread ? args : args[0]),
    context: contexts.some((each) => each !== undefined)
      ? {
        tags: {},
        strict: false,
        ...context,
        ...(sources && { sources }),
        ...(Object.keys(tasks).length > 0 && { tasks }),
        ...(needs.length > 0 && { needs }),
      }
      : undefined,
    ...(remembering.some((own) => own !== undefined) && { remembering }),
    ...(callbacks !== undefined && { callbacks }),
    ...(shared.some((own) => own !== undefined) && { shared }),
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
}
