import { fileURLToPath } from "node:url";
import type { BagFiles, BagOptions } from "../bag/bag_files.ts";
import { openBagFiles } from "../bag/open_bag_files.ts";
import { importLater } from "../import_later.ts";
import { createBagStores } from "./bag_stores.ts";
import type { StoreDescription, Stores } from "./stores.ts";

type Limiting = typeof import("./limited_stores.ts");

/** Stores that hold files, to be let go of. */
export interface OpenStores extends AsyncDisposable {
  /** The stores. */
  readonly stores: Stores;
  /** The bag beneath them. */
  readonly files: BagFiles;
}

/**
 * Opens the stores of a bag.
 *
 * @param path The directory of the bag.
 * @param options How to open it.
 * @returns The stores.
 */
export async function openBagStores(
  path: string | URL,
  options: BagOptions = {},
): Promise<OpenStores> {
  const directory = path instanceof URL ? fileURLToPath(path) : path;
  const files = await openBagFiles(directory, options);
  return {
    stores: createBagStores(files, options),
    files,
    [Symbol.asyncDispose]: () => files.close(),
  };
}

/**
 * Opens what another isolate has described. What is not sealed at close is left to that isolate.
 *
 * @param description What to open.
 * @returns The stores.
 */
export async function openDescribedStores(description: StoreDescription): Promise<OpenStores> {
  const { path, options, limits = [] } = description;
  const opened = await openBagStores(path, { ...options, fold: "full" });
  if (limits.length === 0) return opened;
  const { limitStores } = await importLater<Limiting>("./limited_stores.ts", import.meta.url);
  const stores = limits.reduce<Stores>((inner, limit) => limitStores(inner, limit), opened.stores);
  return { ...opened, stores };
}
