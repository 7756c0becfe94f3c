// contract: the JSON of the command loses nothing
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { toExactJson } from "../../src/cli/exact_json.ts";
import { primitive, text } from "../value/arbitrary_value.ts";
import { sameValue } from "../value/same_value.ts";

/** Reads what `toExactJson` has written, by the table of its module. */
function fromJson(json: unknown): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map(fromJson);
  const [[kind, data] = ["", undefined], ...others] = Object.entries(json);
  const list = Array.isArray(data) ? data : [];
  if (others.length > 0 || !kind.startsWith("$")) {
    return Object.fromEntries(Object.entries(json).map(([key, item]) => [key, fromJson(item)]));
  }
  switch (kind) {
    case "$number":
      return Number(data);
    case "$undefined":
      return undefined;
    case "$bigint":
      return BigInt(data);
    case "$date":
      return new Date(data ?? NaN);
    case "$regexp":
      return new RegExp(list[0], list[1]);
    case "$map":
      return new Map(list.map(([key, item]) => [fromJson(key), fromJson(item)]));
    case "$set":
      return new Set(list.map(fromJson));
    case "$plain":
      return Object.fromEntries(list.map(([key, item]) => [key, fromJson(item)]));
    case "$Float64Array":
      return Float64Array.from(list, (item) => Number(fromJson(item)));
    case "$Uint8Array":
      return Uint8Array.from(list);
    case "$BigInt64Array":
      return BigInt64Array.from(list, (item) => BigInt(String(fromJson(item))));
    default:
      throw new Error(`there is no ${kind}`);
  }
}

const key = fc.oneof(
  fc.string({ maxLength: 4 }),
  fc.constantFrom("__proto__", "constructor", "$number", "$map", "$", "10"),
);

const leaf: fc.Arbitrary<unknown> = fc.oneof(
  primitive,
  fc.date({ noInvalidDate: false }),
  fc.constantFrom("a+", "^/$").map((source) => new RegExp(source, "g")),
  fc.array(fc.double()).map((list) => Float64Array.from(list)),
  fc.uint8Array(),
  fc.array(fc.bigInt({ min: -5n, max: 5n })).map((list) => BigInt64Array.from(list)),
);

const value: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    leaf,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(key, tie("value"), { maxKeys: 4, noNullPrototype: true }),
    fc.array(fc.tuple(text, tie("value")), { maxLength: 3 }).map((list) => new Map(list)),
    fc.array(tie("value"), { maxLength: 3 }).map((list) => new Set(list)),
  ),
})).value;

Deno.test("toExactJson() writes in one line what is read back to the last detail", () => {
  fc.assert(
    fc.property(value, (value) => {
      const line = toExactJson(value);
      assert(!line.includes("\n"));
      assert(sameValue(fromJson(JSON.parse(line)), value), line);
    }),
    { numRuns: 300 },
  );
});

Deno.test("toExactJson() tells of cycles, errors and objects of a class", () => {
  const cycle: { inner: { up?: unknown } } = { inner: {} };
  cycle.inner.up = cycle;
  assertEquals(toExactJson(cycle), '{"inner":{"up":{"$cycle":2}}}');
  const { $error } = JSON.parse(toExactJson(new RangeError("far", { cause: 1n })));
  assertEquals([$error.name, $error.message, $error.cause], ["RangeError", "far", {
    $bigint: "1",
  }]);
  class Crate {
    readonly size = -0;
  }
  assertEquals(toExactJson(new Crate()), '{"$object":["Crate",{"size":{"$number":"-0"}}]}');
  assertEquals(toExactJson(new Uint8Array([1, 2]).buffer), '{"$bytes":"AQI="}');
  assertEquals(toExactJson(new Map([[1, cycle]])), '{"$map":[[1,{"inner":{"up":{"$cycle":2}}}]]}');
  let deep: unknown = 0;
  for (let level = 0; level < 20_000; level++) deep = [deep];
  assertEquals(toExactJson(deep), `${"[".repeat(20_000)}0${"]".repeat(20_000)}`);
});
