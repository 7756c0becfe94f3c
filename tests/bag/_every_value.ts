import { shapeSymbol } from "../../src/value/symbols.ts";
import { Crate, Sealed, toTemporal } from "../value/arbitrary_value.ts";

/** Numbers without a pattern: nothing that gzip makes shorter. */
function createNoise(length: number): Uint8Array<ArrayBuffer> {
  let state = length;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223 | 0;
    return state >>> 24;
  });
}

type ArrayClass = new (buffer: ArrayBuffer) => object;

const ARRAY_CLASSES: readonly ArrayClass[] = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float16Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
];

/** One array, view and buffer of each kind. */
function createArrays(length: number): object[] {
  const shared = new SharedArrayBuffer(length);
  new Uint8Array(shared).set(createNoise(length));
  const arrays = ARRAY_CLASSES.map((Class) => new Class(createNoise(length).buffer));
  return [...arrays, createNoise(length).buffer, shared];
}

function createErrors(): unknown[] {
  class ModelError extends RangeError {
    readonly step = 3;
  }
  const odd = Object.assign(new Error(), { code: "E_ODD", "\ud800": 1 });
  odd.stack = "a stack";
  const bare = new TypeError("no stack");
  delete bare.stack;
  return [
    new ModelError("diverged", { cause: odd }),
    new AggregateError([odd, 1], "several", { cause: undefined }),
    new SuppressedError(odd, bare, "both"),
    new DOMException("gone", "AbortError"),
    new Deno.errors.NotFound("no such file"),
    bare,
  ];
}

function createCircle(): unknown {
  const shared = { name: "shared", 1: "first" };
  const circle: Record<string, unknown> = { one: shared, other: shared, list: [shared] };
  circle["self"] = circle;
  return Object.assign(circle, { map: new Map<unknown, unknown>([[circle, shared], [NaN, -0]]) });
}

function createSparse(): unknown {
  const sparse: unknown[] = [];
  sparse[3] = undefined;
  sparse[5] = "five";
  sparse.length = 9;
  return Object.assign(sparse, { named: sparse, "4294967295": "no index" });
}

function createLong(): unknown {
  const long: unknown[] = [];
  long[2 ** 32 - 3] = "last but one";
  long.length = 2 ** 32 - 1;
  return long;
}

function createDeep(levels: number): unknown {
  let deep: unknown = "bottom";
  for (let level = 0; level < levels; level++) deep = level % 2 === 0 ? [deep] : { deep };
  return deep;
}

function createImage(): unknown {
  const pixels = createNoise(3 * 100_000);
  return { name: "image", pixels, [shapeSymbol]: { pixels: [3, 100_000] } };
}

/** Arrays that a compressed bag divides into chunks in different ways. */
function createShaped(): unknown[] {
  const ramp = (length: number) => Float64Array.from({ length }, (_, i) => i % 97);
  return [
    { data: ramp(40 * 1001), shape: [40, 1001] },
    { data: ramp(3 * 50_000), shape: [3, 1, 50_000] },
    { data: Int16Array.from(ramp(200_000)), shape: [200_000, 1] },
    { data: new Uint8Array(20 * 30 * 40).fill(7), shape: [20, 30, 40] },
    { data: ramp(6), shape: [2, 3] },
    createImage(),
    ramp(100_003),
    createNoise(300_001),
  ];
}

/** Instances of registered classes: shared, in a circle, with an array, and one that is all there is. */
function createInstances(): unknown[] {
  const [ring, matrix] = [new Crate(), new Crate()];
  ring.content = { ring, back: [ring, new Sealed(ring)] };
  matrix.content = { data: Float64Array.from({ length: 600 }, (_, i) => i), shape: [20, 30] };
  return [new Sealed("ö\ud800"), { matrix, again: [matrix] }, ring];
}

const LARGE = new Float32Array(createNoise(4096).buffer);
const EQUAL = new Float32Array(LARGE);

const KEYED = JSON.parse('{ "__proto__": 1, "constructor": 2, "10": 3, "2": 4 }');

/** Values of every kind that a bag has, and of every node that a graph has. */
export const EVERY_VALUE: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  0,
  -0,
  NaN,
  Infinity,
  -1,
  23,
  -25,
  65_536,
  2 ** 32,
  -(2 ** 40),
  0.1,
  1n,
  -(2n ** 100n),
  "",
  "text \0 é 😀",
  "x".repeat(70_000),
  "\ud800 alone",
  "\ufeffmark",
  { plain: [1, "two", { three: null }], nothing: undefined, "é": [true, false], "": [] },
  { zero: -0, big: [1n, -1n], text: "\udc00" },
  Object.assign(Object.create(null), { b: 1, a: 2 }),
  new URL("https://me:pw@a.b:8080/c%20d?e=f#g"),
  { at: [new URL("data:,é")], query: new URLSearchParams([["b", "1 &="], ["a", "é"], ["b", ""]]) },
  KEYED,
  // By code units these are in another order than by code points.
  Object.fromEntries(
    ["\uffee", "😀", "\ud83d", "\ud800"].map((key) => [key, { "😀": 1, "\ue000": key }]),
  ),
  new Map<unknown, unknown>([["b", 1], ["a", new Map([["x", 2]])], [{ k: 1 }, 3]]),
  new Set<unknown>([3, "3", new Set([2, 1]), [2]]),
  new Date(0),
  new Date(NaN),
  /a.b\/\ud800/giu,
  [Object(1), Object("boxed"), Object(false), Object(-0), Object(5n)],
  [LARGE, LARGE, EQUAL, { again: LARGE }],
  createSparse(),
  createLong(),
  createCircle(),
  createDeep(150),
  createDeep(3000),
  ...createErrors(),
  ...createArrays(64),
  ...createArrays(8192),
  new Uint8Array(0),
  [new Uint8Array(0), new ArrayBuffer(3)],
  createArrays(40),
  createArrays(4104),
  ...createShaped(),
  ...createInstances(),
  ...toTemporal(1),
  toTemporal(1e12 + 2),
];
