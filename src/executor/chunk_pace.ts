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
export interface ChunkPace {
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
export class AutoChunkPace implements ChunkPace {
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
