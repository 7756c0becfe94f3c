import type { StoreDescription } from "./stores.ts";

/**
 * Leaves the signing keys out of a description, so that it may be shown.
 *
 * @param description The description.
 * @returns The same stores, unsigned.
 */
export function withoutKeys(description: StoreDescription): StoreDescription {
  if (description.type === "signed") return withoutKeys(description.stores);
  if (description.type === "limited") {
    return { ...description, stores: withoutKeys(description.stores) };
  }
  if ("layers" in description) {
    return { ...description, layers: description.layers.map(withoutKeys) };
  }
  if (description.type !== "mixed") return description;
  const { type, values, calls } = description;
  return { type, values: withoutKeys(values), calls: withoutKeys(calls) };
}

/**
 * Names what is described.
 *
 * @param description The description.
 * @returns The path, or the paths of values and calls.
 */
export function toPaths(description: StoreDescription): string {
  if (description.type === "signed" || description.type === "limited") {
    return toPaths(description.stores);
  }
  if ("layers" in description) return description.layers.map(toPaths).join(`", "`);
  if (description.type !== "mixed") return description.path;
  return `${toPaths(description.values)}" with "${toPaths(description.calls)}`;
}
