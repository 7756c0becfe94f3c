// end-to-end: bags in which one thing is other than any writer makes it, though checksums are right
import { assert, assertEquals, assertGreater } from "@std/assert";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import type { HostileBag } from "./hostile/hostile_bag.ts";
import { HOSTILE } from "./hostile_bags.ts";
import { surviveAll } from "./survive.ts";

/** So many of each kind; `deno task fuzz` takes all. */
const MOST = 10;
const MOST_SIGNED = 6;

/** Each of these was no miss and no clear error once, or brought a wrong value, or cost others theirs. */
const FOUND: Readonly<Record<string, readonly string[]>> = {
  records: ['a record with result ""', "a record with version []", "a record with args [ null ]"],
  values: ["a value 2 of kind 1 with [ 129 ]", "a value 2 of kind 20 with 7 bytes"],
  tables: [
    "a table of a segment with the kind 999",
    "a table of calls with offsets of 1",
    "a segment whose own rows have lengths of 2147483648",
  ],
  manifests: [
    "a manifest with { generation: 9007199254740991 }",
    "a manifest with { generation: 4503599627370496 }",
    "a manifest with { logGeneration: 4294967296 }",
    "a manifest with { nextSegment: 1 }",
  ],
};

function* choose(
  kind: string,
  listBags: () => Iterable<HostileBag>,
  most: number,
): Generator<HostileBag> {
  const all = Array.from(listBags());
  const stride = Math.ceil(all.length / most);
  const found = new Set(FOUND[kind]);
  for (const [i, bag] of all.entries()) {
    if (found.delete(bag.name) || i % stride === 0) yield bag;
  }
  assertEquals([...found], []);
}

for (const [kind, listBags] of Object.entries(HOSTILE)) {
  Deno.test(`a bag with hostile ${kind} gives right values, misses or clear errors, and can be repaired`, async () => {
    using directory = new TemporaryDirectory();
    const before = Deno.memoryUsage().rss;
    assertGreater(await surviveAll(directory.path, choose(kind, listBags, MOST)), 5);
    assert(Deno.memoryUsage().rss - before < 500e6, "it takes memory for what is not there");
  });
}

for (const kind of ["records", "short records", "values"] as const) {
  Deno.test(`a signed bag with hostile ${kind} gives no value that nobody with the key has stored`, async () => {
    using directory = new TemporaryDirectory();
    const bags = choose(kind, HOSTILE[kind], MOST_SIGNED);
    assertGreater(await surviveAll(directory.path, bags, ["the key of this year"]), 5);
  });
}
