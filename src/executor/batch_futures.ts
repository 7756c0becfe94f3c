import { Future } from "../task/future.ts";
import { collectFutures } from "./_wait_limits.ts";

/**
 * Groups futures by the order in which they are done.
 *
 * @typeParam T What a future gives.
 * @param futures The futures.
 * @param size How many make a group.
 * @returns The groups.
 * @throws {RangeError} When the size is none.
 */
export function batchFutures<T>(futures: Iterable<PromiseLike<T>>, size: number): Future<T[]>[] {
  if (!Number.isInteger(size) || size < 1) {
    throw new RangeError(
      `Cannot batch futures as \`size\` must be a positive integer: ${String(size)}`,
    );
  }
  const members = collectFutures(futures, "batch futures");
  const groups = Array.from(
    { length: Math.ceil(members.size / size) },
    () => Promise.withResolvers<T[]>(),
  );
  const values: T[] = [];
  const failures: unknown[] = [];
  let pending = members.size;
  let next = 0;
  const settle = () => {
    pending--;
    if (values.length === size) groups[next++]?.resolve(values.splice(0));
    if (pending > 0) return;
    for (const group of groups.slice(next)) {
      const failed = failures.splice(0, size - values.length);
      if (failed.length > 0) group.reject(failed[0]);
      else group.resolve([...values]);
      values.length = 0;
    }
  };
  for (const member of members) {
    member.then((value) => {
      values.push(value);
      settle();
    }, (reason) => {
      failures.push(reason);
      settle();
    });
  }
  return groups.map(({ promise }, index) => new Future(`batch ${index + 1}`, () => promise));
}
