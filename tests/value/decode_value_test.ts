// Contract: every value comes back as it was stored, and no bytes can do harm.
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { Encoder } from "cbor-x/encode";
import * as fc from "fast-check";
import { Buffer } from "node:buffer";
import { CancelledError } from "../../src/base/errors.ts";
import { decodeValue, MissingPartError } from "../../src/value/codec/decode_value.ts";
import { digestValue } from "../../src/value/digest/digest_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { type Payload, VALUE_KIND, type ValueKind } from "../../src/value/value.ts";
import { graph, primitive } from "./arbitrary_value.ts";
import { sameValue } from "./same_value.ts";

/** Stores a value and reads it back from bytes that nobody else has. */
function roundTrip(value: unknown): unknown {
  const encoded = encodeValue(value);
  const stored = new Map(encoded.parts.map((part) => [part.digest, own(part)]));
  return decodeValue(own(encoded), (digest) => stored.get(digest));
}

function own({ kind, bytes }: Payload): Payload {
  return { kind, bytes: bytes.slice() };
}

function toCbor(table: unknown): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Encoder({ useRecords: false, tagUint8Array: false }).encode(table));
}

function withProperty(object: object, key: string, value: unknown): object {
  return Object.defineProperty(object, key, { value, enumerable: true, configurable: true });
}

/** The cases on which other encoders were compared, class instances left out. */
function fidelityCases(): [name: string, value: unknown][] {
  const hole: unknown[] = [1];
  hole[2] = 3;
  const cyclic: Record<string, unknown> = { a: 1 };
  cyclic.self = cyclic;
  const shared = { x: 1 };
  let deep: unknown = {};
  for (let i = 0; i < 2000; i++) deep = { deep };
  const backed = new Float64Array(new SharedArrayBuffer(8));
  return [
    ["undefined", undefined],
    ["{a: undefined}", { a: undefined }],
    ["[1, undefined, 3]", [1, undefined, 3]],
    ["hole", hole],
    ["null", null],
    ["-0", -0],
    ["NaN", NaN],
    ["Infinity", Infinity],
    ["2^53-1", 2 ** 53 - 1],
    ["2^53+2", 2 ** 53 + 2],
    ["-2^40", -(2 ** 40)],
    ["1e21", 1e21],
    ["0.1+0.2", 0.1 + 0.2],
    ["5e-324", 5e-324],
    ["1n", 1n],
    ["2n**63n", 2n ** 63n],
    ["-(2n**63n)", -(2n ** 63n)],
    ["2n**64n", 2n ** 64n],
    ["2n**100n", 2n ** 100n],
    ["lone surrogate", "\ud800"],
    ["é😀\\0", "é😀\0"],
    ["64 kB string", "x".repeat(65_536)],
    ["200 kB string", "é".repeat(100_000)],
    ["Date", new Date(1234567890123)],
    ["Date before 1970", new Date(-1234567890123)],
    ["Invalid Date", new Date(NaN)],
    ["Date year 275760", new Date(8.64e15)],
    ["RegExp", /a.b/giu],
    ["Map of strings", new Map([["a", 1]])],
    ["Map of objects", new Map<unknown, unknown>([[{ k: 1 }, 2], [3, "x"]])],
    ["Map inside", { m: new Map([["a", 1]]) }],
    ["empty Map", new Map()],
    ["Set", new Set([1, "a", { b: 1 }])],
    ["numeric keys", { 1: "a" }],
    ["own __proto__", withProperty({ a: 2 }, "__proto__", { polluted: true })],
    ["null prototype", Object.assign(Object.create(null), { a: 1 })],
    ["Uint8Array", Uint8Array.of(1, 2)],
    ["Uint8ClampedArray", Uint8ClampedArray.of(1, 2)],
    ["Int8Array", Int8Array.of(-1, 2)],
    ["Uint16Array", Uint16Array.of(1, 2)],
    ["Int16Array", Int16Array.of(-1, 2)],
    ["Uint32Array", Uint32Array.of(1, 2)],
    ["Int32Array", Int32Array.of(-1, 2)],
    ["Float32Array", Float32Array.of(1.5, 2)],
    ["Float64Array", Float64Array.of(1.5, 2)],
    ["BigInt64Array", BigInt64Array.of(-1n, 2n)],
    ["BigUint64Array", BigUint64Array.of(1n, 2n)],
    ["Float16Array", Float16Array.of(1.5, 2, 3)],
    ["ArrayBuffer", Uint8Array.of(1, 2).buffer],
    ["DataView", new DataView(Uint8Array.of(1, 2, 3).buffer, 1, 2)],
    ["subarray", Uint8Array.of(9, 1, 2, 9).subarray(1, 3)],
    ["Float64Array NaN, -0", Float64Array.of(NaN, -0)],
    ["view on shared memory", backed],
    ["Error", new Error("x")],
    ["TypeError", new TypeError("x")],
    ["cause", new Error("x", { cause: new RangeError("y") })],
    ["cause undefined", new Error("x", { cause: undefined })],
    ["code", Object.assign(new Error("x"), { code: 7 })],
    ["AggregateError", new AggregateError([1, new Error("y")], "x")],
    ["DOMException", new DOMException("x", "AbortError")],
    ["cyclic", cyclic],
    ["shared", [shared, shared]],
    ["boxed number", new Number(3)],
    ["boxed string", new String("\ud800")],
    ["boxed -0", new Number(-0)],
    ["boxed bigint", Object(5n)],
    ["boxed boolean", new Boolean(false)],
    ["deep", deep],
    ["resizable buffer", new ArrayBuffer(4, { maxByteLength: 8 })],
    ["shared buffer", new SharedArrayBuffer(4)],
  ];
}

