import { CacheFormatError } from "../../base/errors.ts";
import { lookAt } from "../../disk/file_system.ts";
import { listNames } from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";

/** How many characters of a digest name the directory that its file lies in. */
const PREFIX_LENGTH = 2;

/** The directories that the files of one kind lie in, by how their digests begin. */
export class PrefixDirectories {
  readonly #root: string;
  /** Those that were seen to be none of somebody else's. */
  readonly #own = new Set<string>();

  /**
   * Looks at nothing yet.
   *
   * @param root Where the directories are.
   */
  constructor(root: string) {
    this.#root = root;
  }

  /**
   * Names the directory that a file lies in.
   *
   * @param digest The digest that names the file.
   * @throws {CacheFormatError} If it is a symbolic link.
   */
  of(digest: Digest): string {
    const path = `${this.#root}/${digest.slice(0, PREFIX_LENGTH)}`;
    if (!this.#own.has(path) && isDirectory(this.#root) && isDirectory(path)) this.#own.add(path);
    return path;
  }

  /** The directories that are there. Files of others that lie beside them are left out. */
  *all(): Generator<PrefixDirectory> {
    for (const prefix of listNames(this.#root)) {
      const path = `${this.#root}/${prefix}`;
      if (lookAt(path)?.isDirectory === true) yield { prefix, path };
    }
  }
}

/** One of the directories. */
export interface PrefixDirectory {
  /** How the digests begin whose files lie there. */
  readonly prefix: string;
  /** Where it is. */
  readonly path: string;
}

/**
 * Tells whether there is a directory.
 *
 * @throws {CacheFormatError} If it is a link to one, which could lead anywhere.
 */
export function isDirectory(path: string): boolean {
  const there = lookAt(path);
  if (there === undefined) return false;
  if (!there.isSymlink) return true;
  throw new CacheFormatError(
    `Cannot open "${path}": it is a symbolic link, which a file cache never follows; ` +
      "put the directory itself there",
  );
}

/** What a file is called in its directory, beside how its name ends. */
export function toName(digest: Digest): string {
  return digest.slice(PREFIX_LENGTH);
}
