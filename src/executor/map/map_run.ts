import { giveUpOn, isTimeout } from "../../base/abortable.ts";
import { toWarning } from "../../base/warning.ts";
import type { TaskDefinition } from "../../task/definition.ts";
import type { Future } from "../../task/future.ts";
import { type ChunkSizer, createChunkSizer } from "./chunk_pace.ts";
import { type MapBatch, MapBuffer } from "./map_buffer.ts";
import {
  MapCaller,
  type MapExecutor,
  type MapFailure,
  type MapItem,
  type MapSubject,
} from "./map_caller.ts";
import { type OnError, withoutSkipped } from "./map_ends.ts";
import { type MapInput, openMapInput } from "./map_input.ts";
import {
  openProgressBar,
  type ProgressObserver,
  RunningProgress,
  toSafeProgress,
} from "./progress_bar.ts";
import { ItemSpread } from "./spread_item.ts";
import { Axis } from "./sweep.ts";

/** How a map is run, checked. */
export interface MapSettings {
  /** How many items travel together, or that this is found out. */
  readonly chunkSize: number | "auto";
  /** How many items are taken before their results are given. */
  readonly bufferSize: number | undefined;
  /** Whether results come in the order of the items. */
  readonly ordered: boolean;
  /** Whether each item is the arguments of its call. */
  readonly spread: boolean;
  /** What becomes of a call that fails. */
  readonly onError: OnError;
  /** Who is told how it goes. */
  readonly progress: boolean | ProgressObserver;
  /** Ends the map. */
  readonly signal: AbortSignal | undefined;
}

/**
 * A map under way.
 *
 * ```text
 *  input ──take──▶ MapCaller ──▶ one future for all taken, or one for each call that the cache may know
 *                                  │                                     │ what a worker must run
 *                                  ▼                                     ▼
 *                              ChunkCall ◀────────────────────── ChunkGatherer
 *                                  ║ a worker that gets free is sent some; what it has not
 *                                  ║ begun after 100 ms, or another could run, comes back
 *  caller ◀──batch── MapBuffer ◀═══╝
 * ```
 */
class MapRun<T, R> {
  readonly #window: MapWindow;
  readonly #input: MapInput<MapItem<T>>;
  readonly #buffer: MapBuffer<R>;
  readonly #caller: MapCaller<T, R>;
  readonly #progress: MapProgress;
  readonly #watch: Disposable | undefined;
  /** Tells why the executor takes no more calls, if it takes none. */
  readonly #refusal: () => Future<unknown> | undefined;
  #unfollow: () => void = () => {};
  readonly #skips: boolean;
  /** There as soon as the map was given up. */
  #end: GivenUp<R> | undefined;
  #changed = Promise.withResolvers<void>();
  readonly #ring = (): void => this.#changed.resolve();

  /**
   * Begins a map; nothing is called before the first {@linkcode MapRun.next}.
   *
   * @param executor What runs the calls.
   * @param subject What is called.
   * @param settings How.
   * @param tools Who is told how it goes, and what makes arguments of items.
   */
  constructor(
    executor: MapExecutor,
    subject: Omit<MapSubject, "ended" | "follow" | "said">,
    items: Iterable<T> | AsyncIterable<T>,
    { chunkSize, bufferSize, ordered, onError, signal }: MapSettings,
    { progress, spread }: MapTools,
  ) {
    const { comforts } = subject.definition;
    const { deadline = comforts?.deadline ?? Infinity } = executor.options ?? {};
    const workers = executor.maxWorkers();
    const size = deadline === Infinity && comforts?.demand === undefined ? chunkSize : 1;
    const pace = createChunkSizer({ chunkSize: size, bufferSize, workers });
    this.#window = new MapWindow({ pace, bufferSize, workers });
    this.#buffer = new MapBuffer(ordered, this.#ring);
    this.#skips = onError === "skip";
    const ended: MapSubject["ended"] = (hit, failure) => progress.update(hit, failure);
    const follow = (future: Future<unknown>) => progress.follow(future);
    const { said } = progress;
    const mode = { pace, spread, onError };
    const caller = new MapCaller<T, R>(executor, { ...subject, ended, follow, said }, mode);
    this.#caller = caller;
    // What a generator gives may be one object again and again; an array has them all at once, and a sweep
    // makes each anew.
    const steady = Array.isArray(items) || items instanceof Axis;
    const keep = spread === undefined ? (item: T) => item : (item: T) => caller.spread(item);
    const freeze = steady ? keep : (item: T) => caller.freeze(item);
    this.#input = openMapInput(items, freeze, this.#ring);
    this.#progress = progress;
    const { definition: { name }, scope } = subject;
    this.#refusal = () => executor.refuse(name, scope);
    const closed = () => {
      // Another one may have taken its place, which may be closed later.
      this.#unfollow = executor.onClose(closed);
      this.#ring();
    };
    this.#unfollow = executor.onClose(closed);
    if (signal?.aborted) this.#giveUp(signal.reason);
    this.#watch = signal && giveUpOn(signal, (reason) => this.#giveUp(reason));
    progress.start(sizeOf(items));
  }