// fleche 54
Deno.test("decodeValue() gives every type back, at the top and inside", () => {
  for (const [name, value] of fidelityCases()) {
    for (const given of [value, [value], { value }, new Map([["k", value]])]) {
      if (name === "deep" && given !== value) continue;
      const back = roundTrip(given);
      assertEquals(digestValue(back), digestValue(given), name);
      if (name === "deep" || name === "view on shared memory") continue;
      assert(sameValue(given, back), `${name}: ${Deno.inspect(back)}`);
    }
  }
});

// fleche 54
Deno.test("decodeValue() gives any value back with its digest", () => {
  fc.assert(
    fc.property(graph, (value) => {
      const back = roundTrip(value);
      assertEquals(digestValue(back), digestValue(value));
      assert(sameValue(value, back), Deno.inspect(back));
    }),
    { numRuns: 1000 },
  );
  fc.assert(fc.property(primitive, (value) => assert(Object.is(roundTrip(value), value))));
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    assertEquals(roundTrip(value), value);
  }));
});

Deno.test("decodeValue() gives large objects, arrays and texts back", () => {
  const keys = Array.from({ length: 70_000 }, (_, i) => [`key ${i}`, i]);
  const object: unknown = Object.fromEntries(keys);
  assertEquals(digestValue(roundTrip(object)), digestValue(object));
  const array = Array.from({ length: 70_000 }, (_, i) => "x".repeat(i % 100));
  assertEquals(roundTrip(array), array);
  assertEquals(roundTrip(["é".repeat(70_000), "x"]), ["é".repeat(70_000), "x"]);
});

Deno.test("decodeValue() gives errors back with their real classes", () => {
  class HttpError extends TypeError {
    status = 404;
  }
  const back = roundTrip(new HttpError("x", { cause: { in: "plain" } }));
  assertInstanceOf(back, TypeError);
  assertEquals([back.name, back.message, back.cause], ["HttpError", "x", { in: "plain" }]);
  assertEquals(Reflect.get(back, "status"), 404);
  assertEquals(Object.keys(back), ["status"]);
  const aggregate = roundTrip(new AggregateError([new SyntaxError("a")], "x"));
  assertInstanceOf(aggregate, AggregateError);
  assertInstanceOf(aggregate.errors[0], SyntaxError);
  const abort = roundTrip(new DOMException("x", "AbortError"));
  assertInstanceOf(abort, DOMException);
  assertEquals([abort.name, abort.code], ["AbortError", 20]);
  assertInstanceOf(roundTrip(new CancelledError("x")), CancelledError);
  assert(structuredClone(roundTrip(new RangeError("x"))) instanceof RangeError);
});

