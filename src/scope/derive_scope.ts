import { QuiverError } from "../base/errors.ts";
import { checkCache } from "../cache/cache.ts";
import { type QuiverWarning, type Warn, writeWarning } from "../base/warning.ts";
import type { Scope, ScopeOptions } from "./scope.ts";
import { ScopeWorkers } from "./scope_workers.ts";
import type { Json } from "../call/call_record.ts";
import type { StoreDescription } from "../store/stores.ts";

const OPTIONS: ReadonlySet<string> = new Set([
  "cache",
  "tags",
  "metadata",
  "strict",
  "singleFlight",
  "leaseTimeout",
  "workers",
  "onWarning",
]);

/** How deep tags and metadata may be: what is deeper overflows the stack of those who read it. */
const DEEPEST_JSON = 100;

/** Timers count no further. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * Makes the scope that a nested one with these options is.
 *
 * @param outer The scope around it.
 * @param options What the nested one sets.
 * @returns The scope.
 * @throws {TypeError} When an option is unknown, `cache` is no cache, tags or metadata are no JSON, or
 * metadata is called "tags".
 * @throws {RangeError} When `leaseTimeout` is no time.
 */
export function deriveScope(outer: Scope | undefined, options: ScopeOptions): Scope {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.has(name)) {
      throw new TypeError(
        `Cannot open a scope: "${name}" is not an option; the options are ${
          [...OPTIONS].join(", ")
        }`,
      );
    }
  }
  const {
    strict = outer?.strict ?? false,
    singleFlight = outer?.singleFlight ?? true,
    leaseTimeout = outer?.leaseTimeout ?? Infinity,
    onWarning,
  } = options;
  checkTimeout(leaseTimeout);
  if (options.cache !== undefined) checkCache(options.cache, "open a scope as `cache`");
  const metadata = deriveMetadata(outer?.metadata, options.metadata);
  const cache = "cache" in options ? options.cache : outer?.cache;
  const workers = "workers" in options ? toScopeWorkers(options) : outer?.workers;
  const keepsWarn = outer !== undefined && strict === outer.strict && onWarning === undefined;
  return {
    ...(cache !== undefined && { cache }),
    ...(workers !== undefined && { workers }),
    tags: options.tags === undefined
      ? { ...outer?.tags }
      : { ...outer?.tags, ...toFacts(options.tags, "tags") },
    ...(metadata !== undefined && { metadata }),
    strict,
    singleFlight,
    leaseTimeout,
    warn: keepsWarn ? outer.warn : createWarn(strict, onWarning ?? writeWarning),
    ...(outer?.chain !== undefined && { chain: outer.chain }),
    ...(outer?.control !== undefined && { control: outer.control }),
    ...(outer?.output !== undefined && { output: outer.output }),
    ...(outer?.nesting !== undefined && { nesting: outer.nesting }),
  };
}

function deriveMetadata(
  outer: Scope["metadata"],
  own: Scope["metadata"],
): Scope["metadata"] {
  if (own === undefined) return outer;
  const facts = toFacts(own, "metadata");
  if ("tags" in facts) {
    throw new TypeError(
      'Cannot open a scope: the metadata "tags" are the tags of the scope; set them with `tags`',
    );
  }
  return { ...outer, ...facts };
}

/**
 * What goes into records, as it is now. A record is one line of JSON, and templates find by what is in
 * it: what JSON drops or changes is refused here, not when a result is there to be recorded.
 */
function toFacts<T extends object>(facts: T, option: string): T {
  if (!isPlainObject(facts)) {
    throw new TypeError(
      `Cannot open a scope as \`${option}\` must be a plain object: it is ${describe(facts)}`,
    );
  }
  checkFields(facts, option, []);
  return Object.keys(facts).length === 0 ? facts : structuredClone(facts);
}

