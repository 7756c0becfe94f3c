/**
 * The caches that a configuration names, each opened once; loaded with the first that is asked for.
 *
 * @module
 */
import { sharedByCopies } from "../base/ambient.ts";
import { checkOptions } from "../base/check_options.ts";
import { toPath } from "../value/file/file_handle.ts";
import { type Cache, type CollectorName, createMemoryCache } from "./cache.ts";
import { CacheConfig, type CacheEntry, type JsonObject, resolvePath, toEntry } from "./config.ts";
import { limited, readOnly, stack, union } from "./layered.ts";
import { openBag, openFileCache, openSqliteCache } from "./stored_cache.ts";

/** A cache that was opened. */
interface OpenedCache {
  /** The cache. */
  readonly cache: Cache;
  /** Those that it stands on. */
  readonly parts: readonly OpenedCache[];
  /** Whether others may have it, too, by its name. */
  readonly named?: true;
}

/** The named caches that are open in this isolate, by what their names stand for. */
const OPEN = sharedByCopies("named caches", () => new Map<string, Promise<OpenedCache>>());

/** Opens what stands inside of another cache. */
type OpenPart = (value: unknown) => Promise<OpenedCache>;

/** What a type of caches is opened by. */
type Opener = (
  entry: CacheEntry,
  options: JsonObject,
  open: OpenPart,
) => Promise<OpenedCache>;

/** What each type of caches is opened by; options are checked by those who take them. */
const OPENERS: { readonly [type: string]: Opener } = {
  bag: (entry, options) => onDisk(openBag, entry, options),
  files: (entry, options) => onDisk(openFileCache, entry, options),
  sqlite: (entry, options) => onDisk(openSqliteCache, entry, options),
  memory: (entry, options) => {
    checkOptions(`use cache ${entry.title}`, options, {});
    return Promise.resolve({ cache: createMemoryCache(), parts: [] });
  },
  stack: (entry, options, open) => layered(stack, entry, options, open),
  union: (entry, options, open) => layered(union, entry, options, open),
  limited: async ({ title }, { cache, ...limits }, open) => {
    if (cache === undefined) {
      throw new TypeError(
        `Cannot use cache ${title}: its \`cache\` is the name of another, or a cache`,
      );
    }
    const inner = await open(cache);
    return { cache: limited(inner.cache, limits), parts: [inner] };
  },
  remote: ({ title }) => {
    throw new TypeError(
      `Cannot use cache ${title}: there are no remote caches yet; take a bag on a shared disk`,
    );
  },
};

/** Opens a cache on disk; where it is only read, nothing is written to it. */
async function onDisk(
  open: (path: string, options: object) => Promise<Cache>,
  entry: CacheEntry,
  { path: _, ...options }: JsonObject,
): Promise<OpenedCache> {
  const { signingKey } = options;
  if (typeof signingKey === "string" || Array.isArray(signingKey)) {
    throw new TypeError(
      `Cannot use cache ${entry.title}: a key in a file is no secret; have \`signingKey\` be the ` +
        `name of a variable, such as {"environment": "LAB_KEY"}`,
    );
  }
  const mode = entry.spec.readOnly === true ? { mode: "read" } : {};
  return { cache: await open(resolvePath(entry), { ...options, ...mode }), parts: [] };
}

async function layered(
  combine: (first: Cache, ...others: readonly Cache[]) => Cache,
  { title, spec: { caches } }: CacheEntry,
  { caches: _, ...options }: JsonObject,
  open: OpenPart,
): Promise<OpenedCache> {
  checkOptions(`use cache ${title}`, options, {});
  if (!Array.isArray(caches) || caches.length === 0) {
    throw new TypeError(
      `Cannot use cache ${title}: its \`caches\` are an array of names of others, or of caches`,
    );
  }
  const parts: OpenedCache[] = [];
  for (const part of caches) parts.push(await open(part));
  const [first, ...others] = parts.map(({ cache }) => cache);
  // Two handles of one directory are one cache, too.
  const places = new Set(parts.map(({ cache }) => Reflect.get(cache, "path") ?? cache));
  if (first === undefined || places.size < parts.length) {
    throw new TypeError(`Cannot use cache ${title}: it names one cache twice`);
  }
  return { cache: combine(first, ...others), parts };
}

/** Where a configuration is looked for. */
export interface UseCacheOptions {
  /**
   * The folder to begin at, a path or a `file:` URL; further up is looked, too.
   *
   * @default {Deno.cwd()}
   */
  from?: string | URL;
  /**
   * Whether the cache may be changed: with `"read"` nothing is written to what it stands on, and what is
   * missing is not created, but an error.
   *
   * @default {"readwrite"}
   */
  mode?: "readwrite" | "read";
}

/**
 * Gives a cache by its name, and opens it unless it is open; and what is collected of its calls, if a
 * configuration says so.
 *
 * @param name The name; without one, the default.
 * @param options Where to look.
 */
export async function openNamedCache(
  name: string | undefined,
  { from = ".", mode = "readwrite" }: UseCacheOptions,
): Promise<NamedCache> {
  const path = toPath(from, "look for a configuration");
  return await openFrom(new CacheConfig(path, mode === "read"), name);
}

/** The same of the default, where the configuration of the working directory has one. */
export async function openDefaultCache(): Promise<NamedCache | undefined> {
  const config = new CacheConfig(".", false);
  return config.default === undefined ? undefined : await openFrom(config, config.default);
}

/** A cache, and what is collected of its calls, if a configuration says so. */
interface NamedCache {
  readonly cache: Cache;
  readonly collect?: readonly CollectorName[];
}

