import { cacheScope, Executor, openBag, task } from "../../../mod.ts";
import { openFileCache, openSqliteCache } from "../../../src/caches.ts";

/** How to open a cache of each kind. */
export const OPEN = { bag: openBag, files: openFileCache, sqlite: openSqliteCache } as const;

/** What the program is told. */
export interface SweepOptions {
  readonly kind: keyof typeof OPEN;
  readonly path: string;
  /** Where each run of a body leaves a line. */
  readonly log: string;
  readonly calls: number;
  readonly workerType: "web" | "inline";
  readonly options?: object;
}

/** Called by every call of `outer`, so that it is found in the cache of the worker. */
export const inner = task(import.meta, function inner(log: string, n: number): Float64Array {
  Deno.writeTextFileSync(log, `inner ${n}\n`, { append: true });
  return new Float64Array(1000).fill(n);
});

/** Every two calls share an inner one. */
export const outer = task(import.meta, async function outer(log: string, n: number) {
  const part = await inner(log, n >> 1);
  Deno.writeTextFileSync(log, `outer ${n}\n`, { append: true });
  return { n, part };
});

/** Never ends, and says that it has begun. */
export const endless = task(import.meta, async function endless(_n: number): Promise<void> {
  console.log("computing");
  await new Promise(() => setInterval(() => {}, 1000));
});

if (import.meta.main) {
  const settings: SweepOptions = JSON.parse(Deno.args[0] ?? "");
  const { kind, path, log, calls, workerType, options } = settings;
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await using cache = await OPEN[kind](path, options);
  await using executor = new Executor({ maxWorkers: 2, workerType });
  await cacheScope({ cache, onWarning }, async () => {
    if (calls === 0) return await endless(1);
    const all = Array.from({ length: calls }, (_, n) => n);
    const results = await Promise.all(all.map((n) => executor.submit(outer, log, n)));
    const wrong = results.filter(({ n, part }, i) => n !== i || part[999] !== i >> 1).length;
    const { hits, misses, rejectedSignatures, rejectedValues } = cache.statistics();
    const rejected = [rejectedSignatures, rejectedValues];
    console.log(JSON.stringify({ wrong, hits, misses, rejected, warnings }));
  });
}
