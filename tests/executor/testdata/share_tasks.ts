import { Executor, task } from "@quiver/quiver";
import { registerClass } from "@quiver/quiver/caches";

/** What tests share: a large array beside data of other kinds. */
export interface Sample {
  readonly data: Float64Array;
  readonly names: Map<string, number>;
  readonly nested: { readonly list: number[] };
}

export const at = task(import.meta, function at(data: Float64Array, index: number): number {
  return data[index] ?? NaN;
});

export const describe = task(import.meta, function describe(sample: Sample, index: number) {
  return [
    sample.data.buffer.constructor.name,
    sample.names.get("k"),
    sample.nested.list,
    sample.data[index],
  ];
});

/** Tells whether what it got is what the call before got. */
let last: unknown;
export const sameAsLast = task(import.meta, function sameAsLast(data: unknown, _: number) {
  const same = data === last;
  last = data;
  return same;
});

export const back = task(import.meta, function back(data: Float64Array, count: number) {
  return count === 0 ? data : data.subarray(0, count);
});

export const pick = task(import.meta, function pick(item: { data: Float64Array; at: number }) {
  return item.data[item.at];
});

export const count = task(import.meta, function count(list: number[]): number {
  return list.length;
});

export const write = task(import.meta, function write(data: Float64Array, index: number): number {
  data[index] = -1;
  return index;
});

export const refused = task(import.meta, function refused(data: Float64Array, list: number[]) {
  const tries = [() => data.fill(0), () => data.sort(), () => data.set([1]), () => list.push(1)];
  return tries.map((one) => {
    try {
      one();
      return "";
    } catch (error) {
      return error instanceof TypeError ? error.message.slice(0, 10) : String(error);
    }
  });
});

export const die = task(import.meta, function die(data: Float64Array): never {
  Deno.exit(data.length > 0 ? 3 : 0);
});

export const passOn = task(import.meta, async function passOn(data: Float64Array, index: number) {
  await using executor = new Executor({ maxWorkers: 1, workerType: "inline" });
  const part = executor.submit(at, data.subarray(1), index);
  return [await at(data, index), await executor.submit(at, data, index), await part];
});

export function makeArray(length: number): Float64Array {
  return Float64Array.from({ length }, (_, index) => index / 2);
}

export const make = task(import.meta, function make(length: number): Float64Array {
  return makeArray(length);
});

/** An instance that holds a large array. */
export class Wave {
  constructor(readonly data: Float64Array) {}
}
registerClass(Wave, {
  name: "wave",
  toData: ({ data }) => data,
  fromData: (data: Float64Array) => new Wave(data),
});

export const backWave = task(import.meta, function backWave(wave: Wave): Wave {
  return wave;
});

export const writeWave = task(import.meta, function writeWave(wave: Wave): number {
  wave.data[0] = -1;
  return 1;
});
