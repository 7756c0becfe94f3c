// Contract: keys that are kept are those that would be made.
import { assertEquals, assertNotEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { CallKeys, toKeyedCall } from "../../src/call/call_key.ts";

const IDENTITY = { address: { module: "file:///f.ts", name: "f" }, version: 1 };
const PROFILE = { parameters: [], rest: "args", code: "0".repeat(64), countsArguments: false };

function createKeys(): CallKeys {
  return new CallKeys(IDENTITY, PROFILE, new Set());
}

const VALUE = fc.oneof(
  fc.double(),
  fc.constantFrom(0, -0, NaN, null, undefined, true, false, "", "0", "null", '"1:a,'),
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.bigInt(),
  fc.record({ n: fc.nat(3) }),
);

Deno.test("CallKeys.get() gives the key that toKeyedCall() makes, the second time too", () => {
  const keys = createKeys();
  fc.assert(fc.property(fc.array(VALUE, { maxLength: 3 }), (args) => {
    const expected = toKeyedCall(IDENTITY, PROFILE, new Set(), args);
    assertEquals(keys.get(args), expected);
    assertEquals(keys.get(args), expected);
  }));
});

Deno.test("CallKeys.get() tells apart what looks alike", () => {
  const keys = createKeys();
  const calls = [[0], [-0], ["0"], [0n], [null], ["null"], [undefined, 1], ["undefined", 1]];
  const texts = [["a,", "b"], ["a", ",b"], ['a,"1:b'], ["1,2"], [1, 2], [12], [true], ["true"]];
  const found = [...calls, ...texts].map((args) => keys.get(args).key);
  assertEquals(new Set(found).size, found.length);
  assertNotEquals(keys.get([NaN]).key, keys.get(["NaN"]).key);
});

Deno.test("CallKeys.get() makes a key once for small arguments, and keeps a bounded number", () => {
  const keys = createKeys();
  const first = keys.get([1, "a"]);
  assertStrictEquals(keys.get([1, "a"]), first);
  for (let n = 0; n < 5000; n++) keys.get([n]);
  assertEquals(keys.get([1, "a"]) === first, false);
  assertEquals(keys.get([1, "a"]), first);
});

Deno.test("CallKeys.get() reads arguments anew that may have changed", () => {
  const keys = createKeys();
  const argument = { n: 1 };
  const before = keys.get([argument]).key;
  argument.n = 2;
  assertNotEquals(keys.get([argument]).key, before);
});
