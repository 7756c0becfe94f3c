import { UnclonableError, WorkerDiedError } from "../../base/errors.ts";
import type { TaskAddress } from "../../call/call_record.ts";
import { CancelSource, type SentCall } from "../../task/future.ts";
import { type Carried, fromCarried } from "../../value/carry_value.ts";
import { toThrown } from "../../value/codec/thrown_value.ts";
import type { CallRequest, Outcome } from "../../worker/worker.ts";
import type { CallOptions } from "../call_options.ts";
import { type CallObserver, isRetriable } from "../dispatch/call.ts";
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import {
  type CallContext,
  ChunkNotes,
  type ChunkReply,
  type Remembering,
  toChunkContext,
} from "../wire/call_context.ts";

/** What chunks are sent with. */
export interface ChunkRoute {
  /** The task. */
  readonly address: TaskAddress;
  /** Brings requests to workers. */
  readonly dispatcher: Pick<Dispatcher, "run">;
  /**
   * How the calls are made. With a deadline each is a chunk of its own. `retries` holds for each item:
   * one that fails in a chunk is run again alone, as often as is left.
   */
  readonly options?: CallOptions;
  /** Learns how long chunks take. */
  readonly pace: ChunkSizer;
  /** Whether workers share memory with this isolate. */
  readonly sharesMemory: boolean;
  /** Told of what a worker warns of. */
  readonly warn: (message: string) => void;
}

/** What one chunk holds. */
export interface ChunkContent {
  /** The items. */
  readonly items: readonly unknown[];
  /** What travels with each call. */
  readonly context: CallContext | undefined;
  /** For each item what travels with its call when that is to be remembered, if any is. */
  readonly remembering?: readonly (Remembering | undefined)[];
  /** What its one item may call here, if that is a call with callbacks. */
  readonly callbacks?: CallRequest["callbacks"];
}

/** How the items of a chunk ended. */
export interface ChunkResult {
  /** What the items returned; `undefined` for those that failed. */
  readonly values: readonly unknown[];
  /** Those that failed, and why. */
  readonly failures: readonly (readonly [index: number, error: unknown])[];
  /** Where each result comes from (see `Outcome`), where that is told. */
  readonly sources: readonly (string | undefined)[];
}

/** A request of a chunk that is under way. */
interface SentRequest {
  readonly notes: ChunkNotes | undefined;
  readonly cancellation: CancelSource;
  call?: SentCall;
}

/**
 * A chunk on its way: to one worker, as long as nothing goes wrong.
 *
 * When the worker dies, only the item that it ran fails. The others are sent again, in smaller
 * chunks or one by one, so that an item whose result was lost with the worker runs twice. The same
 * holds where structured clone refuses what one item is or returns.
 *
 * When it is given up, no further item begins: at once where memory is shared, else not of a request
 * that no worker has yet.
 */
export class ChunkCall {
  readonly #route: ChunkRoute;
  readonly #observer: CallObserver;
  readonly #retries: number;
  readonly #requests = new Set<SentRequest>();

  /**
   * Creates a chunk that is not sent yet.
   *
   * @param route What it is sent with.
   * @param observer When to give it up; told of the start of a chunk that is a single call.
   */
  constructor(route: ChunkRoute, observer: CallObserver) {
    this.#route = route;
    this.#retries = route.options?.retries ?? 0;
    this.#observer = observer;
    observer.cancellation?.addEventListener("abort", this);
  }

