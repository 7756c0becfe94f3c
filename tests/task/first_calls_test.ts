// Collaboration: what many first calls at once do only once, seen by how often a source is read.
import { cacheScope, createMemoryCache, task, type TaskOptions } from "@quiver/quiver";
import { assertEquals, assertRejects } from "@std/assert";

const BURST = 2000;

/** A task, and how often the source of its function was read. */
function countReads(name: string, options: TaskOptions = {}) {
  const square = (n: number): number => n * n;
  const seen = { reads: 0 };
  const toString = () => {
    seen.reads++;
    return "(n) => n * n";
  };
  Object.defineProperty(square, "toString", { value: toString });
  return { square: task(import.meta, square, { name, ...options }), seen };
}

Deno.test("many first calls of a task at once read its source once", async () => {
  const { square, seen } = countReads("read once");
  await cacheScope({ cache: createMemoryCache() }, async () => {
    const results = await Promise.all(Array.from({ length: BURST }, (_, n) => square(n)));
    assertEquals(results.at(-1), (BURST - 1) ** 2);
    assertEquals(seen.reads, 1);
    await square(BURST);
    assertEquals(seen.reads, 1);
  });
});

Deno.test("many first keys of a task at once read its source once", async () => {
  const { square, seen } = countReads("key once");
  const keys = await Promise.all(Array.from({ length: BURST }, (_, n) => square.digest(n)));
  assertEquals([new Set(keys).size, seen.reads], [BURST, 1]);
});

Deno.test("a task whose source could not be read is read again by the next call", async () => {
  const { square, seen } = countReads("read again", { ignore: ["m"] });
  const calls = Array.from({ length: BURST }, (_, n) => square.digest(n));
  const ends = await Promise.allSettled(calls);
  assertEquals(ends.filter(({ status }) => status === "rejected").length, BURST);
  assertEquals(seen.reads, 1);
  await assertRejects(() => square.digest(0), TypeError, 'names "m"');
  assertEquals(seen.reads, 2);
});
