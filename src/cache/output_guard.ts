import { normalize } from "node:path";
import { FileError } from "../base/errors.ts";
import { isAbsolute, toAbsolute, toPath } from "../value/file/file_handle.ts";
import { findFirst } from "../value/digest/refusal.ts";
import { childrenOf } from "../value/object_type.ts";

/**
 * Says where a hit may write. A result says by itself where its files belong, and anybody may have
 * written it: a cache that comes from elsewhere must not overwrite what it likes.
 */
export class OutputGuard {
  /** The directory of outputs, absolute if that can be known. */
  readonly root: string;
  readonly #args: readonly unknown[];
  #named: ReadonlySet<string> | undefined;

  /**
   * Creates a guard for the files of one call.
   *
   * @param root The directory of outputs; the working directory, if not given.
   * @param args The arguments, which say where files may be written as well.
   */
  constructor(root: string | undefined, args: readonly unknown[]) {
    this.root = toPlain(root ?? ".");
    this.#args = args;
  }

  /**
   * Tells whether an output belongs where the caller wants files.
   *
   * @param path Where it belongs.
   * @param output What the task calls it.
   */
  isAllowed(path: string, output: string): boolean {
    if (output.split(/[\\/]/).includes("..")) return false;
    const whole = toPlain(path);
    return this.#isInRoot(whole) || this.#isNamed(whole);
  }

  #isInRoot(path: string): boolean {
    if (this.root === "/") return true;
    return path.startsWith(`${this.root}/`) || this.root === "." && !isAbsolute(path);
  }

  /** Whether an argument is the path itself, or that of its directory. */
  #isNamed(path: string): boolean {
    this.#named ??= namedBy(this.#args);
    return this.#named.has(path) || this.#named.has(path.slice(0, path.lastIndexOf("/")));
  }

  /**
   * Refuses what may not be written.
   *
   * @param written The path that is about to be written.
   * @param path Where the output belongs that it is a part of.
   * @param output What the task calls that.
   * @throws {FileError} When it is outside of where files may be written, or behind a link.
   */
  allow(written: string, path: string, output: string): void {
    if (!this.isAllowed(path, output)) {
      throw new FileError(
        `Cannot put "${path}" back: it is outside of "${this.root}", where outputs are, and no ` +
          "argument of the call names it; set `outputs` of the scope to a directory that it is in",
        path,
      );
    }
    const whole = toPlain(path);
    const base = this.#isInRoot(whole) ? this.root : whole.slice(0, whole.lastIndexOf("/"));
    const steps = toPlain(written).slice(base.length).split("/").slice(1, -1);
    let folder = base === "/" ? "" : base;
    for (const step of steps) {
      folder = `${folder}/${step}`;
      if (!isLink(folder)) continue;
      throw new FileError(
        `Cannot put "${written}" back: "${folder}" is a symbolic link, behind which nothing is ` +
          "written; set `outputs` of the scope to the directory that it leads to",
        written,
      );
    }
  }
}

function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The same path always as the same text. */
function toPlain(path: string): string {
  const plain = normalize(toAbsolute(path)).replaceAll("\\", "/");
  return plain.length > 1 ? plain.replace(/\/$/, "") : plain;
}

/** The paths that arguments are, whether they mean them or not. */
function namedBy(args: readonly unknown[]): ReadonlySet<string> {
  const named = new Set<string>();
  const enter = (value: unknown) => {
    const isPath = typeof value === "string" && value !== "" && !value.includes("\0") ||
      value instanceof URL && value.protocol === "file:";
    if (isPath) named.add(toPlain(toPath(value, "take a path")));
    return undefined;
  };
  findFirst(args, "args", { enter, children: childrenOf });
  return named;
}
