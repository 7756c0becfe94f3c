import { createBagWithoutTable, createCompactedBag, createSmallBag } from "../store/_small_bag.ts";

/** The bags whose bytes are changed. */
export const BAG_NAMES = ["a bag", "a compacted bag", "a bag without its table"] as const;

/** One of them. */
export type BagName = typeof BAG_NAMES[number];

/** How each is made. */
export const CREATE_BAG: { readonly [name in BagName]: (path: string) => Promise<void> } = {
  "a bag": (path) => createSmallBag(path),
  "a compacted bag": createCompactedBag,
  "a bag without its table": createBagWithoutTable,
};
