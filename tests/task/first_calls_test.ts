// Collaboration: what many first calls at once do only once, seen by how often a source is read.
import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
import { assertEquals, assertRejects } from "@std/assert";

const BURST = 2000;

/** A task, and how often the source of its function is read until that is disposed. */
function countReads(name: string, fn = (n: number): number => n * n) {
  // It looks once whether the function may use `this`.
  const square = task(import.meta, fn, { name });
  const read = Function.prototype.toString;
  const seen = {
    reads: 0,
    [Symbol.dispose]: () => void (Function.prototype.toString = read),
  };
  Function.prototype.toString = function (this: unknown): string {
    if (this === fn) seen.reads++;
    return read.call(this);
  };
  return { square, seen };
}

Deno.test("many first calls of a task at once read its source once", async () => {
  const { square, seen } = countReads("read once");
  using _restored = seen;
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
  using _restored = seen;
  const keys = await Promise.all(Array.from({ length: BURST }, (_, n) => square.digest(n)));
  assertEquals([new Set(keys).size, seen.reads], [BURST, 1]);
});

Deno.test("a task whose source could not be read is read again by the next call", async () => {
  const { square, seen } = countReads("read again", ((n: number) => n * n).bind(null));
  using _restored = seen;
  const calls = Array.from({ length: BURST }, (_, n) => square.digest(n));
  const ends = await Promise.allSettled(calls);
  assertEquals(ends.filter(({ status }) => status === "rejected").length, BURST);
  assertEquals(seen.reads, 1);
  await assertRejects(() => square.digest(0), TypeError, "bound and native functions");
  assertEquals(seen.reads, 2);
});
