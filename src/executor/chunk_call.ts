import { UnclonableError, WorkerDiedError } from "../base/errors.ts";
import type { TaskAddress } from "../call/call_record.ts";
import { CancelSource } from "../task/future.ts";
import { type Carried, fromCarried } from "../value/carry_value.ts";
import { toThrown } from "../value/codec/thrown_value.ts";
import type { Outcome } from "../worker/worker.ts";
import type { CallObserver } from "./_dispatch_call.ts";
import { isRetriable } from "./_retriable.ts";
import type { CallOptions } from "./call_options.ts";
import { type CallContext, type Remembering, toChunkContext } from "./call_context.ts";
import type { ChunkReply } from "./chunk.ts";
import { ChunkNotes } from "./chunk_notes.ts";
import type { ChunkPace } from "./chunk_pace.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { weighValues } from "./weigh_values.ts";

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
  readonly pace: ChunkPace;
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
}

/** How the items of a chunk ended. */
export interface ChunkResult {
  /** What the items returned; `undefined` for those that failed. */
  readonly values: readonly unknown[];
  /** Those that failed, and why. */
  readonly failures: readonly (readonly [index: number, error: unknown])[];
  /** What is said of each result (see `Outcome`). */
  readonly notes: readonly (string | undefined)[];
}

/** A request of a chunk that is under way. */
interface SentRequest {
  readonly notes: ChunkNotes | undefined;
  readonly cancellation: CancelSource;
  atWorker: boolean;
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
      const outcome = await this.#send(args, context, notes);
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
    for (const { notes, cancellation, atWorker } of this.#requests) {
      notes?.stop();
      // Its worker would be lost for others until the item that runs has ended.
      if (!atWorker) cancellation.abort(this.#observer.cancellation?.reason);
    }
  }

  async #send(
    args: readonly unknown[],
    context: CallContext | undefined,
    notes?: ChunkNotes,
    retries = 0,
  ): Promise<Outcome> {
    const { address: { module, name: task }, dispatcher, options = {} } = this.#route;
    const { deadline, onAbort, gracePeriod, priority } = options;
    const request: SentRequest = { notes, cancellation: new CancelSource(), atWorker: false };
    this.#requests.add(request);
    const started = (worker?: string) => {
      request.atWorker = true;
      // A call among many in a chunk may still be given up.
      if (args.length === 1) this.#observer.started?.(worker);
    };
    const { cancellation } = request;
    const given = this.#observer.cancellation;
    if (given?.aborted) cancellation.abort(given.reason);
    try {
      return await dispatcher.run({ module, task, args, context: announced(context, options) }, {
        cancellation,
        started,
        waits: () => {
          request.atWorker = false;
          if (args.length === 1) this.#observer.waits?.();
        },
        // What one of many items says is said of none of the others.
        told: (kind, data) => {
          if (args.length === 1) this.#observer.told?.(kind, data);
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
    const notes = [...result.notes];
    const again = await Promise.all(failures.map(async ([index, error]) => {
      const { values: [value], notes: [note], failures: [failure] } = isRetriable(error)
        ? await this.#runOne(partOf(content, index, index + 1), this.#retries - 1)
        : toFailure(error);
      values[index] = value;
      notes[index] = note;
      return failure === undefined ? [] : [[index, failure[1]] as const];
    }));
    return { values, failures: again.flat(), notes };
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
    if (begin === end) return Promise.resolve({ values: [], failures: [], notes: [] });
    return this.run(partOf(content, begin, end));
  }

  /** One item travels as the plain call that it is. */
  async #runOne(content: ChunkContent, retries = this.#retries): Promise<ChunkResult> {
    const { items: args, remembering: [own] = [] } = content;
    const context = own === undefined
      ? content.context
      : { tags: {}, strict: false, ...content.context, ...own };
    try {
      const outcome = await this.#send(args, context, undefined, retries);
      const { value, note } = this.#unwrap(outcome);
      this.#learn(args, [value], outcome);
      return { values: [value], failures: [], notes: [note] };
    } catch (error) {
      return toFailure(error);
    }
  }

  #learn(items: readonly unknown[], values: readonly unknown[], { duration }: Outcome): void {
    const weight = weighValues(items) + weighValues(values);
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
  { items, context, remembering }: ChunkContent,
  begin: number,
  end: number,
): ChunkContent {
  return {
    items: items.slice(begin, end),
    context,
    ...(remembering !== undefined && { remembering: remembering.slice(begin, end) }),
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
  const { values, carried = [], failures = [], notes = [] } = value as ChunkReply;
  const thrown = failures.map(([index, { thrown }]) => [index, toThrown(thrown)] as const);
  if (carried.length === 0) return { values, failures: thrown, notes };
  const whole = [...values];
  for (const index of carried) {
    try {
      whole[index] = fromCarried(whole[index] as Carried);
    } catch (error) {
      thrown.push([index, error]);
      whole[index] = undefined;
    }
  }
  return { values: whole, failures: thrown.sort(([one], [other]) => one - other), notes };
}

function toFailure(error: unknown): ChunkResult {
  return { values: [undefined], failures: [[0, error]], notes: [undefined] };
}

function join(parts: readonly ChunkResult[]): ChunkResult {
  const values: unknown[] = [];
  const failures: [index: number, error: unknown][] = [];
  const notes: (string | undefined)[] = [];
  for (const part of parts) {
    for (const [index, error] of part.failures) failures.push([values.length + index, error]);
    for (const [index, value] of part.values.entries()) {
      values.push(value);
      notes.push(part.notes[index]);
    }
  }
  return { values, failures, notes };
}
