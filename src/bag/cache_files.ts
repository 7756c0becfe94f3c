import type { BagFiles } from "./bag_files.ts";

/**
 * What any place offers that keeps a cache on disk: bytes under digests, lines under keys, leases.
 * A bag does, and so do a directory with a file for each value, and a database.
 */
export type CacheFiles =
  & AsyncDisposable
  & Pick<
    BagFiles,
    | "path"
    | "mode"
    | "putValue"
    | "getValue"
    | "plainBytes"
    | "rejectValue"
    | "putCall"
    | "getCall"
    | "deleteCall"
    | "calls"
    | "tryLease"
    | "revokeLease"
    | "leaseChanged"
    | "tellWaits"
    | "readWaits"
    | "close"
  >;

/** How a cache on disk is opened, whatever its kind. */
export interface CacheFilesOptions {
  /**
   * Whether the cache may be changed; a read-only one never stores anything.
   *
   * @default {"readwrite"}
   */
  mode?: "readwrite" | "read";
  /**
   * What an acknowledged value survives: `"process"` the death of the process, `"power"` also loss
   * of power (data is synced first).
   *
   * @default {"process"}
   */
  durability?: "process" | "power";
}

const CHOICES: { readonly [name in keyof Required<CacheFilesOptions>]: readonly string[] } = {
  mode: ["readwrite", "read"],
  durability: ["process", "power"],
};

/**
 * Checks options that a user gave.
 *
 * @typeParam T The options of the kind.
 * @param kind What is opened, as in "a file cache".
 * @param options What the user gave.
 * @param defaults All options of the kind.
 * @returns The options, all of them.
 * @throws {TypeError} If one is misspelled, or has a value that it cannot have.
 */
export function checkCacheOptions<T extends Required<CacheFilesOptions>>(
  kind: string,
  options: Partial<T>,
  defaults: T,
): T {
  const settings = { ...defaults, ...options };
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(defaults, name));
  if (unknown !== undefined) {
    const names = Object.keys(defaults).map((name) => `"${name}"`).join(", ");
    throw new TypeError(
      `Cannot open ${kind}: "${unknown}" is no option; the options are ${names}`,
    );
  }
  for (const name of ["mode", "durability"] as const) {
    if (CHOICES[name].includes(settings[name])) continue;
    throw new TypeError(
      `Cannot open ${kind} as "${name}" must be ${
        CHOICES[name].map((choice) => `"${choice}"`).join(" or ")
      }: current value is "${settings[name]}"`,
    );
  }
  return settings;
}
