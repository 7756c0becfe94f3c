import { UnclonableError, WorkerDiedError } from "../../base/errors.ts";
import type { QuiverWarning } from "../../base/warning.ts";
import {
  type CallDemand,
  type Comforts,
  delayOf,
  type RetryOptions,
  timesOf,
} from "../../task/comforts.ts";
import type { CancelSignal } from "../../base/abortable.ts";
import type { TaskAddress } from "../../call/call_record.ts";
import { currentScope, runInScope } from "../../scope/current_scope.ts";
import { type Carried, fromCarried } from "../../value/carry_value.ts";
import { toThrown } from "../../value/codec/thrown_value.ts";
import type { BegunItems, CallRequest, Outcome, ValueOrigin } from "../../worker/worker.ts";
import { isTransferred } from "../../worker/transfer.ts";
import type { CallOptions } from "../call_options.ts";
import type {
  CallItems,
  CallObserver,
  CallPart,
  OutcomeListener,
  SentItems,
} from "../dispatch/call.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { mayRetry, noteAttempts } from "../../task/retries.ts";
import { SLICE } from "../dispatch/item_sharing.ts";
import { hasOnlyLooked } from "../dispatch/metrics.ts";
import {
  type CallContext,
  type EndedItems,
  ITEMS,
  type ItemValues,
  type Remembering,
  toChunkContext,
  toNumbers,
} from "../wire/call_context.ts";
import { type ChunkSizer, estimateBytes } from "./chunk_pace.ts";

/** What items are sent with. */
export interface ChunkRoute {
  /** The task. */
  readonly address: TaskAddress;
  /** Brings requests to workers. */
  readonly dispatcher: Pick<Dispatcher, "dispatch">;
  /** How the calls are made. With a deadline each travels alone. `retries` holds for each item. */
  readonly options?: ChunkOptions;
  /** How many travel together. */
  readonly pace: ChunkSizer;
  /** Whether each item is an array of arguments; if not, it is the one argument. */
  readonly spread?: boolean;
  /** Told of what a worker warns of. */
  readonly warn: (warning: QuiverWarning) => void;
}

/** How calls are made that may travel together, by what their task says and by what their caller does. */
export type ChunkOptions = CallOptions & Pick<Comforts, "demand">;

/** Items that are called together. */
export interface ChunkContent {
  /** The items. */
  readonly items: readonly unknown[];
  /** What travels with each call. */
  readonly context: CallContext | undefined;
  /** For each item what travels with its call when that is to be remembered, if any is. */
  readonly remembering?: readonly (Remembering | undefined)[];
  /** What its one item may call here, if that is a call with callbacks. */
  readonly callbacks?: CallRequest["callbacks"];
  /** For each item the shared values that it refers to, if any does. */
  readonly shared?: readonly CallRequest["shared"][];
}

/** How items in a row have ended. */
export interface ChunkResult {
  /** What the items returned; `undefined` for those that failed. */
  readonly values: ItemValues;
  /** Those that failed, and why; by index among the values. */
  readonly failures: readonly (readonly [index: number, error: unknown])[];
  /** Where each result comes from (see `Outcome`), where that is told. */
  readonly sources: readonly (ValueOrigin | undefined)[];
}

/** Who waits for items that were called together. */
export interface ItemListener {
  /**
   * Items have ended.
   *
   * @param begin Which is the first.
   * @param result How they ended.
   */
  ended(begin: number, result: ChunkResult): void;
  /**
   * Items have no result: they were given up, say, or their task cannot be found.
   *
   * @param begin Which is the first.
   * @param count How many.
   * @param reason Why.
   */
  failed(begin: number, count: number, reason: unknown): void;
  /**
   * An item says something: of those that travel together, the one that has begun last.
   *
   * @param index Which.
   */
  onMessage?(index: number, kind: string, data: unknown): void;
}

/**
 * Items on their way, as calls of a dispatcher that are divided as workers get free: each is sent some
 * of them, and what it does not begin in time goes elsewhere.
 *
 * When a worker dies, only the item that it ran fails. Those whose ends it has not told yet are run
 * again elsewhere. The same holds where structured clone refuses what one item is.
 */
export class ChunkCall {
  /** What the items are sent with. */
  readonly route: ChunkRoute;
  /** The items. */
  readonly content: ChunkContent;
  /** Gives those up that have not begun. */
  readonly cancellation: CancelSignal;
  /** Whether items may be sent again that have not begun; else each travels alone. */
  readonly divisible: boolean;
  /** What the first of the items is known by where somebody observes them. */
  firstId: number | undefined;
  readonly #listener: ItemListener;
  readonly #scope = currentScope();
  readonly #done = Promise.withResolvers<void>();
  /** Those that may have items which have not ended. */
  readonly #parts = new Set<ChunkPart>();
  #left: number;

