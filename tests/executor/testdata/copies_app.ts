// A program with one copy of Quiver, and a library with another.
import { cacheScope, currentScope, Executor, openBag, task, type WorkerType } from "@quiver/quiver";
import * as library from "./copies_library.ts";

export const sum = task(import.meta, function sum(a: number, b: number): number {
  return a + b;
});

/** Calls what the library has made, on whatever this runs. */
export const twice = task(import.meta, async function twice(n: number): Promise<number> {
  return 2 * await library.square(n);
});

if (import.meta.main) {
  const path = Deno.args[0] ?? "";
  const told: { [what: string]: unknown } = {};
  await using bag = await openBag(path);
  await cacheScope({ cache: bag, tags: { by: "app" } }, async () => {
    told.tags = library.tagsHere();
    told.here = [await library.square(2), await library.square(2), await library.nested(3)];
    const again = library.square(2);
    told.hit = [await again, again.hit];
    for (const workerType of ["inline", "web", "process"] satisfies WorkerType[]) {
      await using executor = new Executor({ workerType, maxWorkers: 1 });
      const n = 10 + workerType.length;
      const squared = executor.submit(library.square, n);
      // A future of either copy is an argument of a call of either.
      const both = executor.submit(sum, squared, library.square(n + 1));
      const mapped = await Array.fromAsync(executor.map(library.square, [n, n + 20]));
      const applied = await executor.submit(library.apply, library.square, n + 40);
      const again = executor.submit(library.square, n);
      await again;
      told[workerType] = [
        await squared,
        await both,
        mapped,
        applied,
        await executor.submit(twice, n + 60),
        await library.submitTo(executor, sum, n, 1),
        again.hit,
      ];
      const failure = await executor.submit(library.fail).catch((error) => Object(error));
      told[`${workerType} fails`] = [failure.name, failure.message, failure.key];
    }
    // An argument without a digest costs no result, whichever copy makes the key.
    told.unkeyed = await library.count(new Set([new WeakSet()]));
  });
  await cacheScope({ workers: { workerType: "inline" } }, async () => {
    told.context = await library.runHere(4);
  });
  told.errors = await library.errors();
  told.scopeAfter = currentScope().cache === undefined;
  const tasks = new Set<string>();
  for await (const { task } of bag.records()) tasks.add(task);
  told.remembered = [...tasks].sort();
  console.log(JSON.stringify(told));
}
