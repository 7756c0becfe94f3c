import { endOf } from "../call/call_query.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import type { FailureStore, Stores } from "./stores.ts";

/** What of stores says which failures they keep. */
type Layer = Pick<Stores, "failures" | "readOnly">;

/** What reads of a store of failures. */
type FailureReader = Pick<FailureStore, "get" | "records">;

/**
 * Reads the failures of several stores as one, each key once: its newest. None of them is changed.
 *
 * @param layers The stores.
 * @returns The failures; absent where none of the stores keeps any.
 */
export function uniteFailures(layers: readonly Layer[]): { readonly failures?: FailureStore } {
  const kept = layers.flatMap(({ failures }) => failures ?? []);
  return kept.length === 0 ? {} : { failures: { ...READ_ONLY, ...readAll(kept) } };
}

/**
 * Puts the failures of stores on top of others: the first keeps what is new, and each that can be changed
 * forgets.
 *
 * @param layers The stores, the first on top.
 * @returns The failures; absent where the first keeps none, nor any of the others.
 */
export function stackFailures(layers: readonly Layer[]): { readonly failures?: FailureStore } {
  const top = layers[0]?.failures;
  const kept = layers.flatMap(({ failures }) => failures ?? []);
  if (kept.length === 0) return {};
  const writable = layers.filter(({ readOnly }) => readOnly !== true)
    .flatMap(({ failures }) => failures ?? []);
  return {
    failures: {
      ...readAll(kept),
      seen: top?.seen ?? new Set(),
      put: top === undefined
        ? refuse("keep a failure in", "its first one keeps none")
        : top.put.bind(top),
      async delete(key) {
        const known = await Promise.all(writable.map((failures) => failures.delete(key)));
        return known.includes(true);
      },
    },
  };
}

/**
 * Shows some failures only; what is new, and what is forgotten, goes through.
 *
 * @param shows Tells which.
 * @returns The failures; absent where the stores keep none.
 */
export function showFailures(
  { failures }: Layer,
  shows: (record: CallRecord) => boolean,
): { readonly failures?: FailureStore } {
  if (failures === undefined) return {};
  return {
    failures: {
      seen: failures.seen,
      put: (record) => failures.put(record),
      delete: (key) => failures.delete(key),
      async get(key) {
        const record = await failures.get(key);
        return record !== undefined && shows(record) ? record : undefined;
      },
      async records() {
        return (await failures.records()).filter(shows);
      },
    },
  };
}

const READ_ONLY: Omit<FailureStore, keyof FailureReader> = {
  seen: new Set<Digest>(),
  put: refuse("keep a failure in"),
  delete: refuse("forget a failure of"),
};

function refuse(action: string, reason = "it is read-only"): () => never {
  return () => {
    throw new TypeError(`Cannot ${action} this cache: ${reason}`);
  };
}

function readAll(kept: readonly FailureStore[]): FailureReader {
  return {
    async get(key) {
      const found = await Promise.all(kept.map((failures) => failures.get(key)));
      return newestFirst(found.filter((record) => record !== undefined))[0];
    },
    async records() {
      const found = await Promise.all(kept.map((failures) => failures.records()));
      return newestFirst(found.flat()).reverse();
    },
  };
}

/** The newest failure of each key; among equals that of the first store counts. */
function newestFirst(records: readonly CallRecord[]): CallRecord[] {
  const newest = new Map<Digest, CallRecord>();
  for (const record of records.toSorted((a, b) => endOf(b) - endOf(a))) {
    newest.getOrInsert(record.key, record);
  }
  return [...newest.values()];
}
