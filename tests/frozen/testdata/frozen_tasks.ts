// Tasks for the tests of frozen calls: pure functions of their arguments.
import { currentSignal, task, transfer } from "@quiver/quiver";
import { digestSymbol } from "@quiver/quiver/caches";

export interface Box {
  n: number;
}

export const read = task(import.meta, function read(box: Box): number {
  return box.n;
});

/** Looks at its argument in a later turn. */
export const readLater = task(import.meta, async function readLater(box: Box): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve));
  return box.n;
});

export const sum = task(import.meta, function sum(numbers: Float64Array, _id: number): number {
  return numbers.reduce((a, b) => a + b, 0);
});

/** Holds its worker until somebody writes to the first element. */
export const hold = task(import.meta, function hold(gate: Int32Array): void {
  Atomics.wait(gate, 0, 0);
});

/** Waits until a file is there. */
export const untilFile = task(import.meta, async function untilFile(path: string): Promise<void> {
  while (!(await Deno.stat(path).then(() => true, () => false))) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
});

export const symbols = task(import.meta, function symbols(value: object): number {
  return Object.getOwnPropertySymbols(value).length;
});

/** Changes what it got. */
export const drain = task(import.meta, function drain(list: number[]): number {
  return list.splice(0).length;
});

/** Changes what it got when it is large. */
export const increment = task(import.meta, function increment(numbers: Float64Array): number {
  for (let i = 0; i < numbers.length; i++) numbers[i] = (numbers[i] ?? 0) + 1;
  return numbers[0] ?? 0;
});

/** Returns something that its module changes as soon as anybody else runs. */
export const leak = task(import.meta, async function leak(n: number): Promise<Box> {
  await Promise.resolve();
  const box = { n };
  Promise.resolve().then(() => Promise.resolve()).then(() => box.n = -1);
  return box;
});

const FLEETING = { n: 0 };

/** Returns the same object each time. */
export const reuse = task(import.meta, function reuse(n: number): Box {
  FLEETING.n = n;
  return FLEETING;
});

export class Grid {
  size: number;
  constructor(size: number) {
    this.size = size;
  }
  [digestSymbol](): number {
    return this.size;
  }
  area(): number {
    return this.size ** 2;
  }
}

export const area = task(import.meta, function area(grid: Grid): number {
  return typeof grid.area === "function" ? grid.area() : -1;
});

export const makeGrid = task(import.meta, function makeGrid(size: number): Grid {
  return new Grid(size);
});

export const count = task(import.meta, function count(..._numbers: unknown[]): number {
  return arguments.length;
});

export const length = task(import.meta, function length(...numbers: unknown[]): number {
  return numbers.length;
});

export const pair = task(import.meta, function pair(a?: number, b = 2): string {
  return `${a} ${b}`;
});

export const receiver = task(import.meta, function receiver(this: unknown, _n: number): string {
  return String(this);
});

export const shared = task(import.meta, function shared(numbers: Int32Array): number {
  return numbers.reduce((a, b) => a + b, 0);
});

/** Lets others write to the memory that it shares with them. */
export const sharedLater = task(
  import.meta,
  function sharedLater(numbers: Int32Array, gate: Int32Array): number {
    const before = numbers[0] ?? 0;
    Atomics.store(gate, 0, 1);
    Atomics.notify(gate, 0);
    Atomics.wait(gate, 0, 1);
    return before + (numbers[1] ?? 0);
  },
  { ignore: ["gate"] },
);

/** Counts until it is told to stop, and gives what it has. */
export const counting = task(
  import.meta,
  async function counting(limit: number, folder: string): Promise<number> {
    const signal = currentSignal();
    let n = 0;
    for (; n < limit && !signal.aborted; n++) {
      if (n === 3) await Deno.writeTextFile(`${folder}/started`, "");
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Deno.writeTextFile(`${folder}/ended-${crypto.randomUUID()}`, "");
    return n;
  },
  { ignore: ["folder"] },
);

/** Has another count, and adds one. */
export const countingTwice = task(
  import.meta,
  async function countingTwice(limit: number, folder: string): Promise<number> {
    return await counting(limit, folder) + 1;
  },
  { ignore: ["folder"] },
);

/** Counts, and throws the reason when it is told to stop. */
export const countingStrictly = task(
  import.meta,
  async function countingStrictly(limit: number, folder: string): Promise<number> {
    const signal = currentSignal();
    for (let n = 0; n < limit; n++) {
      signal.throwIfAborted();
      if (n === 3) await Deno.writeTextFile(`${folder}/started`, "");
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return limit;
  },
  { ignore: ["folder"] },
);

/** Has another count, and adds what it is told. */
export const countingPlus = task(
  import.meta,
  async function countingPlus(limit: number, more: number, folder: string): Promise<number> {
    return await countingStrictly(limit, folder) + more;
  },
  { ignore: ["folder"] },
);

/** Never asks whether it is to stop; ends when it is let. */
export const deaf = task(
  import.meta,
  async function deaf(n: number, folder: string): Promise<number> {
    await Deno.writeTextFile(`${folder}/started`, "");
    while (!(await Deno.stat(`${folder}/go`).then(() => true, () => false))) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Deno.writeTextFile(`${folder}/ended-${crypto.randomUUID()}`, "");
    return n;
  },
  { ignore: ["folder"] },
);

export const first = task(
  import.meta,
  function first(box: { value: unknown }, _log: unknown): unknown {
    return box.value;
  },
  { ignore: ["_log"] },
);

/** Gives its result away. */
export const give = task(import.meta, function give(n: number): Float64Array {
  return transfer(new Float64Array(40_000).fill(n));
});

export const lengthOf = task(import.meta, function lengthOf(list: readonly unknown[]): number {
  return list.length;
});

export const keysOf = task(import.meta, function keysOf(value: object): string {
  return Object.keys(value).join();
});

/** Tells whether what it writes to one of its arguments appears in the other. */
export const overlap = task(
  import.meta,
  function overlap(one: { first: Uint8Array }, other: Uint8Array): string {
    const bytes = new Uint8Array(other.buffer).length;
    one.first[0] = 77;
    return `${one.first.length} ${other[0]} ${bytes}`;
  },
);

const BUFFER = new Float64Array(40_000);

/** Returns the same buffer each time. */
export const refill = task(import.meta, function refill(n: number): Float64Array {
  return BUFFER.fill(n);
});

/** Returns something that is another each time it is read. */
export const ticking = task(import.meta, function ticking(n: number): Readonly<Box> {
  let reads = n;
  return {
    get n(): number {
      return reads++;
    },
  };
});

export const box = task(import.meta, function box(n: number): Box {
  return { n };
});

export const firstOfBig = task(
  import.meta,
  function firstOfBig({ big }: { readonly big: Float64Array; readonly n: number }): number {
    return big[0] ?? 0;
  },
);
