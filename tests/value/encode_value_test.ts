// Contract: how values are laid out for storage, and which are refused.
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { IndigestibleError } from "../../src/base/errors.ts";
import { DigestReference, digestSymbol } from "../../src/value/symbols.ts";
import { digestValue } from "../../src/value/digest/digest_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { toKindName } from "../../src/value/value.ts";

const kindOf = (value: unknown) => toKindName(encodeValue(value).kind);

Deno.test("encodeValue() stores plain data as CBOR that any reader understands", () => {
  const plain = { a: [1, -1, 1.5, "é", true, false, null, undefined], b: 2 ** 40 };
  const { kind, bytes, parts, digest } = encodeValue(plain);
  assertEquals([toKindName(kind), parts, digest], ["cbor", [], digestValue(plain)]);
  const hex = "a2" + "6161" + "88" + "01" + "20" + "fb3ff8000000000000" + "62c3a9" + "f5f4f6f7" +
    "6162" + "fb4270000000000000";
  assertEquals(bytes.toHex(), hex);
});

Deno.test("encodeValue() stores as a graph what CBOR would change", () => {
  const shared = {};
  const cycle: unknown[] = [];
  cycle.push(cycle);
  const holes: unknown[] = [];
  holes.length = 2;
  const graphs = [
    -0,
    1n,
    "\ud800",
    "\ufeffa",
    [shared, shared],
    cycle,
    holes,
    Object.assign([1], { a: 1 }),
    Object.create(null),
    JSON.parse('{"__proto__": 1}'),
    { constructor: "x" },
    { small: new Uint8Array(3) },
    { large: new Uint8Array(5000) },
    new Map(),
    new Date(),
    new Error("x"),
  ];
  for (const value of graphs) assertEquals(kindOf(value), "graph", Deno.inspect(value));
  let deep: unknown = 1;
  for (let i = 0; i < 101; i++) deep = [deep];
  assertEquals(kindOf(deep), "graph");
});

Deno.test("encodeValue() lays a graph out as documented", () => {
  const value: Record<string, unknown> = { z: -0 };
  value.self = new Map([["m", value]]);
  const expected = "84" + "01" + "8100" + // [1, [0],
    "85" + "664f626a656374" + "617a" + "81622d30" + "6473656c66" + "8101" + // ["Object", "z", …]
    "83" + "634d6170" + "616d" + "8100"; // ["Map", "m", [0]]
  assertEquals(encodeValue(value).bytes.toHex(), expected);
});

Deno.test("encodeValue() stores an array as its bytes, without copying them", () => {
  const buffer = new ArrayBuffer(100_000);
  for (const array of [new Float64Array(buffer, 8, 1000), new Float64Array(buffer, 8, 3)]) {
    const { kind, bytes, parts, digest } = encodeValue(array);
    assertEquals([toKindName(kind), parts, digest], ["Float64Array", [], digestValue(array)]);
    assertEquals([bytes.byteOffset, bytes.byteLength], [8, array.byteLength]);
    assert(bytes.buffer === buffer);
  }
});

Deno.test("encodeValue() splits large arrays out, each content once", () => {
  const large = new Float64Array(512);
  const value = { a: large, b: large, c: large.slice(), small: new Float64Array(511) };
  const { parts, bytes } = encodeValue(value);
  assertEquals(parts.map((part) => part.digest), [digestValue(large)]);
  assertEquals(parts.map((part) => toKindName(part.kind)), ["Float64Array"]);
  assert(bytes.length < 511 * 8 + 300);
});

Deno.test("encodeValue() takes a copy of shared memory, which others may change", () => {
  const array = new Uint8Array(new SharedArrayBuffer(5000));
  const { parts } = encodeValue({ array });
  array.fill(1);
  assertEquals(parts[0]?.bytes.every((byte) => byte === 0), true);
});

Deno.test("encodeValue() refuses what has no digest, by its path", () => {
  const error = assertThrows(
    () => encodeValue({ a: [() => 1] }, { root: "result" }),
    IndigestibleError,
  );
  assertEquals(error.path, "result.a[0]");
  assertEquals(
    error.message,
    "Cannot store result.a[0]: a function has no digest; pass data, or a task",
  );
});

Deno.test("encodeValue() refuses what has a digest but no stored form", () => {
  class Solver {
    [digestSymbol]() {
      return 1;
    }
  }
  for (const value of [new Solver(), new DigestReference("0".repeat(64))]) {
    const error = assertThrows(() => encodeValue([1, { value }]), IndigestibleError);
    assertEquals(error.path, "value[1].value");
    assert(error.message.includes("has a digest but no stored form"), error.message);
    assertInstanceOf(error, IndigestibleError);
    assertThrows(() => encodeValue(value), IndigestibleError, "no stored form");
  }
});