  /**
   * Sends items.
   *
   * @param content The items and what belongs to them.
   * @returns How they ended; those are missing that did not begin as the chunk was given up. Rejects
   * with what concerns all of them, such as a module that cannot be imported.
   */
  async run(content: ChunkContent): Promise<ChunkResult> {
    if (content.items.length === 1) return await this.#runOne(content);
    const notes = this.#route.sharesMemory ? new ChunkNotes() : undefined;
    const { items: args, remembering } = content;
    const context = toChunkContext(content.context, {
      ...(notes !== undefined && { notes: notes.buffer }),
      ...(remembering !== undefined && { remembering }),
    });
    try {
      const outcome = await this.#send({ items: args, context }, { notes });
      const result = toResult(this.#unwrap(outcome));
      this.#learn(args, result.values, outcome);
      return result.failures.length === 0 ? result : await this.#retry(content, result);
    } catch (error) {
      const died = error instanceof WorkerDiedError;
      const given = this.#observer.cancellation?.aborted === true;
      if (given || !died && !(error instanceof UnclonableError)) throw error;
      const guilty = died && notes !== undefined ? notes.begun - 1 : -1;
      return await this.#runAgain(content, guilty < 0 ? undefined : { guilty, error });
    }
  }

  /** The chunk is given up. */
  handleEvent(): void {
    for (const { notes, cancellation, call } of this.#requests) {
      notes?.stop();
      // Its worker would be lost for others until the item that runs has ended.
      if (call?.cancel() !== false) cancellation.abort(this.#observer.cancellation?.reason);
    }
  }

  async #send(
    { items: args, context, callbacks }: Omit<ChunkContent, "remembering">,
    { notes, retries = 0 }: { readonly notes?: ChunkNotes | undefined; readonly retries?: number },
  ): Promise<Outcome> {
    const { address: { module, name: task }, dispatcher, options = {} } = this.#route;
    const { deadline, onAbort, gracePeriod, priority } = options;
    const request: SentRequest = { notes, cancellation: new CancelSource() };
    this.#requests.add(request);
    const { cancellation } = request;
    const given = this.#observer.cancellation;
    if (given?.aborted) cancellation.abort(given.reason);
    try {
      const sent = { module, task, args, context: announced(context, options) };
      return await dispatcher.run({ ...sent, ...(callbacks !== undefined && { callbacks }) }, {
        cancellation,
        sent: (call) => {
          request.call = call;
          // A call among many in a chunk may still be given up.
          if (args.length === 1) this.#observer.sent?.(call);
        },
        // What one of many items says is said of none of the others.
        onMessage: (kind, data) => {
          if (args.length === 1) this.#observer.onMessage?.(kind, data);
        },
        deadline,
        onAbort,
        gracePeriod,
        priority,
        retries,
      });
    } finally {
      this.#requests.delete(request);
    }
  }

  /** Runs those items again, each on its own, that have failed and may do better. */
  async #retry(content: ChunkContent, result: ChunkResult): Promise<ChunkResult> {
    if (this.#retries === 0 || this.#observer.cancellation?.aborted === true) return result;
    const { failures } = result;
    const values = [...result.values];
    const sources = [...result.sources];
    const again = await Promise.all(failures.map(async ([index, error]) => {
      const { values: [value], sources: [source], failures: [failure] } = isRetriable(error)
        ? await this.#runOne(partOf(content, index, index + 1), this.#retries - 1)
        : toFailure(error);
      values[index] = value;
      sources[index] = source;
      return failure === undefined ? [] : [[index, failure[1]] as const];
    }));
    return { values, failures: again.flat(), sources };
  }

  /** Sends the rest again when it is known which item is at fault, else each item on its own. */
  async #runAgain(
    content: ChunkContent,
    known: { readonly guilty: number; readonly error: unknown } | undefined,
  ): Promise<ChunkResult> {
    const { length } = content.items;
    if (known === undefined) {
      return join(
        await Promise.all(
          content.items.map((_, index) => this.#runPart(content, index, index + 1)),
        ),
      );
    }
    const { guilty, error } = known;
    const [before, failed, after] = await Promise.all([
      this.#runPart(content, 0, guilty),
      this.#retry(partOf(content, guilty, guilty + 1), toFailure(error)),
      this.#runPart(content, guilty + 1, length),
    ]);
    return join([before, failed, after]);
  }

  #runPart(content: ChunkContent, begin: number, end: number): Promise<ChunkResult> {
    if (begin === end) return Promise.resolve({ values: [], failures: [], sources: [] });
    return this.run(partOf(content, begin, end));
  }

  /** One item travels as the plain call that it is. */
  async #runOne(content: ChunkContent, retries = this.#retries): Promise<ChunkResult> {
    const { items: args, remembering: [own] = [] } = content;
    const context = own === undefined
      ? content.context
      : { tags: {}, strict: false, ...content.context, ...own };
    try {
      const outcome = await this.#send({ ...content, context }, { retries });
      const { value, source } = this.#unwrap(outcome);
      this.#learn(args, [value], outcome);
      return { values: [value], failures: [], sources: [source] };
    } catch (error) {
      return toFailure(error);
    }
  }

  #learn(items: readonly unknown[], values: readonly unknown[], { duration }: Outcome): void {
    const weight = estimateBytes(items) + estimateBytes(values);
    this.#route.pace.note(items.length, duration, weight);
  }

  #unwrap(outcome: Outcome): Extract<Outcome, { type: "value" }> {
    for (const warning of outcome.warnings) this.#route.warn(warning);
    if (outcome.type === "error") throw toThrown(outcome.error.thrown);
    // What a worker says of it is what it has made of it.
    return outcome.carried ? { ...outcome, value: fromCarried(outcome.value as Carried) } : outcome;
  }
}

function partOf(
  { items, context, remembering, callbacks }: ChunkContent,
  begin: number,
  end: number,
): ChunkContent {
  return {
    items: items.slice(begin, end),
    context,
    ...(remembering !== undefined && { remembering: remembering.slice(begin, end) }),
    ...(callbacks !== undefined && { callbacks }),
  };
}

/** A call with a deadline says when it starts. */
function announced(
  context: CallContext | undefined,
  { deadline = Infinity }: CallOptions,
): CallContext | undefined {
  return deadline === Infinity ? context : { tags: {}, strict: false, ...context, announce: true };
}