function checkFields(value: object, path: string, around: readonly object[]): void {
  const inside = [...around, value];
  if (inside.length > DEEPEST_JSON) {
    throw new TypeError(
      `Cannot open a scope as its ${path.split(/[.[]/, 1)[0]} must be JSON: it is deeper than ` +
        `${DEEPEST_JSON} levels`,
    );
  }
  // A hole of an array is `undefined`.
  const entries = Array.isArray(value) ? Array.from(value).entries() : Object.entries(value);
  for (const [key, item] of entries) {
    const at = typeof key === "number" ? `${path}[${key}]` : `${path}.${key}`;
    if (item === null || typeof item === "string" || typeof item === "boolean") continue;
    if (typeof item === "number" && Number.isFinite(item)) continue;
    if (!Array.isArray(item) && !isPlainObject(item)) refuseJson(at, describe(item));
    else if (inside.includes(item)) refuseJson(at, "an object that contains itself");
    else checkFields(item, at, inside);
  }
}

function refuseJson(path: string, state: string): never {
  throw new TypeError(`Cannot open a scope as ${path} must be JSON: it is ${state}`);
}

function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function describe(value: unknown): string {
  if (value === null || typeof value === "number") return String(value);
  if (typeof value !== "object") {
    return typeof value === "undefined" ? "undefined" : `a ${typeof value}`;
  }
  return Array.isArray(value) ? "an array" : `a ${value.constructor?.name ?? "class instance"}`;
}

function toScopeWorkers({ workers }: ScopeOptions): ScopeWorkers | undefined {
  return workers === undefined ? undefined : new ScopeWorkers(workers);
}

function checkTimeout(leaseTimeout: number): void {
  if (leaseTimeout === Infinity) return;
  if (Number.isInteger(leaseTimeout) && leaseTimeout >= 0 && leaseTimeout <= LONGEST_TIMEOUT) {
    return;
  }
  throw new RangeError(
    `Cannot open a scope as \`leaseTimeout\` must be Infinity or an integer from 0 to ` +
      `${LONGEST_TIMEOUT}: current value is ${leaseTimeout}`,
  );
}

/**
 * Creates what is told of faults: each message once for a scope and those that inherit from it, as a
 * broken disk warns once, not a million times.
 *
 * @param strict Whether faults are thrown instead.
 * @param onWarning Told of each warning.
 * @returns What is told.
 */
export function createWarn(strict: boolean, onWarning: (warning: QuiverWarning) => void): Warn {
  // A worker makes a scope for each call, and next to none of them warns.
  let seen: Set<string> | undefined;
  return (message, cause) => {
    if (strict) throw new QuiverError(message, { cause });
    if (seen?.has(message)) return;
    (seen ??= new Set()).add(message);
    onWarning(cause === undefined ? { message } : { message, cause });
  };
}

/** A scope as data that structured clone and JSON carry. */
export interface ScopeDescription {
  /** How to open the scope's cache; absent when there is none, or none that can travel. */
  readonly cache?: StoreDescription;
  /** The scope's tags. */
  readonly tags: { readonly [name: string]: Json };
  /** The scope's metadata, if there is any. */
  readonly metadata?: { readonly [name: string]: Json };
  /** Whether a fault of the cache is thrown. */
  readonly strict: boolean;
  /** Whether calls that are computed already are waited for; they are, if not given. */
  readonly singleFlight?: boolean;
  /** How long they are waited for; without end, if not given. */
  readonly leaseTimeout?: number;
}

/**
 * Describes a scope, so that another isolate can restore it.
 *
 * @param scope The scope.
 * @param cache How to open its cache, if another isolate is to.
 * @returns The description.
 */
export function describeScope(
  { tags, metadata, strict, singleFlight, leaseTimeout }: Scope,
  cache: StoreDescription | undefined,
): ScopeDescription {
  return {
    tags,
    strict,
    ...(metadata !== undefined && { metadata }),
    ...(!singleFlight && { singleFlight }),
    ...(leaseTimeout !== Infinity && { leaseTimeout }),
    ...(cache !== undefined && { cache }),
  };
}

/**
 * What a scope puts into the records of its calls.
 *
 * @param scope The scope.
 * @returns The metadata, the tags among it.
 */
export function toRecordMetadata({ tags, metadata }: Scope): { readonly [name: string]: Json } {
  return { ...metadata, tags };
}
