const BEGUN = 0;
const STOPPED = 1;
const WORDS = 2;

/**
 * How far a worker is in a chunk, in memory that it shares with its parent: so that after the
 * worker's death the item is known that it ran, and so that a chunk can be stopped between two items
 * although a busy worker reads no messages.
 */
export class ChunkNotes {
  /** The shared memory. */
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array<SharedArrayBuffer>;

  /**
   * Creates the view of one side.
   *
   * @param buffer The other side's memory; new memory when left out.
   */
  constructor(
    buffer: SharedArrayBuffer = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT),
  ) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /**
   * Worker: an item begins.
   *
   * @param index Its position.
   * @returns Whether it may; `false` when the chunk was stopped.
   */
  begin(index: number): boolean {
    if (Atomics.load(this.#words, STOPPED) === 1) return false;
    Atomics.store(this.#words, BEGUN, index + 1);
    return true;
  }

  /** Parent: how many items have begun. */
  get begun(): number {
    return Atomics.load(this.#words, BEGUN);
  }

  /** Parent: no further item begins. */
  stop(): void {
    Atomics.store(this.#words, STOPPED, 1);
  }
}
