import { fileURLToPath } from "node:url";
import type { DiskBag } from "../bag/disk_bag.ts";
import { openBagFiles } from "../bag/open_bag.ts";
import { checkIsOptions } from "../base/check_options.ts";
import { importLater } from "../base/lazy_import.ts";
import type { BagOptions, CacheFilesOptions } from "../disk/disk_storage.ts";
import type { DiskStorage } from "../disk/disk_stores.ts";
import { LAYERED, mixStores } from "./layered_stores.ts";
import { limitStores } from "./limited/limited_stores.ts";
import { MemoryLeases } from "./memory_stores.ts";
import { type SigningOptions, toSigningKeys } from "./signed/signing_keys.ts";
import {
  type BagDescription,
  type FilesDescription,
  NO_STATISTICS,
  type PromptStores,
  type SqliteDescription,
  type SqliteOptions,
  type StoreDescription,
  type Stores,
} from "./stores.ts";

/** Stores that hold files, to be let go of. */
export interface OpenStores extends AsyncDisposable {
  /** The stores. */
  readonly stores: Stores;
}

/** Stores of a cache on disk, and the cache itself. */
export interface OpenFiles<F extends DiskStorage = DiskStorage> extends OpenStores {
  /** The stores; they answer at once. */
  readonly stores: PromptStores;
  /** What is beneath the stores. */
  readonly files: F;
}

/**
 * Opens the stores of a bag.
 *
 * @param path The directory of the bag.
 * @param options How to open it.
 */
export async function openBagStores(
  path: string | URL,
  all: BagOptions & SigningOptions = {},
): Promise<OpenFiles<DiskBag>> {
  checkIsOptions("open a bag", all);
  const { signingKey, ...options } = all;
  const sign = await loadSign(toSigningKeys(signingKey));
  const { fold: _, ...shared } = options;
  const files = await openBagFiles(toPath(path), options);
  return openFiles(files, { type: "bag", path: files.path, options: shared }, sign);
}

/**
 * Opens the stores of a file cache.
 *
 * @param options How to open it.
 */
export async function openFileStores(
  path: string | URL,
  all: CacheFilesOptions & SigningOptions = {},
): Promise<OpenFiles> {
  checkIsOptions("open a file cache", all);
  const { signingKey, ...options } = all;
  const sign = await loadSign(toSigningKeys(signingKey));
  const { openFileDirectory } = await importLater<typeof import("./file_cache.ts")>("files");
  const files = openFileDirectory(toPath(path), options);
  return openFiles(files, { type: "files", path: files.path, options }, sign);
}

/**
 * Opens the stores of a cache in a SQLite database.
 *
 * @param options How to open it.
 */
export async function openSqliteStores(
  path: string | URL,
  all: SqliteOptions & SigningOptions = {},
): Promise<OpenFiles> {
  checkIsOptions("open a SQLite cache", all);
  const { signingKey, ...options } = all;
  const sign = await loadSign(toSigningKeys(signingKey));
  const { openSqliteFiles } = await importLater<typeof import("./sqlite/sqlite_storage.ts")>(
    "sqlite",
  );
  const files = openSqliteFiles(toPath(path), options);
  return openFiles(files, { type: "sqlite", path: files.path, options }, sign);
}

/**
 * Opens what another isolate has described. What is not sealed at close is left to that isolate.
 *
 * @param description What to open.
 */
export async function openDescribedStores(description: StoreDescription): Promise<OpenStores> {
  await using stack = new AsyncDisposableStack();
  const stores = await openInto(stack, description);
  const opened = stack.move();
  return { stores, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

async function openInto(
  stack: AsyncDisposableStack,
  description: StoreDescription,
): Promise<Stores> {
  const open = (inner: StoreDescription) => openInto(stack, inner);
  switch (description.type) {
    // With an empty list the keys of the environment are left alone: the description says it all.
    case "bag": {
      const options = { ...description.options, fold: "full", signingKey: [] } as const;
      return stack.use(await openBagStores(description.path, options)).stores;
    }
    case "files": {
      const options = { ...description.options, signingKey: [] };
      return stack.use(await openFileStores(description.path, options)).stores;
    }
    case "sqlite": {
      const options = { ...description.options, signingKey: [] };
      return stack.use(await openSqliteStores(description.path, options)).stores;
    }
    case "signed": {
      const { signStores } = await importLater<typeof import("./signed/signed_stores.ts")>(
        "signed",
      );
      return signStores(await open(description.stores), description.keys);
    }
    case "limited":
      return limitStores(await open(description.stores), description.limits);
    case "filtered":
      return (await loadViews()).filterStores(await open(description.stores), description.query);
    case "refreshing":
      return (await loadViews()).refreshStores(await open(description.stores), description.since);
    case "mixed":
      return mixStores(await open(description.values), await open(description.calls));
    default:
      return LAYERED[description.type](await Array.fromAsync(description.layers, open));
  }
}

function loadViews(): Promise<typeof import("./views.ts")> {
  return importLater<typeof import("./views.ts")>("views");
}

function openFiles<F extends DiskStorage>(
  files: F,
  description: BagDescription | FilesDescription | SqliteDescription,
  sign: Sign,
): OpenFiles<F> {
  const stores = sign(createDiskStores(files, description));
  return { stores, files, [Symbol.asyncDispose]: () => files.close() };
}

/**
 * Makes stores of an open cache on disk.
 *
 * @param files What is open. It stays the caller's to close.
 * @param description How another isolate opens the same.
 */
export function createDiskStores(
  files: DiskStorage,
  description: BagDescription | FilesDescription | SqliteDescription,
): PromptStores {
  const { values, calls, failures, leases, uses, sweeper, mode } = files;
  const readOnly = mode === "read";
  return {
    values,
    calls,
    // Who may not write stores no result, so there is nothing that others could wait for.
    leases: readOnly ? new MemoryLeases() : leases,
    failures,
    uses,
    ...(sweeper !== undefined && { sweeper }),
    readOnly,
    description,
    statistics: () => {
      const storage = files.statistics?.();
      return { ...NO_STATISTICS, ...(storage !== undefined && { storage }) };
    },
  };
}

/** Signs stores, if there are keys. */
type Sign = (stores: PromptStores) => PromptStores;

async function loadSign(keys: readonly string[]): Promise<Sign> {
  if (keys.length === 0) return (stores) => stores;
  const { signStores } = await importLater<typeof import("./signed/signed_stores.ts")>("signed");
  return (stores) => signStores(stores, keys);
}

/**
 * Makes a path of what users may give instead of one.
 *
 * @param path A path, or a `file:` URL.
 */
export function toPath(path: string | URL): string {
  return path instanceof URL ? fileURLToPath(path) : path;
}
