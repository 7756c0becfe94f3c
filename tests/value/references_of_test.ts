// contract: which parts a stored value refers to
import { assertEquals, assertThrows } from "@std/assert";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { mayRefer, referencesOf } from "../../src/value/codec/references.ts";
import { VALUE_KIND } from "../../src/value/value.ts";

Deno.test("referencesOf() gives exactly the parts that encodeValue() splits out", () => {
  const large = new Float64Array(1000).fill(1);
  const deep = { a: [new Map([["x", large]])], b: large, c: new Uint8Array(5000), d: 1 };
  const encoded = encodeValue(deep);
  assertEquals(encoded.parts.length, 2);
  assertEquals(referencesOf(encoded).sort(), encoded.parts.map(({ digest }) => digest).sort());
});

Deno.test("referencesOf() is empty for values without parts, whatever they say", () => {
  const digest = new Uint8Array(32);
  for (const value of [1, "part", ["part", digest], { part: digest }, new Uint8Array(9000)]) {
    assertEquals(referencesOf(encodeValue(value)), []);
  }
  assertEquals(mayRefer(VALUE_KIND.graph), true);
  assertEquals([VALUE_KIND.cbor, VALUE_KIND.Float64Array, 99].map(mayRefer), [false, false, false]);
});

Deno.test("referencesOf() throws when a graph is malformed", () => {
  const payload = { kind: VALUE_KIND.graph, bytes: Uint8Array.of(0xff) };
  assertThrows(() => referencesOf(payload), SyntaxError, "Cannot decode a value");
});
