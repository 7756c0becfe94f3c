// end-to-end: what a program sees whose bag is moved away, or cleaned, while it works with it
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { cacheScope, openBag, QuiverError, type QuiverWarning, task } from "@quiver/quiver";
import { openFileCache, query } from "@quiver/quiver/caches";

let runs = 0;
const square = task(import.meta, function square(n: number): number {
  runs++;
  return n * n;
});

const GONE = "it was moved, removed or cleared while it was open";

for (const [kind, open] of [["bag", openBag], ["file cache", openFileCache]] as const) {
  Deno.test(`calls go on when their ${kind} is moved: with a warning, or an error if strict`, async () => {
    const directory = await Deno.makeTempDir();
    const path = `${directory}/cache`;
    const cache = await open(path);
    const warnings: QuiverWarning[] = [];
    const onWarning = (warning: QuiverWarning) => void warnings.push(warning);
    await cacheScope({ cache, onWarning }, async () => {
      assertEquals(await square(2), 4);
      assertEquals(warnings, []);
      await Deno.rename(path, `${path}.old`);
      assertEquals(await square(3), 9);
      const texts = warnings.map(({ message, cause }) => `${message}: ${cause}`).join("\n");
      assertStringIncludes(texts, GONE);
    });
    await cacheScope({ cache, onWarning, strict: true }, async () => {
      const error = await assertRejects(() => square(4), QuiverError);
      assertStringIncludes(String(error.cause), GONE);
    });
    await cache.close();
    assertEquals(Array.from(Deno.readDirSync(directory), ({ name }) => name), ["cache.old"]);
    await Deno.remove(directory, { recursive: true });
  });
}

Deno.test("whatever is asked of a bag that was moved ends with a sentence", async () => {
  const directory = await Deno.makeTempDir();
  const bag = await openBag(`${directory}/bag`);
  await cacheScope({ cache: bag }, () => square(2));
  await Deno.rename(`${directory}/bag`, `${directory}/elsewhere`);
  const asked: readonly (() => Promise<unknown>)[] = [
    () => bag.gc(),
    () => bag.compact(),
    () => bag.fold(),
    () => bag.evict(square),
    () => query(bag, { task: square }).count(),
    () => Array.fromAsync(query(bag, {})),
  ];
  for (const ask of asked) await assertRejects(ask, QuiverError, GONE);
  await bag.close();
  await Deno.remove(directory, { recursive: true });
});

Deno.test("strict calls of another handle are known after a cleaner was there", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/bag`;
  await using bag = await openBag(path);
  await cacheScope({ cache: bag, strict: true }, async () => {
    await square(10);
    for (const name of ["journal", "leases", "touches", "locks"]) {
      for (const entry of Deno.readDirSync(`${path}/${name}`)) {
        await Deno.remove(`${path}/${name}/${entry.name}`);
      }
    }
    await square(11);
  });
  runs = 0;
  await using other = await openBag(path);
  await cacheScope({ cache: other, strict: true }, () => square(11));
  assertEquals(runs, 0);
  await Deno.remove(directory, { recursive: true });
});
