/** The clock that is in place, if there is one. */
let inPlace: FakeClock | undefined;

/**
 * Puts the clock of this isolate forward, or back: the age of results is measured by `Date.now()`, which
 * it replaces until it is disposed. Time goes on as it does, from another moment. Timers, `new Date()`
 * and workers follow the clock of the machine.
 *
 * @example A result expires
 * ```ts
 * import { FakeClock } from "@quiver/quiver/testing";
 * import { assert } from "@std/assert";
 *
 * const before = Date.now();
 * {
 *   using clock = new FakeClock();
 *   clock.advance(24 * 60 * 60 * 1000);
 *   assert(Date.now() - before >= 86_400_000);
 * }
 * assert(Date.now() - before < 86_400_000);
 * ```
 */
export class FakeClock implements Disposable {
  readonly #now = Date.now;
  #offset = 0;
  readonly #fake = (): number => this.#now.call(Date) + this.#offset;

  /**
   * Takes the place of `Date.now()`.
   *
   * @param start The time it begins at, in milliseconds since 1970; now, if not given.
   * @throws {TypeError} While another one is in place.
   * @throws {RangeError} When the time is not finite.
   */
  constructor(start?: number) {
    if (inPlace !== undefined) {
      throw new TypeError("Cannot fake the clock: another FakeClock is in place; dispose it first");
    }
    if (start !== undefined) this.advance(start - Date.now());
    inPlace = this;
    Date.now = this.#fake;
  }

  /**
   * Puts the clock forward.
   *
   * @param time By how many milliseconds; back, if it is negative.
   * @throws {RangeError} When it is not finite.
   */
  advance(time: number): void {
    if (!Number.isFinite(time)) {
      throw new RangeError(
        `Cannot put the clock forward by ${String(time)}: it is no finite number`,
      );
    }
    this.#offset += time;
  }

  /** Puts the clock of the machine back in place; may be called twice. */
  [Symbol.dispose](): void {
    if (inPlace !== this) return;
    inPlace = undefined;
    // Who has replaced it meanwhile knows better.
    if (Date.now === this.#fake) Date.now = this.#now;
  }
}
