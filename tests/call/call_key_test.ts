// Contract: which calls have one key, and which have not.
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { countedValue, digestKey, KEY_SCHEME, toKeyedCall } from "../../src/call/call_key.ts";
import { findKeyOf } from "../../src/call/record_key.ts";
import { readFunctionProfile } from "../../src/call/function_profile.ts";
import { digestArgument } from "../../src/value/digest/digest_value.ts";
import { toAddress } from "../../src/task/definition.ts";
import { IndigestibleError } from "../../src/base/errors.ts";

const address = { module: "file:///tasks.ts", name: "f" };
const profile = await readFunctionProfile(
  ((
    a: number,
    b = 2,
    verbose = false as boolean,
    ...more: number[]
  ) => [a, b, verbose, more]) as never,
);

function keyOf(args: unknown[], identity = {}, ignored: string[] = []): string {
  return toKeyedCall({ address, ...identity }, profile, new Set(ignored), args).key;
}

Deno.test("toKeyedCall() gives a call one key however its defaults are written", () => {
  const key = keyOf([1]);
  assertEquals(keyOf([1, 2]), key);
  assertEquals(keyOf([1, undefined]), key);
  assertEquals(keyOf([1, undefined, undefined]), key);
  assertNotEquals(keyOf([1, 3]), key);
  assertNotEquals(keyOf([]), key);
});

Deno.test("toKeyedCall() does not care about the order of keys and entries", () => {
  assertEquals(keyOf([{ x: 1, y: 2 }]), keyOf([{ y: 2, x: 1 }]));
  assertEquals(
    keyOf([new Map([["x", 1], ["y", 2]])]),
    keyOf([new Map([["y", 2], ["x", 1]])]),
  );
  assertNotEquals(keyOf([[1, 2]]), keyOf([[2, 1]]));
  assertNotEquals(keyOf([{ x: undefined }]), keyOf([{}]));
});

// fleche 5, executors 86
Deno.test("toKeyedCall() takes version, its type, code, name and module into the key", () => {
  const keys = new Set([
    keyOf([1]),
    keyOf([1], { version: 1 }),
    keyOf([1], { version: "1" }),
    keyOf([1], { code: "ab" }),
    keyOf([1], { address: { ...address, name: "g" } }),
    keyOf([1], { address: { ...address, module: "file:///other.ts" } }),
  ]);
  assertEquals(keys.size, 6);
});

Deno.test("toKeyedCall() leaves ignored parameters out of key and record", () => {
  const ignored = ["verbose"];
  assertEquals(keyOf([1, 2, true], {}, ignored), keyOf([1, 2, false], {}, ignored));
  assertEquals(keyOf([1, 2, true], {}, ignored), keyOf([1], {}, ignored));
  assertNotEquals(keyOf([1, 2, true, 4], {}, ignored), keyOf([1, 2, true, 5], {}, ignored));
  const { args } = toKeyedCall({ address }, profile, new Set(ignored), [1, 2, true, 4]);
  assertEquals(args.map(({ name, position }) => [name, position]), [
    ["a", 0],
    ["b", 1],
    ["more[0]", 3],
  ]);
});

Deno.test("toKeyedCall() counts rest parameters as they were given", () => {
  const keys = [[1, 2, true], [1, 2, true, undefined], [1, 2, true, undefined, undefined]];
  assertEquals(new Set(keys.map((args) => keyOf(args))).size, 3);
});

Deno.test("toKeyedCall() counts all arguments as they were given where a body can tell", async () => {
  const counting = await readFunctionProfile(function (_a: number, _b = 2): number {
    return arguments.length;
  });
  const keys = [[1], [1, undefined], [1, 2], [1, 2, undefined]].map((args) =>
    toKeyedCall({ address }, counting, new Set(), args).key
  );
  assertEquals(new Set(keys).size, 4);
});

Deno.test("toKeyedCall() passes on the arguments as they were given", () => {
  const call = toKeyedCall({ address }, profile, new Set(), [1, undefined]);
  assertEquals(call.values, [1, undefined]);
  assertEquals([0, 1, 2].map((position) => countedValue(call, position)), [1, 2, false]);
});

