/** Waits until all cases that are under way have come so far. */
export type Meet = (then?: () => void) => Promise<void>;

/**
 * Runs cases at the same time, of which each would mostly wait.
 *
 * @param cases Each by its name. What it is given resolves once all that have not ended have called it;
 * the last of them does what it brings, first.
 * @throws {Error} One of the cases failed: their names, and why.
 */
export async function together(
  cases: { readonly [name: string]: (meet: Meet) => Promise<void> },
): Promise<void> {
  let underWay = Object.keys(cases).length;
  let met = Promise.withResolvers<void>();
  const thens: (() => void)[] = [];
  const goOn = () => {
    if (thens.length < underWay) return;
    thens.pop()?.();
    thens.length = 0;
    met.resolve();
    met = Promise.withResolvers();
  };
  const meet: Meet = (then = () => {}) => {
    const { promise } = met;
    thens.push(then);
    goOn();
    return promise;
  };
  const failures: Error[] = [];
  await Promise.all(
    Object.entries(cases).map(async ([name, run]) => {
      try {
        await run(meet);
      } catch (cause) {
        failures.push(
          new Error(`${name}: ${cause instanceof Error ? cause.message : cause}`, { cause }),
        );
      }
      underWay--;
      goOn();
    }),
  );
  const [failure] = failures;
  if (failure !== undefined && failures.length === 1) throw failure;
  if (failures.length > 1) {
    throw new AggregateError(failures, failures.map(({ message }) => message).join("\n"));
  }
}

/**
 * Reads no message and fires no timer for a while, as a program does that computes.
 *
 * @param time How long, in milliseconds.
 */
export function beBusy(time: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, time);
}
