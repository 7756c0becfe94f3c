/**
 * What the code of a call can ask and say while it runs.
 *
 * @module
 */
import { currentScope } from "./current_scope.ts";

/**
 * The signal of the call that runs here: aborted when the call is to end, because its future or the
 * caller's own signal was aborted, its deadline has passed, or the executor was terminated. It is up
 * to the task to look at it, or to pass it on.
 *
 * Code that never awaits hears no events, and still sees `aborted` become `true` wherever memory is
 * shared, which is in `"web"` workers. The reason itself comes as a message: whoever reads `aborted`
 * before that is read finds an `AbortError` in its place.
 *
 * @returns The signal; outside of a call, one that never aborts.
 *
 * @example End early
 * ```ts
 * import { currentSignal, task } from "@quiver/quiver";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * let reason: unknown;
 * const wait = task(import.meta, async () => {
 *   const signal = currentSignal();
 *   await new Promise((resolve) => signal.addEventListener("abort", resolve));
 *   reason = signal.reason;
 * }, { name: "wait" });
 *
 * const future = wait();
 * future.abort("changed my mind");
 * await assertRejects(async () => await future);
 * assertEquals(reason, "changed my mind");
 * ```
 */
export function currentSignal(): AbortSignal {
  return currentScope().control?.signal ?? new AbortController().signal;
}

/**
 * Says how far the call is that runs here; its future's `progress` shows it, and so does the bar of
 * `map`. Of many reports the latest arrives. Outside of a call this does nothing.
 *
 * @param progress How much is done, from 0 to 1, or what is being done.
 * @throws {RangeError} When the number is not from 0 to 1.
 * @throws {TypeError} When it is neither a number nor a text.
 *
 * @example Say how far a call is
 * ```ts
 * import { report, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const load = task(import.meta, async (parts: number) => {
 *   report("loading");
 *   for (let part = 1; part <= parts; part++) {
 *     await Promise.resolve();
 *     report(part / parts);
 *   }
 * }, { name: "load" });
 *
 * const future = load(3);
 * await future;
 * assertEquals(future.progress.latest, { message: "loading", fraction: 1 });
 * ```
 */
export function report(progress: number | string): void {
  if (typeof progress === "string") return currentScope().control?.report({ message: progress });
  if (typeof progress !== "number") {
    throw new TypeError(
      `Cannot report progress: it is a number from 0 to 1 or a text, not ${typeof progress}`,
    );
  }
  if (!(progress >= 0 && progress <= 1)) {
    throw new RangeError(`Cannot report progress as it must be from 0 to 1: ${progress}`);
  }
  currentScope().control?.report({ fraction: progress });
}
