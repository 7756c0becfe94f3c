// What does each kind of cache cost, and what do signing, a limit and collectors add?
import { type Cache, cacheScope, createMemoryCache, openBag } from "@quiver/quiver";
import { limited, openFileCache, openSqliteCache } from "@quiver/quiver/caches";
import { compare, type Contender } from "./_compare.ts";
import { large, tiny } from "./_tasks.ts";

const CALLS = 300;

const COLLECTORS = ["runtime", "environment", "git"] as const;

/** Compares hits and misses of the bag with those of the other caches, signed and unsigned. */
export async function run(): Promise<void> {
  const folder = await Deno.makeTempDir();
  const signingKey = "a key that signs benchmarks";
  {
    await using bag = await openBag(`${folder}/bag`, { fold: "manual" });
    await using signedBag = await openBag(`${folder}/signed`, { fold: "manual", signingKey });
    await using bounded = await openBag(`${folder}/limited`, { fold: "manual" });
    await using collected = await openBag(`${folder}/collected`, { fold: "manual" });
    await using files = await openFileCache(`${folder}/files`);
    await using signedFiles = await openFileCache(`${folder}/files.signed`, { signingKey });
    await using sqlite = await openSqliteCache(`${folder}/calls.db`);
    await using signedSqlite = await openSqliteCache(`${folder}/signed.db`, { signingKey });
    const caches: Record<string, Cache> = {
      "bag (baseline)": bag,
      "bag, signed": signedBag,
      "bag, limited": limited(bounded, { maxBytes: 1e9 }),
      "bag, all collectors": collected,
      files,
      "files, signed": signedFiles,
      sqlite,
      "sqlite, signed": signedSqlite,
      memory: createMemoryCache(),
    };
    const each = (run: (calls: number, cache: string) => Promise<void>): Contender[] =>
      Object.entries(caches).map(([name, cache]) => ({
        name,
        run: (calls) =>
          cacheScope(
            { cache, collect: name.endsWith("collectors") ? COLLECTORS : [] },
            () => run(calls, name),
          ),
      }));
    const next: Record<string, number> = {};
    await compare(
      "Tiny miss: run the body and acknowledge the result",
      each(async (calls, name) => {
        const first = next[name] ?? 0;
        next[name] = first + calls;
        for (let n = first; n < first + calls; n++) await tiny(n);
      }),
      { calls: CALLS },
    );
    await compare(
      "Tiny hit",
      each(async (calls) => {
        for (let n = 0; n < calls; n++) await tiny(n);
      }),
      { calls: CALLS },
    );
    await compare(
      "8 MB hit",
      each(async (calls) => {
        for (let n = 0; n < calls; n++) await large(1);
      }),
      { calls: 3 },
    );
  }
  await Deno.remove(folder, { recursive: true });
}

if (import.meta.main) await run();
