import type { RateOptions } from "./comforts.ts";

/**
 * How many calls may begin in any time of a length. One that was let through counts from then on, and
 * for that time after its body is known to have begun: however long it takes to come to a worker, and to
 * load its module there, no more begin than may.
 */
export class RateWindow {
  readonly #rate: Readonly<RateOptions>;
  /** Those that were let through and have not begun. */
  #coming = 0;
  /** When others have begun, oldest first; those before the first that counts are over. */
  #begun: number[] = [];
  #first = 0;

  /**
   * Creates a window in which none has begun.
   *
   * @param rate How many may.
   */
  constructor(rate: Readonly<RateOptions>) {
    this.#rate = rate;
  }

  /**
   * Tells how long one more has to wait.
   *
   * @param now The time, in milliseconds.
   * @returns How long; `Infinity` when that depends on one which has not begun.
   */
  wait(now: number): number {
    const { calls, per } = this.#rate;
    const oldest = this.#oldestAt(now);
    if (this.#coming + this.#begun.length - this.#first < calls) return 0;
    return oldest === undefined ? Infinity : oldest + per - now;
  }

  /** Forgets those that are over; there may be very many, so that they move seldom. */
  #oldestAt(now: number): number | undefined {
    const { per } = this.#rate;
    let oldest = this.#begun[this.#first];
    while (oldest !== undefined && oldest + per <= now) oldest = this.#begun[++this.#first];
    if (2 * this.#first > this.#begun.length) {
      this.#begun = this.#begun.slice(this.#first);
      this.#first = 0;
    }
    return oldest;
  }

  /** One is let through. */
  admit(): void {
    this.#coming++;
  }

  /** One of them has begun. */
  begin(now: number): void {
    this.#coming--;
    this.#begun.push(now);
  }

  /** One of them does not begin. */
  giveBack(): void {
    this.#coming--;
  }
}
