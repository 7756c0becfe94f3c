import { method, task } from "@quiver/quiver";
import { digestSymbol, registerClass } from "@quiver/quiver/caches";

/** A lattice whose state nobody sees. */
export class Lattice {
  readonly #spins: Int8Array;
  constructor(spins: Int8Array) {
    this.#spins = spins;
  }
  static of(...spins: number[]): Lattice {
    return new Lattice(Int8Array.from(spins));
  }
  magnetisation(field: number, unit = 1): number {
    return this.#sum() * field * unit;
  }
  flipped(): Lattice {
    return new Lattice(this.#spins.map((spin) => -spin));
  }
  #sum(): number {
    return this.#spins.reduce((sum, spin) => sum + spin, 0);
  }
  get spins(): Int8Array {
    return this.#spins;
  }
}
registerClass(Lattice, {
  name: "lattice",
  toData: ({ spins }) => spins,
  fromData: (spins) => new Lattice(spins),
});

/** Has the methods of another one. */
export class Chain extends Lattice {}
registerClass(Chain, {
  name: "chain",
  toData: ({ spins }) => spins,
  fromData: (spins) => new Chain(spins),
});

/** Counts by its digest alone. */
export class Local {
  constructor(readonly n: number) {}
  [digestSymbol](): number {
    return this.n;
  }
  twice(): number {
    return 2 * this.n;
  }
}

export const magnetisation = task(import.meta, method(Lattice, "magnetisation"), { version: 1 });
export const flipped = task(import.meta, method(Lattice, "flipped"));
export const ofChain = task(import.meta, method(Chain, "magnetisation"), { name: "ofChain" });
export const twice = task(import.meta, method(Local, "twice"));
export const scaled = task(
  import.meta,
  method(function (this: { n: number }, by: number): number {
    return this.n * by;
  }),
  { name: "scaled", ignore: ["by"] },
);

/** Uses what a task does not have. */
export const careless = task(import.meta, function careless(this: unknown): unknown {
  return this === undefined ? "silently" : this;
});

/** Uses it in a function that has it. */
export const careful = task(import.meta, function careful(n: number): number {
  class Inner {
    n = n;
    get(): number {
      return [1].map(() => this.n)[0] ?? 0;
    }
  }
  return new Inner().get();
});