Deno.test("decodeValue() keeps what is shared shared, large arrays included", () => {
  const large = new Float64Array(1000);
  const small = new Float64Array(1);
  const back = roundTrip([large, large, large.slice(), small, small]);
  assert(Array.isArray(back));
  assert(back[0] === back[1] && back[0] !== back[2] && back[3] === back[4]);
  assert(back[0].buffer !== back[2].buffer);
});

Deno.test("decodeValue() gives an array as a view when it is aligned, else as a copy", () => {
  const bytes = new Uint8Array(64);
  const aligned = decodeValue(
    { kind: VALUE_KIND.Float64Array, bytes: bytes.subarray(8, 24) },
    () => undefined,
  );
  assertInstanceOf(aligned, Float64Array);
  assert(aligned.buffer === bytes.buffer);
  const odd = decodeValue(
    { kind: VALUE_KIND.Float64Array, bytes: bytes.subarray(3, 19) },
    () => undefined,
  );
  assertInstanceOf(odd, Float64Array);
  assertEquals([odd.length, odd.byteOffset], [2, 0]);
});

Deno.test("decodeValue() gives small arrays inside buffers of their own", () => {
  const back = roundTrip({ a: Uint8Array.of(1, 2), v: new DataView(new ArrayBuffer(3)) });
  assert(typeof back === "object" && back !== null && "a" in back && "v" in back);
  assert(back.a instanceof Uint8Array && back.v instanceof DataView);
  assertEquals([back.a.buffer.byteLength, back.v.buffer.byteLength], [2, 3]);
});

Deno.test("decodeValue() gives a Buffer back as a Uint8Array", () => {
  const back = roundTrip(Buffer.from("hi"));
  assertEquals(Object.getPrototypeOf(back), Uint8Array.prototype);
});

Deno.test("decodeValue() says which part is missing", () => {
  const large = new Float64Array(1000);
  const encoded = own(encodeValue({ large }));
  const error = assertThrows(() => decodeValue(encoded, () => undefined), MissingPartError);
  assertEquals(error.digest, digestValue(large));
  assertThrows(
    () => decodeValue(encoded, () => own(encodeValue(1))),
    SyntaxError,
    "is no array",
  );
});

Deno.test("decodeValue() rejects bytes that no value has", () => {
  const decode = (kind: number, bytes: Iterable<number>) =>
    decodeValue({ kind: kind as ValueKind, bytes: Uint8Array.from(bytes) }, () => undefined);
  const { cbor } = VALUE_KIND;
  const malformed: [kind: number, bytes: number[]][] = [
    [99, [1]],
    [VALUE_KIND.Float64Array, [1, 2, 3]],
    [cbor, []],
    [cbor, [1, 1]],
    [cbor, [0x82, 1]],
    [cbor, [0x9a, 0xff, 0xff, 0xff, 0xff]],
    [cbor, [0x7a, 0xff, 0xff, 0xff, 0xff]],
    [cbor, [0xba, 0x7f, 0xff, 0xff, 0xff]],
    [cbor, [0x9f, 1, 0xff]],
    [cbor, [0xa1, 1, 1]],
    [cbor, [0xc1, 1]],
    [cbor, [0xd9, 0xdf, 0xff, 0x82, 0x19, 0xe0, 0, 0x81, 0x61, 0x61]],
    [cbor, [0xe0]],
    [cbor, [0x1b, 0, 0, 0, 0, 0, 0, 0, 1]],
    [cbor, new Array(100_000).fill(0x81)],
    [cbor, [...new Array(1000).fill(0x81), 1]],
  ];
  for (const [kind, bytes] of malformed) assertThrows(() => decode(kind, bytes), SyntaxError);
});

