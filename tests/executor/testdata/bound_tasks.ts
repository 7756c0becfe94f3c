// Tasks that take tasks, for the tests of what travels.
import { type BoundTask, currentScope, type Task, task } from "@quiver/quiver";
import type { Json } from "@quiver/quiver/caches";

type Numbers = Task<[number], number>;

export const double = task(import.meta, function double(x: number): number {
  return 2 * x;
});

export const quadruple = task(import.meta, async function quadruple(x: number): Promise<number> {
  return await double(await double(x));
});

/** Calls what it is given. */
export const apply = task(import.meta, async function apply(fn: Numbers, x: number) {
  return await fn(x);
});

/** Calls all that it is given, wherever it is. */
export const applyAll = task(
  import.meta,
  async function applyAll(
    given: { list: Numbers[]; map: Map<string, Numbers>; set: Set<Numbers>; note: string },
  ) {
    const fns = [...given.list, ...given.map.values(), ...given.set];
    const [first] = fns;
    const results = await Promise.all(fns.map((fn) => fn(3)));
    return { results, note: given.note, same: fns.every((fn) => fn === first) };
  },
);

export const tags = task(import.meta, function tags(): { readonly [name: string]: Json } {
  return currentScope().tags;
});

/** Tells which scope a bound task has brought along, in JSON, as the bound task cannot go back. */
export const describe = task(
  import.meta,
  function describe(bound: BoundTask<[], unknown>): string {
    return JSON.stringify(bound);
  },
);
