import type { ItemValues } from "../wire/call_context.ts";
import { SLICE } from "../dispatch/item_sharing.ts";

/** How much the newest measurement counts in the average. */
const WEIGHT = 0.5;
/** From here on a message costs next to nothing for each item, and memory is what counts. */
const MAX_ITEMS = 4096;
/** Items and results of one chunk. */
const MAX_BYTES = 1 << 20;

/** Decides how many items go to a worker at once. */
export interface ChunkSizer {
  /** How many the next chunk gets at most. */
  readonly size: number;
  /** Whether a worker gives those back that it has not begun after a while. */
  readonly sliced: boolean;
  /**
   * Learns how some have gone.
   *
   * @param items How many items a worker has run.
   * @param duration How long that took, in milliseconds.
   * @param weight How many bytes an item and its result take.
   */
  note(items: number, duration: number, weight: number): void;
}

/**
 * One item at first; while chunks are short they double, up to what takes as long as a worker keeps
 * them. What turns out longer than that makes them small at once. Items and results are copied, and
 * several chunks wait: heavy ones travel alone.
 */
export class AutoChunkPace implements ChunkSizer {
  readonly sliced = true;
  readonly #most: number;
  #size = 1;
  /** How long an item takes, in milliseconds. */
  #average: number | undefined;

  /**
   * Begins with one.
   *
   * @param most How many items go to a worker at once at most.
   */
  constructor(most = Infinity) {
    this.#most = Math.min(most, MAX_ITEMS);
  }

  get size(): number {
    return this.#size;
  }

  note(items: number, duration: number, weight: number): void {
    if (items === 0) return;
    const latest = duration / items;
    const average = this.#average === undefined || duration >= SLICE
      ? latest
      : this.#average + WEIGHT * (latest - this.#average);
    this.#average = average;
    const bearable = Math.floor(MAX_BYTES / Math.max(weight, 1));
    const timely = Math.floor(SLICE / Math.max(average, Number.EPSILON));
    // Small chunks that were sent before tell nothing of larger ones.
    const more = items < this.#size ? this.#size : 2 * this.#size;
    this.#size = Math.max(1, Math.min(more, timely, bearable, this.#most));
  }
}

/** A size that a user has given. */
class FixedChunkSize implements ChunkSizer {
  readonly sliced = false;
  readonly size: number;

  /**
   * Keeps the size.
   *
   * @param size How many items go to a worker at once.
   */
  constructor(size: number) {
    this.size = size;
  }

  /** Nothing changes it. */
  note(): void {}
}

/** With a buffer of a given size: so many chunks of it that no worker goes without. */
const CHUNKS_IN_BUFFER_PER_WORKER = 2;

/** What decides how many items go to a worker at once. */
export interface ChunkSizerOptions {
  /** What the user says. */
  readonly chunkSize: number | "auto";
  /** How many items may be taken whose results were not given yet, if that is limited. */
  readonly bufferSize: number | undefined;
  /** How many workers there are for them. */
  readonly workers: number;
}

/**
 * Creates what decides how many items go to a worker at once.
 *
 * @param options What the user says, and what there is.
 */
export function createChunkSizer(options: ChunkSizerOptions): ChunkSizer {
  const { chunkSize, bufferSize = Infinity, workers } = options;
  const most = Math.max(1, Math.floor(bufferSize / (CHUNKS_IN_BUFFER_PER_WORKER * workers)));
  return chunkSize === "auto"
    ? new AutoChunkPace(most)
    : new FixedChunkSize(Math.min(chunkSize, most));
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
 * @param begin The first of the values that count.
 * @param end The first behind them.
 * @returns The mean in bytes; 0 when there are none.
 */
export function estimateBytes(
  values: ItemValues,
  begin = 0,
  end = values.length,
): number {
  const step = Math.max(1, Math.floor((end - begin) / SAMPLE));
  let sum = 0;
  let count = 0;
  for (let index = begin; index < end; index += step) {
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
