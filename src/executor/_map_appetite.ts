import type { ChunkPace } from "./chunk_pace.ts";

/** Options of {@linkcode MapAppetite}. */
export interface MapAppetiteOptions {
  /** How many items travel together. */
  readonly pace: ChunkPace;
  /** How many items may be taken whose results were not given yet; enough for all if left out. */
  readonly bufferSize: number | undefined;
  /** How many items there are, if that is known and they are to be shared out alike. */
  readonly total?: number;
  /** How many workers there are for them. */
  readonly workers: number;
}

/** Short calls travel in batches from the start, even without chunks. */
const MIN_BUFFER = 32;
/** One that a worker runs, one that waits for it there, and as many whose results are being given. */
const CHUNKS_PER_WORKER = 4;
/** With a buffer of a given size: so many chunks of it that no worker goes without. */
const CHUNKS_IN_BUFFER_PER_WORKER = 2;

/** Decides how many items a map takes next. */
export class MapAppetite {
  readonly #options: MapAppetiteOptions;
  #taken = 0;

  /**
   * Creates the appetite of a map that has taken nothing.
   *
   * @param options What it depends on.
   */
  constructor(options: MapAppetiteOptions) {
    this.#options = options;
  }

  /**
   * Tells how many items to take now.
   *
   * @param buffered How many were taken whose results were not given yet.
   * @returns How many; 0 when there is no room for a chunk.
   */
  next(buffered: number): number {
    const { pace, workers, bufferSize, total } = this.#options;
    const limit = bufferSize ?? Math.max(MIN_BUFFER, CHUNKS_PER_WORKER * workers * pace.size);
    const size = Math.max(
      1,
      Math.min(
        pace.size,
        Math.floor(limit / (CHUNKS_IN_BUFFER_PER_WORKER * workers)),
        // What is left goes to all workers alike.
        total === undefined ? Infinity : Math.ceil((total - this.#taken) / workers),
      ),
    );
    return buffered + size <= limit ? size : 0;
  }

  /**
   * Items were taken.
   *
   * @param count How many.
   */
  took(count: number): void {
    this.#taken += count;
  }
}
