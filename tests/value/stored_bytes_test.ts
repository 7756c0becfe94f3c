// Contract: the bytes in which values are stored, as they were when the first bags were written.
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { decodeValue } from "../../src/value/codec/decode_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { type Payload, VALUE_KIND, type ValueKind } from "../../src/value/value.ts";
import { sameValue } from "./same_value.ts";

/** A value, its kind, its bytes in hex or the SHA-256 of them, and how its digest begins. */
type Stored = readonly [
  name: string,
  value: unknown,
  kind: ValueKind,
  bytes: string,
  digest: string,
];

function storedValues(): Stored[] {
  const shared = { x: 1 };
  return [
    ["undefined", undefined, VALUE_KIND.cbor, "f7", "3145e7a95720a1db"],
    ["null", null, VALUE_KIND.cbor, "f6", "c846f87c9d6bdfaa"],
    ["booleans", [true, false], VALUE_KIND.cbor, "82f5f4", "c39a0a3b67e59044"],
    [
      "small integers",
      [0, 1, 23, 24, 255, 256, 65535, 65536, 2 ** 32 - 1],
      VALUE_KIND.cbor,
      "89000117181818ff19010019ffff1a000100001affffffff",
      "911f2153fc5bc88f",
    ],
    [
      "negative integers",
      [-1, -24, -25, -256, -257, -65536, -65537, -(2 ** 31), -(2 ** 31) - 1],
      VALUE_KIND.cbor,
      "892037381838ff39010039ffff3a000100003a7fffffff3a80000000",
      "80c4a6fc3322f2fa",
    ],
    [
      "large integers",
      [2 ** 32, 2 ** 53, -(2 ** 53), 2 ** 60],
      VALUE_KIND.cbor,
      "84fb41f0000000000000fb4340000000000000fbc340000000000000fb43b0000000000000",
      "097779da1480355a",
    ],
    [
      "fractions",
      [0.5, 0.1, 1e-300, 1e300, 5e-324, Math.PI],
      VALUE_KIND.cbor,
      "86fb3fe0000000000000fb3fb999999999999afb01a56e1fc2f8f359fb7e37e43c8800759cfb0000000000000001fb400921fb54442d18",
      "a7e23152b7cd7eac",
    ],
    [
      "numbers that are none",
      [NaN, Infinity, -Infinity],
      VALUE_KIND.cbor,
      "83fb7ff8000000000000fb7ff0000000000000fbfff0000000000000",
      "d2c8313c186c5398",
    ],
    [
      "a record",
      { n: 5, half: 2.5, name: "argon", ok: true, none: null },
      VALUE_KIND.cbor,
      "a5616e056468616c66fb4004000000000000646e616d65656172676f6e626f6bf5646e6f6e65f6",
      "d2e8681d8828c45b",
    ],
    ["an empty record", {}, VALUE_KIND.cbor, "a0", "5c43a177506d5262"],
    [
      "nested",
      { a: [{ x: 1, y: "äöü" }, { x: 2, y: "" }], b: { c: { d: [] } } },
      VALUE_KIND.cbor,
      "a2616182a2617801617966c3a4c3b6c3bca26178026179606162a16163a1616480",
      "a1f07fdae696b572",
    ],
    [
      "short texts",
      ["", "a", "x".repeat(23), "x".repeat(24)],
      VALUE_KIND.cbor,
      "846061617778787878787878787878787878787878787878787878787818787878787878787878787878787878787878787878787878",
      "cc268fef510524d3",
    ],
    [
      "texts that are longer as bytes",
      ["ä".repeat(12), "€".repeat(30), "😀".repeat(8)],
      VALUE_KIND.cbor,
      "sha256:8e1cf920528ce99df23e944d1a6472431b38b86a428d976eabb146708131d5db",
      "3f1fae818fb55f7b",
    ],
    [
      "a text of 31 letters, longer as bytes",
      "€".repeat(31),
      VALUE_KIND.cbor,
      "sha256:475799c4571012b2a206f9d17e32507db5ff355721a6731cf67f06948866a6d3",
      "10e3a8ddc231455f",
    ],
    [
      "a text of 63 letters",
      "é".repeat(63),
      VALUE_KIND.cbor,
      "sha256:44173a3fb36bf908b99a57b079d0b22bd2f3740eedb36b579e2fedd4dde50820",
      "eb2e98338670cd14",
    ],
    [
      "a text of 64 letters",
      "é".repeat(64),
      VALUE_KIND.cbor,
      "sha256:5d0d8292c1013bdfc0892d63ab0c304a7505b35390ce0fbc2e01fe77b34ba34b",
      "918a6aacfc980590",
    ],
    [
      "a text of 255 bytes",
      "x".repeat(255),
      VALUE_KIND.cbor,
      "sha256:26f05de299a34874101d23be836b5a59d6d52b81e05cbcfe067a5f939f1fb4f7",
      "8760a3ca0822afc9",
    ],
    [
      "a text of 256 bytes",
      "x".repeat(256),
      VALUE_KIND.cbor,
      "sha256:8361a7e9f85cdfb1ca503c724ad959fc04a6b376936e9080e0e1f8b9edab6a65",
      "fcf079c9d9c7ad07",
    ],
    [
      "a text of 255 letters, longer as bytes",
      "€".repeat(255),
      VALUE_KIND.cbor,
      "sha256:eeaa803d7fe6a9ebb71e79f080fbe87dba962e2ac749dafa63708d2dbc1962e9",
      "e49f97c60fef8193",
    ],
    [
      "a text of 70,000 letters",
      "quiver ".repeat(10_000),
      VALUE_KIND.cbor,
      "sha256:c46396189b15da2dfd3986962dd7697e8eb8a08746f48683a04bd7448721784a",
      "0e9e0f1b7d641d83",
    ],
    [
      "a text of 65,535 letters, longer as bytes",
      "ä".repeat(65_535),
      VALUE_KIND.cbor,
      "sha256:9d47a6649caa462862056e897e6ba36ead7620cc02274fae639722794fa3a23b",
      "0e063b14f5b7b9ed",
    ],
    [
      "many keys",
      Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`k${i}`, i])),
      VALUE_KIND.cbor,
      "sha256:12cea1df3df0f38d43abb1ad03a90405dcf586d2b2ddce49a1366792d271c2b7",
      "57eb6ae270e60823",
    ],
    [
      "70,000 keys",
      Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i])),
      VALUE_KIND.cbor,
      "sha256:f22823a4b46052deddfcf5d23fade6362a33a261925d8ae13cb7f8c3be4d2116",
      "a856d485728417a7",
    ],
    [
      "300 items",
      Array.from({ length: 300 }, (_, i) => i / 3),
      VALUE_KIND.cbor,
      "sha256:e69519cbf89b4915d8a8fa6a13bc61c8e6187fc3a83722146d85e78d430db427",
      "60b21b4eb36d31e6",
    ],
    [
      "70,000 items",
      Array.from({ length: 70_000 }, (_, i) => i),
      VALUE_KIND.cbor,
      "sha256:66e19f37a84ccf247b2f3ce81b3bf16cb5b881bad99839ab186b9e14409f9bf5",
      "7384447b72823fd9",
    ],
    [
      "integers as keys",
      { 10: "ten", 2: "two", b: 1, a: 2 },
      VALUE_KIND.cbor,
      "a461326374776f6231306374656e616201616102",
      "210fc054029280a0",
    ],
    ["-0", -0, VALUE_KIND.graph, "820181622d30", "876fbdf329380975"],
    [
      "a bigint",
      2n ** 70n,
      VALUE_KIND.graph,
      "82018266626967696e7472343030303030303030303030303030303030",
      "213f628980fd158a",
    ],
    [
      "a map and a set",
      new Map<unknown, unknown>([["a", 1], [2, new Set([1, "b"])]]),
      VALUE_KIND.graph,
      "8401810085634d61706161010281018363536574016162",
      "a1b889bfbf9d63f0",
    ],
    [
      "a date",
      new Date(1e12),
      VALUE_KIND.graph,
      "83018100826444617465fb426d1a94a2000000",
      "2a82eaf90e2d40a1",
    ],
    [
      "shared parts",
      [shared, shared],
      VALUE_KIND.graph,
      "84018100836541727261798101810183664f626a656374617801",
      "712042c3448dc1ee",
    ],
    [
      "a lone surrogate",
      "\ud800",
      VALUE_KIND.graph,
      "8201826575746631364200d8",
      "fce6427abf66ff2a",
    ],
    [
      "bytes",
      { bytes: new Uint8Array([1, 2, 3]), more: new Uint8Array(300) },
      VALUE_KIND.graph,
      "sha256:d04684bf11f7da1480534994014f95ee910fa1ab27c808151982f52f8bf4f888",
      "5308e146e6a913e5",
    ],
    [
      "numbers",
      { data: Float64Array.of(1, 2, 3), shape: [3] },
      VALUE_KIND.graph,
      "8501810085664f626a656374646461746181016573686170658102826c466c6f6174363441727261795818000000000000f03f000000000000004000000000000008408265417272617903",
      "e94b282bc7796746",
    ],
    [
      "a large array",
      { array: new Float64Array(1000).fill(0.5) },
      VALUE_KIND.graph,
      "8401810083664f626a65637465617272617981018264706172745820289db77f21c9e03972c27dba96dcd19f96dea8a20af40e21298896279d69654e",
      "d7ca0a8d2b71cdf2",
    ],
    [
      "a regular expression",
      /a+/gi,
      VALUE_KIND.graph,
      "83018100836652656745787062612b626769",
      "85fc0b1f8686fdac",
    ],
  ];
}

for (const [name, value, kind, bytes, digest] of storedValues()) {
  Deno.test(`encodeValue() of ${name} gives the bytes that old bags have`, () => {
    const encoded = encodeValue(value);
    const hex = encoded.bytes.toHex();
    const sha256 = createHash("sha256").update(encoded.bytes).digest("hex");
    assertEquals(encoded.kind, kind);
    assertEquals(bytes.startsWith("sha256:") ? `sha256:${sha256}` : hex, bytes);
    assertEquals(encoded.digest.slice(0, digest.length), digest);
  });

  Deno.test(`decodeValue() of what old bags have for ${name} gives the value`, () => {
    const { bytes: own, parts } = encodeValue(value);
    const old = bytes.startsWith("sha256:") ? own.slice() : Uint8Array.fromHex(bytes);
    const stored = new Map<string, Payload>(parts.map((part) => [part.digest, part]));
    const decoded = decodeValue({ kind, bytes: old }, (part) => stored.get(part));
    assert(sameValue(decoded, value), name);
  });
}