async function openFrom(config: CacheConfig, name: string | undefined): Promise<NamedCache> {
  const { cache } = await openEntry(config, config.find(name), []);
  const { collectors } = config;
  return { cache, ...(collectors !== undefined && { collect: collectors }) };
}

/** Opens a cache that has a name once. */
async function openEntry(
  config: CacheConfig,
  entry: CacheEntry,
  around: readonly CacheEntry[],
): Promise<OpenedCache> {
  const within = [...around, entry];
  const identity = toIdentity(config, entry, within);
  if (entry.name === undefined) return await create(config, entry, within);
  const key = JSON.stringify([identity, config.protects]);
  const known = OPEN.get(key);
  const before = await known;
  if (before !== undefined && isOpen(before)) return before;
  // Somebody else may have opened it again meanwhile.
  const other = OPEN.get(key);
  if (other !== undefined && other !== known) return await other;
  const opening = create(config, entry, within).then((made) => ({ ...made, named: true } as const));
  OPEN.set(key, opening);
  opening.catch(() => OPEN.get(key) === opening && OPEN.delete(key));
  await release(before?.parts ?? []);
  return await opening;
}

/** What tells a cache from others of its name: which file names it, and what it stands on. */
type Identity = readonly [file: string, name: string | undefined, ...parts: Identity[]];

/**
 * Finds what a cache is, seen from a folder: the names that it stands on may be those of other files there.
 * What it stands on must not stand on it, as each would wait until the other is open.
 *
 * @throws {TypeError} When it stands on itself.
 */
function toIdentity(
  config: CacheConfig,
  entry: CacheEntry,
  within: readonly CacheEntry[],
): Identity {
  const parts = partsOf(entry).map((part) => {
    const inner = typeof part === "string" ? config.find(part, entry) : toPart(part, entry, config);
    const names = [...within, inner].flatMap(({ name }) => name ?? []);
    if (inner.name !== undefined && within.some(({ name }) => name === inner.name)) {
      throw new TypeError(
        `Cannot use cache ${entry.title}: it stands on itself: ${names.join(" → ")}`,
      );
    }
    return toIdentity(config, inner, [...within, inner]);
  });
  return [entry.file, entry.name, ...parts];
}

function partsOf({ spec: { caches, cache } }: CacheEntry): readonly unknown[] {
  return [...Array.isArray(caches) ? caches : [], ...cache === undefined ? [] : [cache]];
}

function toPart(value: unknown, { title, file }: CacheEntry, config: CacheConfig): CacheEntry {
  return config.protect(toEntry(value, { title: `inside of ${title}`, file }));
}

/** Options are checked by those who take them; what they say is told of this cache. */
async function create(
  config: CacheConfig,
  entry: CacheEntry,
  within: readonly CacheEntry[],
): Promise<OpenedCache> {
  const { title, spec } = entry;
  const { type, readOnly: protect = false, ...options } = spec;
  const open = typeof type === "string" && Object.hasOwn(OPENERS, type) ? OPENERS[type] : undefined;
  if (open === undefined) {
    const state = type === undefined
      ? "it has no `type`"
      : `there is no type ${JSON.stringify(type)}`;
    throw new TypeError(
      `Cannot use cache ${title}: ${state}; the types are ${Object.keys(OPENERS).join(", ")}`,
    );
  }
  if (typeof protect !== "boolean") {
    throw new TypeError(`Cannot use cache ${title} as \`readOnly\` must be true or false`);
  }
  const parts: OpenedCache[] = [];
  const openPart: OpenPart = async (part) => {
    const inner = typeof part === "string" ? config.find(part, entry) : toPart(part, entry, config);
    const opened = await openEntry(config, inner, within);
    parts.push(opened);
    return opened;
  };
  try {
    const opened = await open(entry, options, openPart);
    if (!protect || opened.cache.readOnly) return opened;
    return { cache: readOnly(opened.cache), parts: [opened] };
  } catch (error) {
    await release(parts);
    throw toTold(error, title);
  }
}

/** Lets go of caches that nobody else has. */
async function release(caches: readonly OpenedCache[]): Promise<void> {
  for (const { cache, parts, named } of caches) {
    if (named) continue;
    if (isDisposable(cache)) await cache[Symbol.asyncDispose]();
    await release(parts);
  }
}

/** What was wrong with an option is told with the cache that has it. */
function toTold(error: unknown, title: string): unknown {
  const isPlain = error instanceof TypeError || error instanceof RangeError;
  if (!isPlain || error.message.startsWith("Cannot use ")) return error;
  const message = `Cannot use cache ${title}: ${error.message}`;
  return error instanceof RangeError
    ? new RangeError(message, { cause: error })
    : new TypeError(message, { cause: error });
}

function isOpen({ cache, parts }: OpenedCache): boolean {
  return Reflect.get(cache, "closed") !== true && parts.every(isOpen);
}

/**
 * Lets go of all named caches that are open.
 *
 * @returns The caches.
 */
export async function closeNamedCaches(): Promise<ReadonlySet<Cache>> {
  const opening = [...OPEN.values()];
  OPEN.clear();
  const opened = await Promise.allSettled(opening);
  const caches = new Set<Cache>();
  const add = ({ cache, parts }: OpenedCache): void => {
    caches.add(cache);
    parts.forEach(add);
  };
  for (const one of opened) if (one.status === "fulfilled") add(one.value);
  await Promise.all(
    Array.from(caches).filter(isDisposable).map((cache) => cache[Symbol.asyncDispose]()),
  );
  return caches;
}

/** Memory need not be let go of, nor what stands on others. */
function isDisposable(cache: Cache): cache is Cache & AsyncDisposable {
  return Symbol.asyncDispose in cache;
}
