import type { Stores, UseStore } from "./stores.ts";

/** What of stores says who has used their calls. */
type Layer = Pick<Stores, "uses">;

/**
 * Reads the uses of several stores as one, and changes none of them.
 *
 * @param layers The stores.
 * @returns The uses; absent where none of the stores keeps any.
 */
export function uniteUses(layers: readonly Layer[]): { readonly uses?: UseStore } {
  const kept = layers.flatMap(({ uses }) => uses ?? []);
  if (kept.length === 0) return {};
  const nothing = () => {};
  const read = () => kept.flatMap((uses) => uses.read());
  return { uses: { expect: nothing, add: nothing, carry: nothing, forget: nothing, read } };
}

/**
 * Keeps uses in all stores of a stack that may be changed: what the first answers, those beneath it are
 * to know of, too, or they would take it for unused.
 *
 * @param layers The stores.
 * @returns The uses; absent where none of the stores keeps any.
 */
export function stackUses(layers: readonly Layer[]): { readonly uses?: UseStore } {
  const kept = layers.flatMap(({ uses }) => uses ?? []);
  const [only] = kept;
  if (only === undefined || kept.length === 1) return only === undefined ? {} : { uses: only };
  return {
    uses: {
      // Whoever asks first brings them to the others.
      expect: (source) => {
        for (const uses of kept) {
          uses.expect(() => {
            const sets = source();
            for (const other of kept) if (other !== uses && sets.length > 0) other.add(sets);
            return sets;
          });
        }
      },
      add: (sets) => {
        for (const uses of kept) uses.add(sets);
      },
      carry: (sets) => {
        for (const uses of kept) uses.carry(sets);
      },
      forget: (keys, tags) => {
        const all = [...keys];
        for (const uses of kept) uses.forget(all, tags);
      },
      read: () => kept.flatMap((uses) => uses.read()),
    },
  };
}
