// Tasks that end their worker, or try hard to, in all the ways there are.
import process from "node:process";
import { currentSignal, reportProgress, task } from "@quiver/quiver";

/** Of each worker's own. */
const IDENTITY = crypto.randomUUID();

export const identify = task(import.meta, function identify(): string {
  return IDENTITY;
});

export const double = task(import.meta, function double(x: number): number {
  return 2 * x;
});

/** Ways to die while a call runs. */
export type Death =
  | "closes"
  | "exits with 0"
  | "exits with 3"
  | "exits in a microtask"
  | "exits while its result is encoded"
  | "throws in a timer"
  | "rejects a promise that nobody awaits"
  | "kills its own process";

const DEATHS: { readonly [how in Death]: () => unknown } = {
  "closes": () => self.close(),
  "exits with 0": () => Deno.exit(0),
  "exits with 3": () => Deno.exit(3),
  "exits in a microtask": () => queueMicrotask(() => Deno.exit(5)),
  "exits while its result is encoded": () => ({
    get value(): never {
      return Deno.exit(4);
    },
  }),
  "throws in a timer": () => {
    setTimeout(() => {
      throw new Error("thrown in a timer");
    });
  },
  "rejects a promise that nobody awaits": () => {
    void Promise.reject(new Error("rejected unheard"));
  },
  "kills its own process": () => process.kill(process.pid, "SIGKILL"),
};

export const die = task(import.meta, async function die(how: Death): Promise<unknown> {
  const value = DEATHS[how]();
  if (how === "exits while its result is encoded") return value;
  return await new Promise(() => {});
});

/** Takes memory until there is none. */
export const exhaustMemory = task(import.meta, function exhaustMemory(): never {
  const hoard: unknown[] = [];
  for (;;) hoard.push(Array.from({ length: 1000 }, (_, n) => ({ n })));
});

export const overflowStack = task(import.meta, function overflowStack(): number {
  const descend = (depth: number): number => 1 + descend(depth + 1);
  return descend(0);
});

/** Loops until a word of memory is set, which for a process is never. */
export const spin = task(import.meta, function spin(memory: SharedArrayBuffer | undefined): void {
  reportProgress("running");
  const words = memory === undefined ? undefined : new Int32Array(memory);
  while (words === undefined || Atomics.load(words, 0) === 0);
});

/** Neither ends nor looks at its signal. */
export const hang = task(import.meta, async function hang(): Promise<void> {
  reportProgress("running");
  await new Promise(() => {});
});

/** Ends when its signal tells it to. */
export const untilAborted = task(import.meta, async function untilAborted(): Promise<void> {
  const signal = currentSignal();
  reportProgress("running");
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
});

export const fail = task(import.meta, function fail(message: string): never {
  throw new RangeError(message);
});

export const echo = task(import.meta, function echo(value: unknown): unknown {
  return value;
});

export const giveFunction = task(import.meta, function giveFunction(): unknown {
  return [() => 1];
});

/** Ends its worker while a large result is on its way. */
export const giveAndExit = task(import.meta, function giveAndExit(length: number): Float64Array {
  setTimeout(() => Deno.exit(3));
  return new Float64Array(length).fill(0.5);
});