Deno.test("decodeValue() rejects graphs that no value has", () => {
  const tables: unknown[] = [
    1,
    [],
    [1],
    [2, 1],
    [1, [0]],
    [1, [-1], ["Object"]],
    [1, [0.5], ["Object"]],
    [1, { a: 1 }],
    [1, ["odd"]],
    [1, ["bigint", "zz"]],
    [1, ["bigint", 1]],
    [1, [0], "Object"],
    [1, [0], ["Object", "key"]],
    [1, [0], ["Object", 1, 2]],
    [1, [0], ["Object", "a", [7]]],
    [1, [0], ["Map", 1]],
    [1, [0], ["Date", "x"]],
    [1, [0], ["RegExp", "(", ""]],
    [1, [0], ["Boxed", null]],
    [1, [0], ["Boxed", [0]]],
    [1, [0], ["Error", "Error"]],
    [1, [0], ["Error", "Error", "Error", "m", "s", 9]],
    [1, [0], ["Error", "Error", "Error", "m", "s", 1]],
    [1, [0], ["SparseArray", -1]],
    [1, [0], ["SparseArray", 1, "5", 1]],
    [1, [0], ["SparseArray", 5, "length", 9]],
    [1, [0], ["SparseArray", 5, "length", "Error"]],
    [1, [0], ["SparseArray", 5, "length", [1]], ["Object"]],
    [1, [0], ["Float64Array", new Uint8Array(3)]],
    [1, [0], ["Float64Array", 8]],
    [1, [0], ["toString", new Uint8Array(3)]],
    [1, [0], ["cbor", new Uint8Array(3)]],
    [1, [0], ["part", new Uint8Array(3)]],
  ];
  for (const table of tables) {
    const payload = { kind: VALUE_KIND.graph, bytes: toCbor(table) };
    assertThrows(
      () => decodeValue(payload, () => undefined),
      SyntaxError,
      undefined,
      Deno.inspect(table),
    );
  }
});

Deno.test("decodeValue() allocates nothing for the length that an array claims", () => {
  const node = ["SparseArray", 2 ** 25 - 1];
  const table = [1, [0], ["Array", ...Array.from({ length: 300 }, (_, i) => [i + 1])]];
  const bytes = toCbor([...table, ...Array.from({ length: 300 }, () => node)]);
  const back = decodeValue({ kind: VALUE_KIND.graph, bytes }, () => undefined);
  assert(Array.isArray(back));
  assertEquals(back[299].length, 2 ** 25 - 1);
});

Deno.test("decodeValue() does not pollute prototypes", () => {
  const table = [1, [0], ["Object", "__proto__", [1]], ["Object", "polluted", true]];
  const bytes = toCbor(table);
  decodeValue({ kind: VALUE_KIND.graph, bytes }, () => undefined);
  assertEquals(Reflect.get({}, "polluted"), undefined);
});

Deno.test("decodeValue() ends with a value or an error for any bytes", () => {
  const kinds = fc.constantFrom(...Object.values(VALUE_KIND));
  const attempt = (kind: ValueKind, bytes: Uint8Array) => {
    try {
      decodeValue({ kind, bytes: bytes.slice() }, () => undefined);
    } catch (error) {
      assertInstanceOf(error, Error);
    }
  };
  fc.assert(fc.property(kinds, fc.uint8Array({ maxLength: 60 }), attempt), { numRuns: 3000 });
  const changes = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 3,
  });
  fc.assert(
    fc.property(graph, changes, fc.nat({ max: 3 }), (value, list, cut) => {
      const { kind, bytes } = own(encodeValue(value));
      for (const [at, byte] of list) if (bytes.length > 0) bytes[at % bytes.length] = byte;
      attempt(kind, bytes.subarray(0, bytes.length - cut));
      attempt(VALUE_KIND.cbor, bytes);
    }),
    { numRuns: 3000 },
  );
});
