import type { Digest } from "../value/value.ts";

/** A call as it is shown in a cycle. */
export interface CallName {
  /** The task's name. */
  readonly task: string;
  /** The key of the call. */
  readonly key: Digest;
}

/** A call that waits for the result of a key that somebody else computes. */
export interface Wait {
  /** Tells waits apart, over all processes. */
  readonly id: string;
  /** When it began, in milliseconds since 1970. */
  readonly since: number;
  /** What it waits for. */
  readonly target: CallName;
  /** The calls that cannot go on before: those whose bodies made the call, one inside the other. */
  readonly callers: readonly CallName[];
}

/** Waits, by the calls that wait. */
export class WaitGraph {
  readonly #byCaller = new Map<Digest, Set<Wait>>();

  /**
   * Creates a graph.
   *
   * @param waits What it begins with.
   */
  constructor(waits: Iterable<Wait> = []) {
    for (const wait of waits) this.add(wait);
  }

  /** Adds a wait. */
  add(wait: Wait): void {
    for (const { key } of wait.callers) {
      const waits = this.#byCaller.get(key);
      if (waits === undefined) this.#byCaller.set(key, new Set([wait]));
      else waits.add(wait);
    }
  }

  /** Takes a wait out again. */
  delete(wait: Wait): void {
    for (const { key } of wait.callers) {
      const waits = this.#byCaller.get(key);
      if (waits?.delete(wait) && waits.size === 0) this.#byCaller.delete(key);
    }
  }

  /**
   * Finds a cycle in which a wait stands: who computes its target waits for something whose computer
   * waits, and so on, for one of its own callers.
   *
   * @param wait The wait.
   * @returns The waits of a shortest cycle, the given one first, or `undefined`.
   */
  findCycle(wait: Wait): readonly Wait[] | undefined {
    const own = new Set(wait.callers.map(({ key }) => key));
    const seen = new Set<Digest>();
    /** Through which wait each was come to, in the order in which they are looked at. */
    const from = new Map<Wait, Wait | undefined>([[wait, undefined]]);
    for (const next of from.keys()) {
      const { key } = next.target;
      if (own.has(key)) return toPath(from, next);
      if (seen.has(key)) continue;
      seen.add(key);
      for (const other of this.#byCaller.get(key) ?? []) {
        if (!from.has(other)) from.set(other, next);
      }
    }
    return undefined;
  }
}

function toPath(from: ReadonlyMap<Wait, Wait | undefined>, last: Wait): Wait[] {
  const path: Wait[] = [];
  for (let at: Wait | undefined = last; at !== undefined; at = from.get(at)) path.push(at);
  return path.reverse();
}

/**
 * Names the wait of a cycle that is to fail: the one that began last. All who see the cycle name the
 * same, and of several cycles that touch, at least the youngest wait of all is named by one.
 *
 * @param cycle The waits of the cycle.
 * @returns The wait.
 */
export function chooseVictim(cycle: readonly Wait[]): Wait | undefined {
  return cycle.toSorted((a, b) => b.since - a.since || (a.id < b.id ? 1 : -1))[0];
}

/**
 * Shows a cycle as the calls that wait for one another.
 *
 * @param cycle The waits of the cycle.
 * @returns The calls; each waits for the next, the last for the first.
 */
export function toCalls(cycle: readonly Wait[]): CallName[] {
  const targets = cycle.map(({ target }) => target);
  return [...targets.slice(-1), ...targets.slice(0, -1)];
}

/**
 * Reads waits from the note of another process, which may hold anything.
 *
 * @param note The note.
 * @returns The waits.
 */
export function toWaits(note: Record<string, unknown>): Wait[] {
  return Array.isArray(note.waits) ? note.waits.filter(isWait) : [];
}

function isWait(value: unknown): value is Wait {
  return isObject(value) && typeof value.id === "string" && typeof value.since === "number" &&
    isCallName(value.target) && Array.isArray(value.callers) && value.callers.every(isCallName);
}

function isCallName(value: unknown): value is CallName {
  return isObject(value) && typeof value.task === "string" && typeof value.key === "string";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
