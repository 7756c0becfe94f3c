// Tasks that tell what they see of their argument, at several moments.
import { type Task, task } from "@quiver/quiver";

/**
 * Describes a value so that no two that differ have one description; the order of entries in Maps and
 * Sets does not count, as it does not for keys.
 *
 * @param value The value.
 * @returns The description.
 */
export function describe(value: unknown): string {
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (value instanceof Map) return `Map ${describeEntries(value)}`;
  if (value instanceof Set) return `Set ${describeEntries(value)}`;
  if (value instanceof Uint8Array) return `bytes ${value.length} ${describeNumbers(value)}`;
  if (value instanceof Float64Array) return `floats ${value.length} ${describeNumbers(value)}`;
  if (Array.isArray(value)) return `[${value.map(describe).join()}]`;
  if (typeof value !== "object" || value === null) return `${typeof value} ${value}`;
  return `{${Object.entries(value).map(([name, field]) => `${name}: ${describe(field)}`).join()}}`;
}

function describeEntries(entries: Iterable<unknown>): string {
  return Array.from(entries, describe).sort().join();
}

/** What `frozen_calls.ts` changes of an array lies at its beginning, and is all but zeros. */
function describeNumbers(numbers: Uint8Array | Float64Array): string {
  return numbers.subarray(0, 8).join(" ");
}

/** A few turns of the event loop, and ticks of promises in each. */
async function pass(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    await Promise.resolve();
  }
}

/** Sees its argument at once. */
export const seeAtOnce = task(import.meta, function seeAtOnce(value: unknown): string {
  return describe(value);
});

/** Sees its argument a few ticks later. */
export const seeSoon = task(import.meta, async function seeSoon(value: unknown): Promise<string> {
  await Promise.resolve();
  await Promise.resolve();
  return describe(value);
});

/** Sees its argument when others have run. */
export const seeLate = task(import.meta, async function seeLate(value: unknown): Promise<string> {
  await pass(2);
  return describe(value);
});

/** Gives its argument back. */
export const giveBack = task(import.meta, function giveBack(value: unknown): unknown {
  return value;
});

/** Gives its argument back in something else, when others have run. */
export const giveBackLate = task(
  import.meta,
  async function giveBackLate(value: unknown): Promise<{ value: unknown }> {
    await pass(1);
    return { value };
  },
);

/** A task, and what its result tells of what it has seen. */
export interface SeeingTask {
  /** The task. */
  readonly task: Task<[value: unknown], unknown>;
  /** Describes the argument that gives such a result. */
  readonly toSeen: (result: unknown) => string;
}

/** All of them, by their names. */
export const SEEING: { readonly [name: string]: SeeingTask } = {
  seeAtOnce: { task: seeAtOnce, toSeen: String },
  seeSoon: { task: seeSoon, toSeen: String },
  seeLate: { task: seeLate, toSeen: String },
  giveBack: { task: giveBack, toSeen: describe },
  giveBackLate: {
    task: giveBackLate,
    toSeen: (result) => describe((result as { value: unknown }).value),
  },
};
