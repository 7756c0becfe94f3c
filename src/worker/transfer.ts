// The user's copy of Quiver and a worker's may be two instances of this module: the mark is the same.
const GIVEN_AWAY = Symbol.for("quiver.transfer");

/**
 * Gives a value away: when it is passed to a task as an argument, its buffers move to the worker
 * instead of being copied, and are empty here afterwards. A task that returns such a value gives it
 * to whoever called. It makes no difference to what the other side gets.
 *
 * Without it a worker gets a copy, which for 8 MB takes a millisecond. Whether the buffers move at
 * all depends on where the call goes (a cache that knows the result needs no worker), so that the
 * value must not be used again either way. A call with such an argument cannot be sent again: it
 * fails with its worker, even if it had not started, and its first failure is final, whatever
 * `retries` says; only a call that is to be remembered has a copy of its own.
 *
 * @typeParam T The value's type.
 * @param value An array, a buffer, or an object that holds some.
 * @returns The same value.
 * @throws {TypeError} When the value is frozen.
 *
 * @example Give an array away
 * ```ts
 * import { Executor, task, transfer } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const sum = task(import.meta, (samples: Float64Array) => samples.reduce((a, b) => a + b), {
 *   name: "sum",
 * });
 *
 * await using executor = new Executor({ workerType: "inline" });
 * const samples = new Float64Array(100_000).fill(0.5);
 * assertEquals(await executor.submit(sum, transfer(samples)), 50_000);
 * assertEquals(samples.length, 0);
 * ```
 */
export function transfer<T extends object>(value: T): T {
  if (!Object.isExtensible(value)) {
    throw new TypeError("Cannot give a value away: it is frozen; give away a copy of it");
  }
  Object.defineProperty(value, GIVEN_AWAY, { value: true, configurable: true });
  return value;
}

/**
 * Tells whether a value was given away.
 *
 * @returns Whether it was.
 */
export function isGivenAway(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.hasOwn(value, GIVEN_AWAY);
}

/** Takes what was given away: it is the listener's own, to be used as often as wanted. */
export function takeOver(value: unknown): void {
  // One that was frozen since stays marked.
  if (isGivenAway(value)) Reflect.deleteProperty(value, GIVEN_AWAY);
}

/**
 * Tells whether a call can be sent only once.
 *
 * @returns Whether one of them was given away.
 */
export function isTransferred(args: readonly unknown[]): boolean {
  for (let index = 0; index < args.length; index++) if (isGivenAway(args[index])) return true;
  return false;
}
