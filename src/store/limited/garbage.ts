import type { Stores } from "../stores.ts";

/** What a call takes beside its values, in bytes: its record, and that it is forgotten. */
const CALL_BYTES = 1000;

/** It is measured when so much of what counts as much may have come to it. */
const MEASURED_SHARE = 1 / 8;

/**
 * How much there is that no call needs.
 *
 * Where it is cheap to tell what all values take, that is asked now and then, as others leave garbage,
 * too, and so did earlier programs. Elsewhere what this handle has evicted is counted, from a random
 * number on: so programs that evict little each give space back as often as one that evicts it all.
 */
export class Garbage {
  readonly #swept: readonly Stores[];
  readonly #much: number;
  /** What this handle has evicted since it has swept. */
  #evicted: number;
  /** What may have come to it since it was measured. */
  #unmeasured = Infinity;
  /** What no sweep has dropped so far, as it is young or not worth it. */
  #left = 0;

  /**
   * Measures nothing yet.
   *
   * @param swept What holds the values.
   * @param much When they are to be swept, in bytes.
   */
  constructor(swept: readonly Stores[], much: number) {
    this.#swept = swept;
    this.#much = much;
    this.#evicted = swept.every(({ sweeper }) => sweeper?.bytes !== undefined)
      ? 0
      : Math.random() * much;
  }

  /**
   * Takes note that a call was stored.
   *
   * @param bytes What its values take.
   */
  stored(bytes: number): void {
    this.#unmeasured += bytes;
  }

  /**
   * Takes note that a call was evicted.
   *
   * @param bytes What its values have taken that no other call shares.
   */
  evicted(bytes: number): void {
    this.#evicted += bytes + CALL_BYTES;
    this.#unmeasured += bytes;
  }

  /**
   * Tells whether it is time to sweep.
   *
   * @param live What the values of remembered calls take, in bytes.
   */
  isMuch(live: number): boolean {
    if (this.#evicted >= this.#much) return true;
    if (this.#unmeasured < this.#much * MEASURED_SHARE) return false;
    this.#unmeasured = 0;
    const all = this.#measure();
    return all !== undefined && all - live >= this.#much + this.#left;
  }

  /** Takes note that it was swept. */
  swept(live: number): void {
    this.#evicted = 0;
    this.#left = Math.max(0, (this.#measure() ?? live) - live);
  }

  #measure(): number | undefined {
    let all = 0;
    for (const { sweeper } of this.#swept) {
      if (sweeper?.bytes === undefined) return undefined;
      all += sweeper.bytes();
    }
    return all;
  }
}
