// Tasks that use the executor that runs them, where that is in their own isolate.
import { Executor, type Future, type Task, task } from "@quiver/quiver";
import type { WorkerContext } from "@quiver/quiver/workers";

/** What the tests have put in the place of an executor. */
export const USED: { executor?: Executor; other?: Executor; context?: WorkerContext } = {};

/** How many bodies run, and how many have at most. */
export const RUNNING = { now: 0, most: 0 };

export const leaf = task(import.meta, async function leaf(n: number): Promise<number> {
  RUNNING.most = Math.max(RUNNING.most, ++RUNNING.now);
  await new Promise((resolve) => setTimeout(resolve));
  RUNNING.now--;
  return n;
});

function submit(n: number): Future<number> {
  if (USED.executor === undefined) throw new Error("there is no executor");
  return USED.executor.submit(leaf, n);
}

export const nest = task(import.meta, async function nest(n: number): Promise<number> {
  return 10 * await submit(n);
});

export const nestMany = task(import.meta, async function nestMany(count: number): Promise<number> {
  const values = await Promise.all(Array.from({ length: count }, (_, n) => submit(n)));
  return values.length;
});

export const nestMap = task(import.meta, async function nestMap(count: number): Promise<number> {
  const items = Array.from({ length: count }, (_, n) => n);
  const values = await Array.fromAsync(USED.executor?.map(leaf, items) ?? []);
  return values.length;
});

export const descend: Task<[number], number> = task(
  import.meta,
  // Without a name of its own, which would be that of the function inside of it.
  async (levels: number): Promise<number> =>
    levels === 0 ? 0 : 1 + await (USED.executor?.submit(descend, levels - 1) ?? NaN),
  { name: "descend" },
);

/** There and back through another executor. */
export const nestThrough = task(
  import.meta,
  async function nestThrough(n: number): Promise<number> {
    return await (USED.other?.submit(nest, n) ?? NaN);
  },
);

export const nestInContext = task(
  import.meta,
  async function nestInContext(n: number): Promise<number> {
    return await (USED.context?.run(leaf, [n]) ?? NaN);
  },
);

export const nestWithOptions = task(
  import.meta,
  async function nestWithOptions(n: number): Promise<number> {
    return await (USED.executor?.with({ priority: -5, deadline: 60_000 }).submit(leaf, n) ?? NaN);
  },
);

/** Each of these has workers of its own isolate, and so does what is nested in it. */
export const nestThere = task(
  import.meta,
  async function nestThere(levels: number): Promise<number> {
    await using executor = new Executor({ workerType: "inline", maxWorkers: 1 });
    USED.executor = executor;
    return await executor.submit(descend, levels);
  },
);
