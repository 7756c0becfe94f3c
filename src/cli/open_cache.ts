import { type Bag, type Cache, closeCaches, openBag, useCache } from "../../mod.ts";
import { listCaches } from "../caches.ts";
import { type CommandCall, UsageError } from "./command.ts";
import { toSafeLine } from "./safe_text.ts";

/** The cache that a call of the command means. */
export interface CacheHandle extends AsyncDisposable {
  /** The cache. */
  readonly cache: Cache;
  /** What it is called in messages, safe to show. */
  readonly title: string;
}

/** How a command opens its cache. */
export interface OpenCacheOptions {
  /** Whether it changes something; then what only reads may lack the right to write. */
  readonly writes?: boolean;
  /** Whether a bag that is not there is created. */
  readonly creates?: boolean;
}

/**
 * Opens the cache that a call means: the bag that it names, else the default of the configuration, else
 * the only bag in this folder.
 *
 * @param call The call.
 * @param options Whether it is changed.
 * @throws {UsageError} When there is no such bag, or more than one; the message lists what there is.
 */
export async function openCache(
  call: CommandCall,
  options: OpenCacheOptions = {},
): Promise<CacheHandle> {
  const { writes = false, creates = false } = options;
  const { bag: named, cache: name } = call.options;
  const path = named ?? call.bag;
  if (path !== undefined && name !== undefined) {
    throw new UsageError(`Cannot use both the bag "${path}" and --cache ${name}: give one of them`);
  }
  const mode = writes ? "readwrite" : "read";
  if (path === undefined && (name !== undefined || listCaches().some((each) => each.isDefault))) {
    const cache = await useCache(name, { mode });
    const title = name === undefined ? "the default cache" : `cache "${toSafeLine(name)}"`;
    return { cache, title, [Symbol.asyncDispose]: closeCaches };
  }
  const bag = path ?? findOnlyBag();
  if (!creates && !isBagFolder(bag)) throw new UsageError(`${describeMissing(bag)}; ${listBags()}`);
  const onWarning = ({ message }: { readonly message: string }) => warn(call, message);
  const cache = await openBag(bag, { mode, onWarning });
  return {
    cache,
    title: `"${toSafeLine(bag)}"`,
    [Symbol.asyncDispose]: () => cache[Symbol.asyncDispose](),
  };
}

/**
 * Finds the bag that a call means, without opening it: one that is damaged can be.
 *
 * @throws {UsageError} When it is not there, or it is not clear which is meant.
 */
export function findBag(call: CommandCall): string {
  const bag = call.options.bag ?? call.bag ?? findOnlyBag();
  if (isFolder(bag)) return bag;
  throw new UsageError(`${describeMissing(bag)}; ${listBags()}`);
}

/**
 * Gives a cache as the bag that it is.
 *
 * @param action What cannot be done with another one.
 * @throws {UsageError} When it is none.
 */
export function toBag({ cache, title }: CacheHandle, action: string): Bag {
  if (isBag(cache)) return cache;
  throw new UsageError(`Cannot ${action} ${title}: it is no bag`);
}

function isBag(cache: Cache): cache is Bag {
  return "importHdf5" in cache;
}

/** Tells of something that costs nobody a result, on standard error. */
export function warn({ terminal }: CommandCall, message: string): void {
  terminal.writeError(`quiver: warning: ${toSafeLine(message)}\n`);
}

/** Tells what is done, on standard error, unless only what was asked for is to be written. */
export function note({ terminal, options }: CommandCall, message: string): void {
  if (options.quiet !== true) terminal.writeError(`${toSafeLine(message)}\n`);
}

function findOnlyBag(): string {
  const bags = findBags();
  const [only] = bags;
  if (only !== undefined && bags.length === 1) return only;
  throw new UsageError(
    `Cannot tell which bag is meant: ${listBags()}; name one, such as: quiver ls results.bag`,
  );
}

function findBags(): string[] {
  const names = Array.from(Deno.readDirSync("."), ({ name }) => name);
  return names.filter((name) => name.endsWith(".bag") && isBagFolder(name)).sort();
}

/** What there is, for messages. */
function listBags(): string {
  const bags = findBags();
  const caches = listCaches().map(({ name }) => name);
  const here = bags.length === 0 ? "no *.bag is here" : `here are ${bags.join(", ")}`;
  const named = caches.length === 0
    ? ""
    : `, and the configuration names ${caches.join(", ")} (for --cache)`;
  return here + named;
}

function describeMissing(path: string): string {
  const found = lookAt(path);
  if (found === undefined) return `Cannot open "${path}": there is none`;
  return found.isDirectory
    ? `Cannot open "${path}": it is no bag, as it has no bag.json`
    : `Cannot open "${path}": it is no folder`;
}

function isBagFolder(path: string): boolean {
  return lookAt(`${path}/bag.json`)?.isFile === true;
}

function isFolder(path: string): boolean {
  return lookAt(path)?.isDirectory === true;
}

function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    const { NotFound, NotADirectory } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return undefined;
    throw error;
  }
}
