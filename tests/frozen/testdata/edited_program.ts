// A program whose sources are edited while it runs: makes a call on an executor, edits a file, makes
// another call on a second executor, and tells what was remembered of it.
// Arguments: the kind of worker, the cache, the file, what is replaced in it, and by what.
import { cacheScope, createMemoryCache, Executor, openBag, type WorkerType } from "@quiver/quiver";

if (import.meta.main) {
  const [type, kind, file, from = "", to = ""] = Deno.args;
  const { times } = await import(`file://${Deno.cwd()}/tasks.ts`);
  const path = `${Deno.cwd()}/${file}`;
  const warnings: string[] = [];
  await using bag = await openBag(`${Deno.cwd()}/results.bag`, { fold: "manual" });
  const cache = kind === "memory" ? createMemoryCache() : bag;
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  const call = async (n: number) => {
    await using executor = new Executor({ maxWorkers: 1, workerType: type as WorkerType });
    return [await executor.submit(times, n), await Array.fromAsync(executor.map(times, [n + 100]))];
  };
  await cacheScope({ cache, onWarning }, async () => {
    const before = await call(1);
    const text = Deno.readTextFileSync(path);
    if (file === "touch") Deno.utimeSync(path, new Date(), new Date());
    else Deno.writeTextFileSync(path, text.replace(from, to));
    const after = await call(2);
    Deno.writeTextFileSync(path, text);
    const known = [await times.contains(1), await times.contains(2), await times.contains(102)];
    console.log(JSON.stringify({ before, after, known, here: await times(2), warnings }));
  });
}
