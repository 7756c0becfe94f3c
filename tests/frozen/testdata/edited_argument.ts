// A program that passes tasks to a task, whose source is edited while it runs. Arguments: the kind of
// worker, and the cache.
import { cacheScope, createMemoryCache, Executor, openBag, type WorkerType } from "@quiver/quiver";

if (import.meta.main) {
  const [type, kind] = Deno.args;
  const { apply, applyItem } = await import(`file://${Deno.cwd()}/apply.ts`);
  const { given } = await import(`file://${Deno.cwd()}/given.ts`);
  const path = `${Deno.cwd()}/given.ts`;
  const warnings: string[] = [];
  await using bag = await openBag(`${Deno.cwd()}/results.bag`, { fold: "manual" });
  const cache = kind === "memory" ? createMemoryCache() : bag;
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  const call = async (n: number) => {
    await using executor = new Executor({ maxWorkers: 1, workerType: type as WorkerType });
    const items = [{ n, given }, { n: n + 10, given }];
    return [
      await executor.submit(apply, n, given),
      await executor.submit(apply, n, { given }),
      ...await Array.fromAsync(executor.map(applyItem, items, { chunkSize: 2 })),
    ];
  };
  const known = async (n: number) => [
    await apply.contains(n, given),
    await apply.contains(n, { given }),
    await applyItem.contains({ n, given }),
    await applyItem.contains({ n: n + 10, given }),
  ];
  await cacheScope({ cache, onWarning }, async () => {
    const before = await call(1);
    Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace("+ 0", "+ 1000"));
    const after = await call(2);
    const told = warnings.filter((message) => message.includes("start the program again"));
    console.log(
      JSON.stringify({ before, after, known: [await known(1), await known(2)], warnings: told }),
    );
  });
}