  /**
   * Gives the next results; those that it gave before count as given from now on.
   *
   * @returns The results, or `undefined` when there are no more.
   * @throws The signal's reason, or what the input threw, after all that came before.
   */
  async next(): Promise<MapBatch<R> | undefined> {
    for (;;) {
      if (this.#end !== undefined) return takeRest(this.#end);
      this.#changed = Promise.withResolvers<void>();
      this.#fill();
      const batch = this.#take();
      if (batch !== undefined) return batch;
      if (this.#isComplete) {
        if (this.#input.failure !== undefined) throw this.#input.failure.error;
        return undefined;
      }
      // What the input may still give would be refused.
      if (this.#buffer.size === 0) await this.#refusal();
      await this.#changed.promise;
    }
  }

  /** The next results that are there, without those that are left out. */
  #take(): MapBatch<R> | undefined {
    for (;;) {
      const batch = this.#buffer.take();
      if (batch === undefined || !this.#skips) return batch;
      // Those that are left out make room for others.
      const rest = withoutSkipped(batch);
      this.#fill();
      if (rest !== undefined) return rest;
    }
  }

  /** Nobody takes results any more: whoever waits for some waits for nothing. */
  leave(): void {
    this.#end ??= { rest: [], failure: undefined };
    this.#ring();
  }

  /** Gives up what has not started, and lets the input clean up. */
  async close(): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    this.#unfollow();
    this.#buffer.cancel();
    this.#progress.stop();
    await this.#input.close();
  }

  /** What was there when the time was over counts; any other signal ends the map at once. */
  #giveUp(reason: unknown): void {
    const rest: MapBatch<R>[] = [];
    if (isTimeout(reason)) {
      const take = () => {
        const batch = this.#buffer.take();
        return batch && this.#skips ? withoutSkipped(batch) ?? { values: [] } : batch;
      };
      for (let batch = take(); batch !== undefined; batch = take()) {
        rest.push(batch);
      }
    }
    // Where all has ended in time, only who takes the results has not seen that.
    const complete = isTimeout(reason) && this.#isComplete;
    this.#end = { rest, failure: complete ? this.#input.failure : { error: reason } };
    this.#buffer.cancel();
    this.#ring();
  }

  get #isComplete(): boolean {
    return this.#buffer.size === 0 && this.#input.ended;
  }

  #fill(): void {
    while (!this.#input.ended) {
      const count = this.#window.next(this.#buffer.size);
      const items = count === 0 ? [] : this.#input.take(count);
      if (items.length === 0) return;
      for (const make of this.#caller.call(items)) this.#buffer.add(make);
    }
  }
}

/** What is left of a map that was given up. */
interface GivenUp<R> {
  /** Results that are given all the same. */
  readonly rest: MapBatch<R>[];
  /** What it ends with after them, unless nothing is missing. */
  readonly failure: { readonly error: unknown } | undefined;
}

function takeRest<R>({ rest, failure }: GivenUp<R>): MapBatch<R> | undefined {
  const batch = rest.shift();
  if (batch === undefined && failure !== undefined) throw failure.error;
  return batch;
}

