// Tasks that take a while, so that they end while their caller is busy.
import { currentSignal, reportProgress, task } from "@quiver/quiver";

/** Says that it runs, and ends a little later. */
export const rest = task(import.meta, async function rest(time: number): Promise<string> {
  reportProgress("running");
  await new Promise((resolve) => setTimeout(resolve, time));
  return "rested";
});

/** The same, without a moment in which a message could be read. */
export const work = task(import.meta, function work(time: number): string {
  reportProgress("running");
  const begun = performance.now();
  while (performance.now() - begun < time);
  return "worked";
});

/** Ends when it is told to. */
export const obey = task(import.meta, async function obey(): Promise<string> {
  const signal = currentSignal();
  reportProgress("running");
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  return "obeyed";
});

/** Leaves a trace of each run in a folder. */
export const traced = task(
  import.meta,
  async function traced(folder: string, time: number): Promise<string> {
    reportProgress("running");
    Deno.writeTextFileSync(`${folder}/${crypto.randomUUID()}.run`, "");
    await new Promise((resolve) => setTimeout(resolve, time));
    return "traced";
  },
  { ignore: ["folder"] },
);

/** Each worker imports this module once. */
const me = crypto.randomUUID();

export const whoAmI = task(import.meta, function whoAmI(): string {
  return me;
});

/** Gives a large result, a moment after it has begun. */
export const giveLarge = task(
  import.meta,
  async function giveLarge(length: number): Promise<Float64Array> {
    reportProgress("running");
    await new Promise((resolve) => setTimeout(resolve, 50));
    return new Float64Array(length);
  },
);