  /**
   * Creates calls that are not sent yet.
   *
   * @param route What they are sent with.
   * @param content The items and what belongs to them.
   * @param cancellation Gives those up that have not begun.
   * @param listener Told how they end.
   */
  constructor(
    route: ChunkRoute,
    content: ChunkContent,
    cancellation: CancelSignal,
    listener: ItemListener,
  ) {
    this.route = route;
    this.content = content;
    this.cancellation = cancellation;
    this.divisible = !isTransferred(content.items);
    this.#listener = listener;
    this.#left = content.items.length;
  }

  /**
   * Sends the items.
   *
   * @returns Resolves when all have ended.
   */
  run(): Promise<void> {
    const { length } = this.content.items;
    // What has moved away with its call cannot be sent again.
    const { retries = 0 } = this.route.options ?? {};
    this.send(new ChunkPart(this, 0, length, this.divisible ? timesOf(retries) : 0));
    return this.#done.promise;
  }

  /**
   * Tells whether an item has begun, as far as that shows by now.
   *
   * @param index Which.
   */
  hasBegun(index: number): boolean {
    return this.#partOf(index)?.hasBegun(index) ?? true;
  }

  /**
   * Lets an item be run before others of a lower priority, if it has not begun.
   *
   * @param index Which.
   */
  raise(index: number, priority: number): void {
    this.#partOf(index)?.raise(index, priority);
  }

  /** Takes note of a part. */
  add(part: ChunkPart): void {
    this.#parts.add(part);
  }

  /** All items of a part have ended, or belong to others. */
  delete(part: ChunkPart): void {
    this.#parts.delete(part);
  }

  #partOf(index: number): ChunkPart | undefined {
    for (const part of this.#parts) if (part.before(index) !== undefined) return part;
    return undefined;
  }

  /** Sends some of the items. */
  send(part: ChunkPart): void {
    const { address: { module, name: task }, dispatcher, options = {} } = this.route;
    const context = announced(this.content.context, options);
    const request = { module, task, args: [], context };
    // Also what is sent again is made by whoever made the calls, whoever has just told of a failure.
    runInScope(this.#scope, () => dispatcher.dispatch(request, part, part));
  }

  /** Items in a row have ended; where there are none, others have that place. */
  ended(begin: number, result: ChunkResult): void {
    if (result.values.length === 0) return;
    this.#listener.ended(begin, result);
    this.#settle(result.values.length);
  }

  /** Items in a row have no result. */
  failed(begin: number, count: number, reason: unknown): void {
    this.#listener.failed(begin, count, reason);
    this.#settle(count);
  }

  /** An item says something. */
  said(index: number, kind: string, data: unknown): void {
    this.#listener.onMessage?.(index, kind, data);
  }

  #settle(count: number): void {
    this.#left -= count;
    if (this.#left === 0) this.#done.resolve();
  }
}

/** Some of the items, in a row, as a dispatcher sees them. */
class ChunkPart implements CallItems, CallObserver, OutcomeListener, CallPart {
  readonly #call: ChunkCall;
  /** The first whose end is not known. */
  #begin: number;
  #end: number;
  readonly #retries: number;
  /** The first of the request that was made last. */
  #base = 0;
  /** Whether a worker had them and did not begin them: they take longer than was thought. */
  #returned = false;
  alone = false;
  retriedItems: ChunkResult["failures"] = [];
  completed = 0;
  failed = 0;
  retried = 0;
  delay = 0;
  #bytes = 0;
  #sent: SentItems | undefined;

  constructor(call: ChunkCall, begin: number, end: number, retries: number) {
    this.#call = call;
    this.#begin = begin;
    this.#end = end;
    this.#retries = retries;
    call.add(this);
  }

  /** A dispatcher tells where the items are, too. */
  sent(call: SentItems): void {
    this.#sent = call;
  }

  before(index: number): number | undefined {
    return index >= this.#begin && index < this.#end ? index - this.#begin : undefined;
  }

