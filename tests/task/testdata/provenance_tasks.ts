import { annotate, cacheScope, task } from "@quiver/quiver";

/** Says twice what has come out, the second time more. */
export const fit = task(import.meta, async function fit(rate: number): Promise<number> {
  annotate({ loss: 1, steps: 1 });
  await Promise.resolve();
  annotate({ loss: 1 / rate, fitted: { rate: [rate] } });
  return rate;
});

/** Makes two calls, one of them twice, and says something of itself before and after. */
export const study = task(import.meta, async function study(rate: number): Promise<number> {
  annotate({ phase: "begun" });
  const fits = await Promise.all([fit(rate), fit(rate + 1), fit(rate)]);
  annotate({ fits: fits.length });
  return fits.length;
});

/** Makes a call beneath one that is not remembered, which says something of nobody. */
export const around = task(import.meta, async function around(rate: number): Promise<number> {
  return await cacheScope({ cache: undefined }, () => between(rate));
});

const between = task(import.meta, async function between(rate: number): Promise<number> {
  annotate({ lost: true });
  return await fit(rate);
});

/** Says something, and fails. */
export const failing = task(import.meta, function failing(): never {
  annotate({ phase: "begun" });
  throw new RangeError("as it must");
});

/** A collector that looks before and after the body. */
export const power = task(import.meta, function power(call: { task: string }) {
  let watts = 1;
  queueMicrotask(() => watts = 7);
  return () => ({ watts, of: call.task });
});
