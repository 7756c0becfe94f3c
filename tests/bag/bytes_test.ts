// end-to-end: what a call takes on disk
import { assertEquals, assertGreater } from "@std/assert";
import { cacheScope, openBag, task } from "@quiver/quiver";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";

const COUNT = 2000;

/** What a tiny call took on disk before records had headers, in bytes. */
const BEFORE = 952;

const double = task(import.meta, function double(n: number): number {
  return 2 * n + 0.5;
});

Deno.test("a tiny call takes less than half of the bytes that it took in a bag of version 1", async () => {
  using directory = new TemporaryDirectory();
  {
    await using bag = await openBag(directory.path);
    await cacheScope({ cache: bag }, async () => {
      for (let n = 0; n < COUNT; n++) await double(n + 0.25);
    });
  }
  const sizes = listFiles(directory.path).map((name) =>
    [name, Deno.statSync(`${directory.path}/${name}`).size] as const
  );
  const bytes = sizes.reduce((sum, [, size]) => sum + size, 0) / COUNT;
  assertGreater(BEFORE / 2, bytes, JSON.stringify(sizes));
  await using bag = await openBag(directory.path, { mode: "read" });
  await cacheScope({ cache: bag }, async () => {
    for (let n = 0; n < COUNT; n += 100) assertEquals(await double.contains(n + 0.25), true);
  });
});