function toResult({ value }: Extract<Outcome, { type: "value" }>): ChunkResult {
  // What runs a chunk is `runChunk`.
  const { values, carried = [], failures = [], sources = [] } = value as ChunkReply;
  const thrown = failures.map(([index, { thrown }]) => [index, toThrown(thrown)] as const);
  if (carried.length === 0) return { values, failures: thrown, sources };
  const whole = [...values];
  for (const index of carried) {
    try {
      whole[index] = fromCarried(whole[index] as Carried);
    } catch (error) {
      thrown.push([index, error]);
      whole[index] = undefined;
    }
  }
  return { values: whole, failures: thrown.sort(([one], [other]) => one - other), sources };
}

function toFailure(error: unknown): ChunkResult {
  return { values: [undefined], failures: [[0, error]], sources: [undefined] };
}

function join(parts: readonly ChunkResult[]): ChunkResult {
  const values: unknown[] = [];
  const failures: [index: number, error: unknown][] = [];
  const sources: (string | undefined)[] = [];
  for (const part of parts) {
    for (const [index, error] of part.failures) failures.push([values.length + index, error]);
    for (const [index, value] of part.values.entries()) {
      values.push(value);
      sources.push(part.sources[index]);
    }
  }
  return { values, failures, sources };
}

/** A chunk that takes less than this, in milliseconds, is too small. */
const SHORT_CHUNK = 200;
/** A chunk that takes more than this, in milliseconds, is too large. */
const LONG_CHUNK = 2000;
/** How much the newest chunk counts in the average. */
const WEIGHT = 0.2;
/** From here on a message costs next to nothing for each item, and memory is what counts. */
const MAX_ITEMS = 4096;
/** What the items of a chunk and their results may take together, in bytes, if they are estimated well. */
const MAX_BYTES = 1 << 20;

/** Decides how many items travel in one message to a worker. */
export interface ChunkSizer {
  /** How many items the next chunk has. */
  readonly size: number;
  /**
   * Learns from a chunk.
   *
   * @param items How many items it had.
   * @param duration How long it ran, in milliseconds.
   * @param weight How many bytes an item and its result take.
   */
  note(items: number, duration: number, weight: number): void;
}

/**
 * The rule of joblib's `batch_size="auto"`: one item at first, so that slow tasks never wait for one
 * another in a chunk; while chunks are short they double, up to what takes 0.2 s by the last
 * measurements; chunks of more than 2 s shrink. Where joblib maps large arrays from files, here items
 * are copied and several chunks wait: heavy ones travel alone.
 *
 * @see https://github.com/joblib/joblib/blob/main/joblib/_parallel_backends.py
 */
export class AutoChunkPace implements ChunkSizer {
  #size = 1;
  #average: number | undefined;

  get size(): number {
    return this.#size;
  }

  note(items: number, duration: number, weight: number): void {
    const bearable = Math.max(1, Math.floor(MAX_BYTES / Math.max(weight, 1)));
    if (this.#size > bearable) return this.#resize(bearable);
    // Those sent before the size changed, and the rests of an input, tell little of this size.
    if (items !== this.#size) return;
    const average = this.#average = this.#average === undefined
      ? duration
      : this.#average + WEIGHT * (duration - this.#average);
    const ideal = Math.floor(this.#size * SHORT_CHUNK / Math.max(average, Number.EPSILON));
    if (average < SHORT_CHUNK) {
      this.#resize(Math.min(2 * this.#size, 2 * ideal, MAX_ITEMS, bearable));
    } else if (average > LONG_CHUNK) this.#resize(Math.max(2 * ideal, 1));
  }

  #resize(size: number): void {
    if (size === this.#size) return;
    this.#size = size;
    this.#average = undefined;
  }
}

/** As many values tell enough of the others. */
const SAMPLE = 8;
/** What a number takes, and the little that is said of a value in any case. */
const SMALL = 8;
/** Large things lie in arrays and fields, seldom further down. */
const DEPTH = 2;

/**
 * Estimates how many bytes a value takes on its way to a worker, from a few of many: buffers and texts
 * count, and those in arrays and plain fields.
 *
 * @returns The mean in bytes; 0 when there are none.
 */
export function estimateBytes(values: readonly unknown[]): number {
  const step = Math.max(1, Math.floor(values.length / SAMPLE));
  let sum = 0;
  let count = 0;
  for (let index = 0; index < values.length; index += step) {
    sum += weigh(values[index], DEPTH);
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

function weigh(value: unknown, depth: number): number {
  if (typeof value === "string") return SMALL + value.length;
  if (typeof value !== "object" || value === null) return SMALL;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return SMALL + value.byteLength;
  if (depth === 0) return SMALL;
  if (Array.isArray(value)) return SMALL + value.length * weigh(value[0], depth - 1);
  let sum = SMALL;
  // What a getter does, or a class hides, is not for an estimate.
  for (const { value: field } of Object.values(Object.getOwnPropertyDescriptors(value))) {
    sum += weigh(field, depth - 1);
  }
  return sum;
}
