// Tasks of tests that ask why workers have ended.
import { task } from "@quiver/quiver";

export const pass = task(import.meta, <T>(value: T): T => value, { name: "pass" });

/** A `retire` that wants each worker replaced. */
export const retireAlways = task(import.meta, (): boolean => true, { name: "retireAlways" });

/** Leaves memory behind. */
const held: Uint8Array[] = [];
export const hold = task(
  import.meta,
  (bytes: number): number => held.push(new Uint8Array(bytes).fill(1)),
  { name: "hold" },
);

/** Ends its worker, in whatever way the worker has. */
export const exit = task(
  import.meta,
  (): Promise<never> => {
    // A web worker's global scope has it, too.
    self.close();
    Deno.exit(3);
  },
  { name: "exit" },
);

/** Never ends, and says that it has begun. */
export const hang = task(
  import.meta,
  (path: string): Promise<never> => {
    Deno.writeTextFileSync(`${path}/${crypto.randomUUID()}`, "");
    return new Promise(() => {});
  },
  { name: "hang" },
);

/** Errors that nobody catches. */
const UNCAUGHT: { readonly [how: string]: () => unknown } = {
  timer: () =>
    setTimeout(() => {
      throw new RangeError("thrown in a timer");
    }),
  promise: () => void Promise.reject(new TypeError("rejected unheard")),
  text: () => void Promise.reject("only a text"),
  unreadable: () => void Promise.reject({ toString: 1 }),
  long: () => void Promise.reject(new Error("x".repeat(100_000))),
};

/** Says something on standard error, and dies of an error that nobody catches. */
export const dieOf = task(
  import.meta,
  (how: string, words: string): Promise<never> => {
    console.error(words);
    UNCAUGHT[how]?.();
    return new Promise(() => {});
  },
  { name: "dieOf" },
);

/** Says something, and has its process killed. */
export const dieBy = task(
  import.meta,
  (signal: Deno.Signal, words: string): Promise<never> => {
    console.error(words);
    Deno.kill(Deno.pid, signal);
    return new Promise(() => {});
  },
  { name: "dieBy" },
);
