import { QuiverError } from "../errors.ts";
import type { Warn } from "../cache/warn.ts";
import { type QuiverWarning, writeWarning } from "../warning.ts";
import type { Scope, ScopeOptions } from "./scope.ts";

const OPTIONS: ReadonlySet<string> = new Set(["cache", "tags", "strict", "onWarning"]);

/**
 * Makes the scope that a nested one with these options is.
 *
 * @param outer The scope around it.
 * @param options What the nested one sets.
 * @returns The scope.
 * @throws {TypeError} When an option is unknown.
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
  const { strict = outer?.strict ?? false, onWarning } = options;
  const cache = "cache" in options ? options.cache : outer?.cache;
  const keepsWarn = outer !== undefined && strict === outer.strict && onWarning === undefined;
  return {
    ...(cache !== undefined && { cache }),
    tags: { ...outer?.tags, ...options.tags },
    strict,
    warn: keepsWarn ? outer.warn : createWarn(strict, onWarning ?? writeWarning),
    ...(outer?.chain !== undefined && { chain: outer.chain }),
  };
}

/** Each message once for a scope and those that inherit from it: a broken disk warns once, not a million times. */
function createWarn(strict: boolean, onWarning: (warning: QuiverWarning) => void): Warn {
  const seen = new Set<string>();
  return (message, cause) => {
    if (strict) throw new QuiverError(message, { cause });
    if (seen.has(message)) return;
    seen.add(message);
    onWarning(cause === undefined ? { message } : { message, cause });
  };
}
