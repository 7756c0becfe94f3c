// Contract: what a miss gives is what a hit will give, whatever memory the bytes of a result are in.
import { assert, assertEquals, assertInstanceOf, assertNotStrictEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { decodeValue, settleBytes } from "../../src/value/codec/decode_value.ts";
import { digestArgument, digestValue } from "../../src/value/digest/digest_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { acyclic } from "./arbitrary_value.ts";
import { sameValue } from "./same_value.ts";

/** What a hit gives. */
function storeAndLoad(value: unknown): unknown {
  const { kind, bytes, parts } = encodeValue(value);
  const byDigest = new Map(parts.map((part) => [part.digest, part]));
  return decodeValue({ kind, bytes: bytes.slice() }, (digest) => {
    const part = byDigest.get(digest);
    return part && { ...part, bytes: part.bytes.slice() };
  });
}

const resizable = () => new ArrayBuffer(16, { maxByteLength: 64 });
const growable = () => new SharedArrayBuffer(16, { maxByteLength: 64 });

/** Bytes of all kinds. */
function createResults(): unknown[] {
  const memory = new ArrayBuffer(64);
  const once = Buffer.from("once");
  return [
    Buffer.from("text"),
    Buffer.alloc(10_000, 7),
    { deep: [new Map([["b", Buffer.from("one")]]), new Set([Buffer.from("two")])] },
    Object.assign(new TypeError("x", { cause: Buffer.from("c") }), { body: Buffer.from("b") }),
    [once, once],
    resizable(),
    new Float64Array(resizable()),
    new DataView(resizable(), 8),
    growable(),
    { words: new Int32Array(growable()) },
    new Int32Array(new SharedArrayBuffer(8)),
    { a: new Uint8Array(memory), b: new Float64Array(memory, 8, 2), memory },
    [new Uint8Array(memory, 0, 8), new Uint8Array(memory, 4, 8)],
  ];
}

Deno.test("settleBytes() gives what comes out of a store, of the same digest", () => {
  for (const result of createResults()) {
    const before = digestValue(result);
    const miss = settleBytes(result);
    const hit = storeAndLoad(result);
    assert(sameValue(miss, hit), Deno.inspect(result));
    assertNotStrictEquals(miss, result);
    assertEquals([digestValue(miss), digestValue(hit)], [before, before]);
    assertEquals(digestArgument(miss), digestArgument(result));
    assertEquals(listBuffers(miss).map(toKind), listBuffers(hit).map(toKind));
  }
});

Deno.test("settleBytes() leaves as it is what comes out of a store as it is", () => {
  fc.assert(
    fc.property(acyclic, (value) => {
      assert(Object.is(settleBytes(value), value), Deno.inspect(value));
      assert(sameValue(settleBytes(value), storeAndLoad(value)), Deno.inspect(value));
    }),
    { numRuns: 300 },
  );
  class Point {
    readonly at = Buffer.from("x");
  }
  for (
    const value of [1, "text", new Uint8Array(3), { a: new SharedArrayBuffer(4) }, new Point()]
  ) {
    assert(settleBytes(value) === value, Deno.inspect(value));
  }
});

Deno.test("settleBytes() makes an array of a Buffer without a copy, and arrays that share nothing", () => {
  const buffer = Buffer.alloc(10_000);
  const array = settleBytes(buffer);
  assertInstanceOf(array, Uint8Array);
  assertEquals(Object.getPrototypeOf(array), Uint8Array.prototype);
  assert(array.buffer === buffer.buffer);
  const memory = new ArrayBuffer(8);
  const two = { a: new Uint8Array(memory), b: new Uint8Array(memory) };
  const settled = settleBytes(two) as typeof two;
  assert(settled.a === two.a && settled.b !== two.b);
  settled.a[0] = 1;
  assertEquals(settled.b[0], 0);
});

/** The buffers of all arrays in a value, and all buffers. */
function listBuffers(value: unknown, seen: Set<unknown> = new Set()): ArrayBufferLike[] {
  if (typeof value !== "object" || value === null || seen.has(value)) return [];
  seen.add(value);
  if (ArrayBuffer.isView(value)) return [value.buffer];
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return [value];
  const inside = value instanceof Map || value instanceof Set
    ? [...value].flat()
    : [...Object.values(value), value instanceof Error ? value.cause : undefined];
  return inside.flatMap((part) => listBuffers(part, seen));
}

function toKind(buffer: ArrayBufferLike): unknown[] {
  const grows = buffer instanceof SharedArrayBuffer ? buffer.growable : buffer.resizable;
  return [buffer.constructor.name, grows];
}
