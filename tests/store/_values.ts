/** Values of every kind that stores keep, small and large enough to be parts of their own. */
export function createValues(): [name: string, value: unknown][] {
  const cyclic: Record<string, unknown> = { name: "cyclic" };
  cyclic.self = cyclic;
  const error = new RangeError("too far", { cause: new TypeError("why") });
  const numbers = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array]
    .concat([Uint32Array, Float16Array, Float32Array, Float64Array] as never[]);
  const bigs = [BigInt64Array, BigUint64Array];
  return [
    ["undefined", undefined],
    ["null", null],
    ["-0", -0],
    ["NaN", NaN],
    ["a bigint", -(2n ** 70n)],
    ["an empty text", ""],
    ["a text", `é😀\0\ufeff${String.fromCharCode(0xd800)}`],
    ["a long text", "é".repeat(100_000)],
    ["an object with undefined", { a: undefined, b: [undefined, , 1] }],
    ["a Map and a Set", new Map<unknown, unknown>([[{ k: 1 }, new Set([1, "1"])]])],
    ["a Date and a RegExp", [new Date(1), /a.b/giu]],
    ["an Error", error],
    ["a cycle", cyclic],
    ["an empty array", new Uint8Array(0)],
    ["an empty buffer", new ArrayBuffer(0)],
    ["a buffer", new ArrayBuffer(10)],
    ["a large buffer", Uint8Array.from({ length: 9000 }, (_, i) => i).buffer],
    ["a DataView", new DataView(new ArrayBuffer(5000))],
    ...numbers.flatMap((Class): [string, unknown][] => [
      [`a ${Class.name}`, Class.from([1, 2, 3])],
      [`a large ${Class.name}`, new Class(5000).fill(7)],
    ]),
    ...bigs.map((Class): [string, unknown] => [`a ${Class.name}`, new Class(2000).fill(7n)]),
  ];
}
