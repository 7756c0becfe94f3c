import { QuiverError } from "../errors.ts";
import type { Warn } from "../cache/warn.ts";
import { type QuiverWarning, writeWarning } from "../warning.ts";
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

/** Timers count no further. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

/**
 * Makes the scope that a nested one with these options is.
 *
 * @param outer The scope around it.
 * @param options What the nested one sets.
 * @returns The scope.
 * @throws {TypeError} When an option is unknown, or metadata is called "tags".
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
  const metadata = deriveMetadata(outer?.metadata, options.metadata);
  const cache = "cache" in options ? options.cache : outer?.cache;
  const workers = "workers" in options ? toScopeWorkers(options) : outer?.workers;
  const keepsWarn = outer !== undefined && strict === outer.strict && onWarning === undefined;
  return {
    ...(cache !== undefined && { cache }),
    ...(workers !== undefined && { workers }),
    tags: { ...outer?.tags, ...options.tags },
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
  if ("tags" in own) {
    throw new TypeError(
      'Cannot open a scope: the metadata "tags" are the tags of the scope; set them with `tags`',
    );
  }
  return { ...outer, ...own };
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