Deno.test("toKeyedCall() takes into the key which parameters do not count", () => {
  const ignored = [[], ["verbose"], ["b"], ["more"], ["b", "verbose"], ["verbose", "more"]];
  for (const args of [[], [1], [1, 2], [1, 2, false], [1, 2, true], [1, 2, true, 4]]) {
    const keys = new Set(ignored.map((names) => keyOf(args, {}, names)));
    assertEquals(keys.size, ignored.length, String(args));
  }
  assertEquals(keyOf([1], {}, ["b", "verbose"]), keyOf([1], {}, ["verbose", "b"]));
  assertEquals(keyOf([undefined, 2], {}, ["b", "more"]), keyOf([], {}, ["b", "more"]));
  assertEquals(
    toKeyedCall({ address }, profile, new Set(["b", "verbose"]), [undefined, 3]).args,
    [],
  );
  const { ignored: positions } = toKeyedCall({ address }, profile, new Set(["more", "b"]), [1]);
  assertEquals(positions, [1, "...3"]);
});

Deno.test("toKeyedCall() gives two calls one key if they mean the same, whatever is ignored", async () => {
  const profile = await readFunctionProfile(
    ((a: number, b: number, c: number, ...d: number[]) => [a, b, c, d]) as never,
  );
  const names = ["a", "b", "c", "d"];
  const meanings = new Map<string, string>();
  const keys = new Map<string, string>();
  const check = (ignored: ReadonlySet<string>, args: readonly unknown[]): void => {
    const call = toKeyedCall({ address }, profile, ignored, args);
    const counts = args.map((value, i) => ignored.has(names[Math.min(i, 3)] ?? "") ? "any" : value);
    // What a rest parameter is given counts as it was given.
    const isLeftOut = (value: unknown) =>
      value === "any" || counts.length < 4 && value === undefined;
    while (counts.length > 0 && isLeftOut(counts.at(-1))) counts.pop();
    const meaning = JSON.stringify([[...ignored], counts.map(String)]);
    assertEquals(meanings.get(call.key) ?? meaning, meaning);
    assertEquals(keys.get(meaning) ?? call.key, call.key);
    meanings.set(call.key, meaning);
    keys.set(meaning, call.key);
    // The record tells all that its key is made of.
    const { module, name } = address;
    const fields = {
      module,
      task: name,
      scheme: KEY_SCHEME,
      started: 0,
      duration: 0,
      metadata: {},
    };
    assert(findKeyOf({ ...call, ...fields, result: call.key }) !== undefined, meaning);
    if (args.length < 4) {
      for (const value of [1, 2, undefined]) {
        check(ignored, [...args, value]);
      }
    }
  };
  for (let mask = 0; mask < 16; mask++) {
    check(new Set(names.filter((_, i) => (mask >> i) % 2 === 1)), []);
  }
});

Deno.test("toKeyedCall() leaves the keys of tasks that ignore nothing as they were", () => {
  const args = [1, 2, false].map((value) => digestArgument(value));
  assertEquals(keyOf([1]), digestKey({ address }, args));
  const text = JSON.stringify([KEY_SCHEME, address.module, address.name, null, null, args]);
  assertEquals(keyOf([1]), createHash("sha256").update(text).digest("hex"));
  assertEquals(toKeyedCall({ address }, profile, new Set(), [1]).ignored, undefined);
});

Deno.test("toKeyedCall() names the culprit of an argument without digest", () => {
  const error = assertThrows(
    () => keyOf([{ solver: { callback: () => 1 } }]),
    IndigestibleError,
    "args[0].solver.callback",
  );
  assertEquals(error.path, "args[0].solver.callback");
});

Deno.test("toAddress() takes import.meta, URLs and their text, and refuses the rest", () => {
  assertEquals(toAddress(import.meta, "f"), { module: import.meta.url, name: "f" });
  assertEquals(toAddress(new URL("file:///a.ts"), "f").module, "file:///a.ts");
  assertThrows(() => toAddress("a.ts", "f"), TypeError, "not a URL");
  assertThrows(() => toAddress(import.meta, ""), TypeError, "no name");
});
