// contract: which segments are compacted, and together with which
import { assertEquals } from "@std/assert";
import { planCompaction, type SegmentShare, selectSmall } from "../../src/bag/fold/scheduler.ts";
import { DigestSet } from "../../src/bag/table/digest_rows.ts";
import { toDigest } from "./_values.ts";

const MIB = 1024 * 1024;

function share(name: string, bytes: number, kept: number, readable = true): SegmentShare {
  const segment = { name, values: 1, bytes: bytes * MIB };
  return { segment, readable, values: kept > 0 ? 1 : 0, bytes: kept * MIB };
}

function plan(shares: readonly SegmentShare[], share: number, full: boolean): string[] {
  return planCompaction(shares, { share, full })
    .map((group) => group.map(({ name }) => name).join(" "));
}

Deno.test("planCompaction() takes segments of which too little is kept, in groups of bounded size", () => {
  const shares = [
    share("1", 60, 60),
    share("2", 60, 40),
    share("3", 60, 20),
    share("4", 60, 30, false),
    share("5", 60, 0),
    share("6", 60, 59),
  ];
  assertEquals(plan(shares, 1, false), ["2 3 5", "6"]);
  assertEquals(plan(shares, 0.5, false), ["3 5"]);
  assertEquals(plan(shares, 1, true), ["1 2 3 5 6"]);
  assertEquals(plan([share("1", 9, 9)], 1, true), []);
  assertEquals(plan([share("1", 900, 900), share("2", 900, 900)], 1, true), []);
  assertEquals(plan([share("1", 900, 900), share("2", 100, 100)], 1, true), ["1 2"]);
});

Deno.test("selectSmall() takes small segments when there are many", () => {
  const segments = Array.from({ length: 12 }, (_, i) => ({
    name: `${i}`,
    values: 1,
    bytes: i % 2 === 0 ? 1000 : 20 * MIB,
  }));
  assertEquals(selectSmall(segments), []);
  const many = segments.concat(segments.map((segment) => ({ ...segment, bytes: 5 })));
  const names = selectSmall(many).map(({ name }) => name);
  assertEquals(names, ["0", "2", "4", "6", "8", "10", "0", "1"]);
});

Deno.test("DigestSet.has() finds what is in it, and what was sent as bytes", () => {
  const digests = Array.from({ length: 2000 }, (_, i) => toDigest(`${i}`));
  // Two that begin in the same way.
  const twins = [`${"a".repeat(63)}b`, `${"a".repeat(63)}c`];
  const sent = new DigestSet(DigestSet.of([...digests, ...twins]).bytes);
  assertEquals([...digests, ...twins].every((digest) => sent.has(digest)), true);
  assertEquals(sent.has(`${"a".repeat(63)}d`), false);
  assertEquals(digests.some((_, i) => sent.has(toDigest(`no ${i}`))), false);
  assertEquals(DigestSet.of([]).has(toDigest("x")), false);
});
