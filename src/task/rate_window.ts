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
  /** When others have begun, oldest first. */
  #begun: number[] = [];

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
    const past = this.#begun.findIndex((time) => time + per > now);
    this.#begun = past < 0 ? [] : this.#begun.slice(past);
    if (this.#coming + this.#begun.length < calls) return 0;
    const [oldest] = this.#begun;
    return oldest === undefined ? Infinity : oldest + per - now;
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
