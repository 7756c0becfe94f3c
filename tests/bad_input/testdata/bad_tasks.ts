// Tasks that end badly, and values that are bad arguments and results.
import { task } from "@quiver/quiver";

class Solver {
  steps = 7;
}

/** Makes a value that cannot travel, or not as what it is. */
export function create(kind: string): unknown {
  if (kind === "function") return { deep: [() => 1] };
  if (kind === "symbol") return [Symbol("s")];
  if (kind === "weak") return { weak: new WeakMap() };
  if (kind === "nested promise") return new Map([["p", Promise.resolve(1)]]);
  if (kind === "instance") return { solver: new Solver() };
  return {
    get broken(): never {
      throw new RangeError("thrown by a getter");
    },
  };
}

export const take = task(import.meta, function take(_value: unknown): string {
  return "taken";
});

export const make = task(import.meta, create, { name: "make" });

export const die = task(import.meta, async function die(how: string): Promise<void> {
  if (how === "exit") Deno.exit(0);
  if (how === "close") self.close();
  if (how === "timer") {
    setTimeout(() => {
      throw new Error("in a timer");
    });
  }
  if (how === "promise") void Promise.reject(new Error("in a promise"));
  await new Promise(() => {});
});

export const gone = task(new URL("./gone.ts", import.meta.url).href, () => 1, { name: "gone" });

export const hidden = task(new URL("./tasks.ts", import.meta.url).href, () => 1, {
  name: "hidden",
});