/** Tells an observer how a map goes, for as long as it does. */
class MapProgress {
  #observer: ProgressObserver | undefined;
  readonly #running: RunningProgress | undefined;

  /**
   * Creates what tells an observer.
   *
   * @param observer The observer, if there is one.
   */
  constructor(observer: ProgressObserver | undefined) {
    this.#observer = observer;
    this.#running = observer && new RunningProgress(observer);
  }

  /** Told what calls say that have no future, if the observer wants to know. */
  get said(): MapSubject["said"] {
    const running = this.#running;
    if (this.#observer?.report === undefined || running === undefined) return undefined;
    return (items, index, progress) => {
      if (this.#observer !== undefined) running.said(items, index, progress);
    };
  }

  /** A call runs. */
  follow(future: Future<unknown>): void {
    if (this.#observer !== undefined) this.#running?.follow(future);
  }

  /** The map begins. */
  start(total: number | undefined): void {
    this.#observer?.start(total);
  }

  /** A call has ended. */
  update(hit: boolean, failure?: MapFailure): void {
    this.#observer?.update(hit, failure);
  }

  /** The map has ended: of what ends later nobody is told. */
  stop(): void {
    this.#observer?.stop();
    this.#observer = undefined;
  }
}

/**
 * Begins a map.
 *
 * @typeParam T An item.
 * @typeParam R A result.
 * @param executor What runs the calls.
 * @param subject What is called.
 * @param settings How.
 */
export async function openMapRun<T, R>(
  executor: MapExecutor,
  subject: Omit<MapSubject, "ended" | "follow" | "said">,
  items: Iterable<T> | AsyncIterable<T>,
  settings: MapSettings,
): Promise<MapRun<T, R>> {
  const { progress } = settings;
  const observer = progress === true
    ? await openProgressBar()
    : progress && toSafeProgress(progress, toWarning(subject.scope.warn)) || undefined;
  const tools = {
    progress: new MapProgress(observer),
    spread: settings.spread ? await openSpread(subject.definition) : undefined,
  };
  return new MapRun<T, R>(executor, subject, items, settings, tools);
}

/** What a map needs that had to be loaded. */
interface MapTools {
  /** Who is told how it goes. */
  readonly progress: MapProgress;
  /** Makes arguments of an item; absent where each item is the one argument. */
  readonly spread: ItemSpread | undefined;
}

/** The parameters are only needed by name: arrays of arguments do without. */
async function openSpread(definition: TaskDefinition): Promise<ItemSpread> {
  const profile = await definition.readParameters().catch((error) => ({ error }));
  return new ItemSpread(definition.name, profile);
}

function sizeOf(items: object): number | undefined {
  if (Array.isArray(items) || items instanceof Axis) return items.length;
  return items instanceof Set || items instanceof Map ? items.size : undefined;
}

/** Options of {@linkcode MapWindow}. */
export interface MapWindowOptions {
  /** How many items go to a worker at once: no more than the buffer holds. */
  readonly pace: ChunkSizer;
  /** How many items may be taken whose results were not given yet; enough for all if left out. */
  readonly bufferSize: number | undefined;
  /** How many workers there are for them. */
  readonly workers: number;
}

/** Short calls travel in batches from the start, even without chunks. */
const MIN_BUFFER = 32;
/** One that a worker runs, one that waits for it there, and as many whose results are being given. */
const CHUNKS_PER_WORKER = 4;
/** Decides how many items a map takes next. */
export class MapWindow {
  readonly #options: MapWindowOptions;

  /**
   * Creates the window of a map that has taken nothing.
   *
   * @param options What it depends on.
   */
  constructor(options: MapWindowOptions) {
    this.#options = options;
  }

  /**
   * Tells how many items to take now.
   *
   * @param buffered How many were taken whose results were not given yet.
   * @returns How many; 0 when there is no room for a chunk.
   */
  next(buffered: number): number {
    const { pace: { size }, workers, bufferSize } = this.#options;
    const limit = bufferSize ?? Math.max(MIN_BUFFER, CHUNKS_PER_WORKER * workers * size);
    // Whole chunks, so that what is left over does not make small ones.
    return size * Math.floor(Math.max(0, limit - buffered) / size);
  }
}
