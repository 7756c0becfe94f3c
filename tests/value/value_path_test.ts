// Contract: how paths into values are written.
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatStep, parseValuePath, type PathStep } from "../../src/value/tree/value_node.ts";

Deno.test("parseValuePath() takes apart what formatStep() writes", () => {
  const step = fc.oneof(
    fc.string().map((key): PathStep => ({ type: "key", key })),
    fc.constantFrom("", "/", "~", "~1", "~#3", "a/b", "~e").map((key): PathStep => ({
      type: "key",
      key,
    })),
    fc.nat().map((index): PathStep => ({ type: "entry", index })),
  );
  fc.assert(fc.property(fc.array(step), (steps) => {
    assertEquals(parseValuePath(steps.map(formatStep).join("/")), steps);
  }));
});

Deno.test("parseValuePath() reads steps as JSON Pointer does", () => {
  assertEquals(parseValuePath(""), []);
  assertEquals(parseValuePath("a/0/b~1c/~0d/~#12"), [
    { type: "key", key: "a" },
    { type: "key", key: "0" },
    { type: "key", key: "b/c" },
    { type: "key", key: "~d" },
    { type: "entry", index: 12 },
  ]);
});

Deno.test("parseValuePath() rejects a ~ that stands for nothing", () => {
  for (const path of ["~", "a/~x", "~#", "a~", "~2/b"]) {
    assertThrows(() => parseValuePath(path), SyntaxError, "stands for nothing");
  }
});
