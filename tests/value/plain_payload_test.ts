// Contract: what is decoded without being copied or checked is what decodeValue() makes of it.
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { decodeValue } from "../../src/value/codec/decode_value.ts";
import { digestValue } from "../../src/value/digest/digest_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { decodePlain, isPlain } from "../../src/value/codec/cbor.ts";
import { VALUE_KIND } from "../../src/value/value.ts";
import { graph } from "./arbitrary_value.ts";

Deno.test("decodePlain() gives what is plain again and again, and leaves the bytes alone", () => {
  const plain = fc.oneof(fc.jsonValue(), graph);
  fc.assert(fc.property(plain, (value) => {
    const encoded = encodeValue(value);
    const bytes = encoded.bytes.slice();
    if (!isPlain({ kind: encoded.kind, bytes })) return;
    for (let time = 0; time < 2; time++) {
      const decoded = decodePlain(bytes);
      assertEquals(digestValue(decoded), encoded.digest);
      if (typeof decoded === "object" && decoded !== null) Object.assign(decoded, { 0: "mine" });
    }
    assertEquals(bytes, encoded.bytes);
  }));
});

Deno.test("isPlain() holds for JSON, whatever it is", () => {
  fc.assert(fc.property(fc.jsonValue(), (json) => {
    const { kind, bytes } = encodeValue(json);
    assertEquals(isPlain({ kind, bytes }), kind === VALUE_KIND.cbor);
  }));
  const { kind, bytes } = encodeValue({ n: 1, half: 0.5, list: ["a", null, true] });
  assert(isPlain({ kind, bytes }));
});

Deno.test("isPlain() does not hold for what becomes a view on the bytes", () => {
  const bytes = Uint8Array.from([0x82, 0x01, 0x42, 0x07, 0x08]);
  const value = decodeValue({ kind: VALUE_KIND.cbor, bytes }, () => undefined);
  assertEquals(value, [1, Uint8Array.from([7, 8])]);
  assertEquals(isPlain({ kind: VALUE_KIND.cbor, bytes }), false);
});

Deno.test("isPlain() does not hold for bytes that decodeValue() refuses", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 12 }), (given) => {
    const payload = { kind: VALUE_KIND.cbor, bytes: new Uint8Array(given) };
    if (!isPlain(payload)) return;
    decodeValue(payload, () => undefined);
  }));
});