  /** Whether one of the items has begun. */
  hasBegun(index: number): boolean {
    if (this.#sent === undefined) return false;
    return this.alone ? this.#sent.begun : index < this.#base + this.#sent.begunItems;
  }

  /** Lets one of the items be run before others of a lower priority. */
  raise(index: number, priority: number): void {
    this.#sent?.raiseItem(index, priority);
  }

  get observer(): CallObserver {
    return this;
  }

  get listener(): OutcomeListener {
    return this;
  }

  get items(): CallItems {
    return this;
  }

  get size(): number {
    return this.#end - this.#begin;
  }

  get firstId(): number | undefined {
    const { firstId } = this.#call;
    return firstId === undefined ? undefined : firstId + this.#begin;
  }

  set firstId(id: number) {
    this.#call.firstId = id - this.#begin;
  }

  get attempts(): number {
    return Math.max(0, timesOf(this.#policy) - this.#retries);
  }

  get #policy(): number | RetryOptions {
    return this.#call.route.options?.retries ?? 0;
  }

  get demand(): CallDemand | undefined {
    return this.#call.route.options?.demand;
  }

  get sliced(): boolean {
    return this.#call.route.pace.sliced;
  }

  get cancellation(): CancelSignal {
    return this.#call.cancellation;
  }

  get deadline(): number | undefined {
    return this.#call.route.options?.deadline;
  }

  get onAbort(): CallOptions["onAbort"] {
    return this.#call.route.options?.onAbort;
  }

  get gracePeriod(): number | undefined {
    return this.#call.route.options?.gracePeriod;
  }

  get priority(): number | undefined {
    return this.#call.route.options?.priority;
  }

  /** A chunk is not run again as a whole. */
  get retries(): number | RetryOptions {
    if (this.size !== 1) return 0;
    const policy = this.#policy;
    return typeof policy === "number" ? this.#retries : { ...policy, times: this.#retries };
  }

  most(share: number): number {
    const { size } = this.#call.route.pace;
    if (!this.#call.divisible) return 1;
    return this.#returned ? Math.max(1, Math.min(size, share)) : size;
  }

  toRequest(request: CallRequest): CallRequest {
    const { items, remembering, callbacks, shared } = this.#call.content;
    this.#base = this.#begin;
    this.completed = 0;
    this.failed = 0;
    this.retried = 0;
    this.#bytes = 0;
    this.alone = this.size === 1;
    const args = items.slice(this.#begin, this.#end);
    const needed = new Set(shared?.slice(this.#begin, this.#end).flatMap((own) => own ?? []));
    const needs = needed.size > 0 && { shared: [...needed] };
    const { spread = false } = this.#call.route;
    // What `ChunkCall.send` made.
    const context = request.context as CallContext | undefined;
    if (this.alone) {
      const own = remembering?.[this.#begin];
      return {
        ...request,
        // What spread items are.
        args: spread ? args[0] as readonly unknown[] : args,
        context: own === undefined ? context : { tags: {}, strict: false, ...context, ...own },
        ...(callbacks !== undefined && { callbacks }),
        ...needs,
      };
    }
    const numbers = toNumbers(args);
    const chunk = {
      ...(this.sliced && { slice: SLICE }),
      ...(spread && { spread }),
      ...(numbers && { numbers }),
      ...(remembering && { remembering: remembering.slice(this.#begin, this.#end) }),
    };
    return {
      ...request,
      args: numbers === undefined ? args : [],
      items: args.length,
      ...needs,
      context: toChunkContext(context, chunk),
    };
  }

  takeFirst(count: number): ChunkPart {
    const begin = this.#begin;
    this.#begin += count;
    return this.#part(begin, begin + count);
  }

  takeRest(begun?: number): ChunkPart | undefined {
    if (this.alone) return undefined;
    const begin = begun === undefined ? this.#begin : Math.max(this.#begin, this.#base + begun);
    const rest = this.#takeFrom(begin);
    if (rest !== undefined) rest.#returned = true;
    return rest;
  }

  takeSpared(error: unknown, begun: BegunItems | undefined): readonly ChunkPart[] {
    if (this.alone || this.size === 0) return [];
    if (error instanceof UnclonableError) return this.#takeHalf();
    if (!(error instanceof WorkerDiedError)) return [];
    // A worker that came to none could not begin the first.
    const { count = 1, sure = 1 } = begun?.count === 0 ? {} : begun ?? {};
    const end = Math.min(Math.max(this.#begin, this.#base + count), this.#end);
    const first = Math.max(this.#begin, this.#base + sure - 1);
    const parts = [this.#takeFrom(end)];
    // Where they are so short that it is not known which of them it was, each goes alone.
    if (end - first > 1) {
      for (let index = end - 1; index >= first; index--) parts.unshift(this.#takeFrom(index));
      parts.unshift(this.#takeFrom(this.#begin));
    } else if (end > first) parts.unshift(this.#toFirst(end - 1));
    return parts.filter((part) => part !== undefined);
  }

  onMessage(kind: string, data: unknown): void {
    if (kind !== ITEMS) {
      const index = this.alone ? this.#begin : this.#base + (this.#sent?.begunItems ?? 0) - 1;
      if (this.before(index) !== undefined) this.#call.said(index, kind, data);
    } else if (this.size > 0) this.#ended(data as EndedItems);
  }

  resolve(outcome: Outcome): void {
    this.#call.delete(this);
    for (const message of outcome.warnings) this.#call.route.warn({ message });
    if (outcome.type === "error") {
      return this.reject(noteAttempts(toThrown(outcome.error.thrown), outcome.attempts));
    }
    if (this.alone) {
      const { value, source, carried } = outcome;
      this.#ended({ values: [value], ...(carried && { carried: [0] }), sources: [source] });
    }
    this.#call.route.pace.note(
      this.#begin - this.#base,
      outcome.duration,
      this.#bytes / Math.max(1, this.#begin - this.#base),
    );
  }

  reject(reason: unknown): void {
    this.#call.delete(this);
    const { size } = this;
    if (size === 0) return;
    const begin = this.#begin;
    this.#begin = this.#end;
    this.#call.failed(begin, size, reason);
  }

  /** The next items have ended. */
  #ended(ended: EndedItems): void {
    const begin = this.#begin;
    const { values } = ended;
    this.#begin += values.length;
    const { failures = [], sources = [] } = ended;
    this.failed += failures.length;
    this.completed += values.length - failures.length - sources.filter(hasOnlyLooked).length;
    const { items } = this.#call.content;
    this.#bytes += values.length *
      (estimateBytes(items, begin, this.#begin) + estimateBytes(values));
    this.#deliver(begin, toResult(ended));
  }

  /** Hands over how items have ended, but for those that are run again. */
  #deliver(begin: number, result: ChunkResult): void {
    const { warn } = this.#call.route;
    const retried = this.#retries > 0 && !this.#call.cancellation.aborted
      ? result.failures.filter(([, error]) => mayRetry(error, this.#policy, warn))
      : [];
    this.retried += retried.length;
    this.retriedItems = retried;
    let from = 0;
    for (const [index] of retried) {
      this.#call.ended(begin + from, partOf(result, from, index));
      const at = begin + index;
      const part = new ChunkPart(this.#call, at, at + 1, this.#retries - 1);
      part.delay = delayOf(this.#policy, this.attempts + 1);
      this.#call.send(part);
      from = index + 1;
    }
    this.#call.ended(begin + from, from === 0 ? result : partOf(result, from));
  }

  #part(begin: number, end: number): ChunkPart {
    return new ChunkPart(this.#call, begin, end, this.#retries);
  }

  #takeFrom(index: number): ChunkPart | undefined {
    if (index >= this.#end) return undefined;
    const rest = this.#part(index, this.#end);
    this.#end = index;
    return rest;
  }

  /** Keeps what comes from there on. */
  #toFirst(index: number): ChunkPart | undefined {
    return index > this.#begin ? this.takeFirst(index - this.#begin) : undefined;
  }

  /** One item is guilty, and it is not known which. */
  #takeHalf(): ChunkPart[] {
    if (this.size === 1) return [];
    const all = [
      this.#toFirst(this.#begin + Math.ceil(this.size / 2)),
      this.#takeFrom(this.#begin),
    ];
    return all.filter((part) => part !== undefined);
  }
}

/** A call with a deadline or a rate says when it starts. */
function announced(
  context: CallContext | undefined,
  { deadline = Infinity, demand }: ChunkOptions,
): CallContext | undefined {
  return deadline === Infinity && demand?.rate === undefined
    ? context
    : { tags: {}, strict: false, ...context, announce: true };
}

function toResult({ values, carried = [], failures = [], sources = [] }: EndedItems): ChunkResult {
  const thrown = failures.map(([index, { thrown }]) => [index, toThrown(thrown)] as const);
  if (carried.length === 0) return { values, failures: thrown, sources };
  const whole = [...values];
  for (const index of carried) {
    try {
      // What a worker says of it is what it has made of it.
      whole[index] = fromCarried(whole[index] as Carried);
    } catch (error) {
      thrown.push([index, error]);
      whole[index] = undefined;
    }
  }
  return { values: whole, failures: thrown.sort(([one], [other]) => one - other), sources };
}

function partOf(
  { values, failures, sources }: ChunkResult,
  begin: number,
  end = values.length,
): ChunkResult {
  return {
    values: values.slice(begin, end),
    failures: failures.filter(([index]) => index >= begin && index < end)
      .map(([index, error]) => [index - begin, error] as const),
    sources: sources.slice(begin, end),
  };
}
