// Functions of many shapes in TypeScript, and what their keys are where this is imported.
import { task } from "@quiver/quiver";
import { shapes as plain } from "./code_shapes.js";

enum Colour {
  Red = 1,
  Blue,
}

class Counter {
  static #step = 1;
  #at: number;
  constructor(at: number) {
    this.#at = at;
  }
  static has(value: object): boolean {
    return #at in value;
  }
  static static(n: number): number {
    return n + Counter.#step;
  }
  static field = <T>(n: T): T => n;
  get(n: number): number {
    return this.#at + n;
  }
}

const typed: { readonly [name: string]: (n: number) => unknown } = {
  generic: <T extends number>(n: T): T => n satisfies number,
  async method(n: number): Promise<number> {
    return await Promise.resolve(n as number);
  },
  ["comp" + "uted"](n: number): number {
    return n;
  },
  "quoted name": function (n: number, ..._rest: string[]): number {
    return n!;
  },
  useEnum: (n: number) => n === Colour.Red ? Colour.Blue : Colour[n],
  innerClass: (n: number) => {
    class Inner {
      constructor(private readonly value: number) {}
      get double(): number {
        return 2 * this.value;
      }
    }
    return new Inner(n).double;
  },
  using: (n: number) => {
    using _held = { [Symbol.dispose]() {} };
    return n;
  },
  defaults: (n: number, text = "a", negative = -1, big = -1n) => [n, text, negative, big],
  pattern: (n: number) =>
    /[\p{L}--[a-z]]/v.test(`a ${n}
    b`),
  meta: (n: number) => import.meta.url.length + n,
  static: Counter.static,
  field: Counter.field,
  get: Counter.prototype.get,
};

const tasks = [...Object.entries(typed), ...Object.entries(plain)].map(([name, fn]) =>
  task(import.meta, fn, { name })
);

/** Gives the key of a call of each. */
export const keys = task(import.meta, async function keys(): Promise<readonly string[]> {
  return await Promise.all(tasks.map((each) => each.digest(1)));
});
