// end-to-end: calls that are followed as they are recorded
import { assertEquals, assertRejects } from "@std/assert";
import { cacheScope, createMemoryCache, openBag, task } from "@quiver/quiver";
import {
  type CallChange,
  filtered,
  follow,
  openFileCache,
  openSqliteCache,
  query,
} from "@quiver/quiver/caches";

const third = task(import.meta, (n: number) => n / 3, { name: "third" });
const fails = task(import.meta, (n: number): number => {
  throw new RangeError(`${n}`);
}, { name: "fails" });

/** What becomes of a change, in a word or two. */
function toWords(change: CallChange | void): string {
  if (change === undefined) return "nothing";
  return change.type === "forgotten" ? change.type : `${change.type} ${change.record.task}`;
}

for (const kind of ["memory", "bag", "files", "sqlite"] as const) {
  Deno.test(`follow() tells of what is recorded, fails and is forgotten in a cache of the kind ${kind}`, async () => {
    const path = await Deno.makeTempDir();
    {
      const opened = {
        memory: () => Promise.resolve(createMemoryCache()),
        bag: () => openBag(`${path}/bag`, { fold: "manual" }),
        files: () => openFileCache(`${path}/files`),
        sqlite: () => openSqliteCache(`${path}/sqlite.db`),
      };
      const cache = await opened[kind]();
      // The others keep none.
      const keepFailures = kind === "memory" || kind === "bag";
      const within = <T>(fn: () => Promise<T>) => cacheScope({ cache, keepFailures }, fn);
      await within(() => third(1));
      const changes = follow(cache, { interval: 5 });
      const next = async () => toWords((await changes.next()).value);
      const first = next();
      await within(() => third(2));
      assertEquals(await first, "recorded third");
      if (keepFailures) {
        await within(() => fails(3).catch(() => {}));
        assertEquals(await next(), "failed fails");
      }
      await query(cache, third).take(1).evict();
      assertEquals(await next(), "forgotten");
      await changes.return();
      if ("close" in cache && typeof cache.close === "function") await cache.close();
    }
    await Deno.remove(path, { recursive: true });
  });
}

Deno.test("follow() tells of a call once, though the log is compacted in between", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path);
    await using reader = await openBag(path, { mode: "read" });
    await cacheScope({ cache: bag }, () => third(1));
    const changes = follow(reader, { interval: 5 });
    const first = changes.next();
    await cacheScope({ cache: bag }, () => third(2));
    assertEquals(toWords((await first).value), "recorded third");
    await bag.compact({ gracePeriod: 0 });
    await cacheScope({ cache: bag }, () => third(3));
    const { value } = await changes.next();
    const last = await query(bag, { args: { n: 3 } }).only();
    assertEquals(value?.type === "recorded" && value.record.key, last.key);
    await changes.return();
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("follow() ends with the reason of its signal, and refuses what cannot be followed", async () => {
  const ended = new AbortController();
  const changes = follow(createMemoryCache(), { signal: ended.signal });
  const next = changes.next();
  ended.abort(new Error("enough"));
  await assertRejects(() => next, Error, "enough");
  const view = filtered(createMemoryCache(), { task: "third" });
  await assertRejects(() => follow(view).next(), TypeError, "Cannot follow this cache");
});
