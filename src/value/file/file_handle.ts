/**
 * Files as values: what tasks take as arguments and give as results.
 *
 * A program imports this with Quiver, so that it holds no more than what stands for a file; what looks
 * at one is loaded when there is one.
 *
 * @module
 */
import { checkOptions, oneOf, type OptionRules } from "../../base/check_options.ts";
import { importLater } from "../../base/lazy_import.ts";
import { type Inspect, inspectSymbol } from "../symbols.ts";
import type { Digest } from "../value.ts";
import type { FileState } from "./file_state.ts";

type Reader = typeof import("./file_reader.ts");
type Placer = typeof import("./place_file.ts");

/**
 * A file, or a directory with all that is in it, as a value: an argument that counts by its content
 * ({@linkcode file}), or a part of a result that is remembered with its content
 * ({@linkcode outputFile}).
 *
 * The handle that a task gets stands for the content that the key of its call was made of. What reads
 * through it gets those bytes or an error, never others; whoever reads the path by other means is
 * covered as well, as the file is compared before and after the body.
 */
export class FileHandle {
  #state: FileState;

  /**
   * Wraps what is known of a file.
   *
   * @param state What is known.
   *
   * @internal
   */
  constructor(state: FileState) {
    this.#state = state;
  }

  /**
   * Tells a handle from what only inherits from one.
   *
   * @internal
   */
  static isGenuine(value: object): value is FileHandle {
    return #state in value;
  }

  /**
   * Gives all that makes up a handle.
   *
   * @internal
   */
  static stateOf(handle: object): FileState {
    if (#state in handle) return handle.#state;
    throw new TypeError("Cannot use a file: it was made by neither file() nor outputFile()");
  }

  /**
   * Replaces what makes up a handle.
   *
   * @internal
   */
  static settle(handle: object, state: FileState): void {
    if (#state in handle) handle.#state = state;
  }

  /** Where the file or directory is. */
  get path(): string {
    return this.#state.path;
  }

  /** What the content is known by, once it is known: what `sha256sum` says of a file. */
  get digest(): Digest | undefined {
    return this.#state.content?.digest;
  }

  /** How many bytes there are, of a directory in all its files, once that is known. */
  get size(): number | undefined {
    return this.#state.content?.size;
  }

  /**
   * Reads the whole file.
   *
   * Requires `--allow-read` of the file.
   *
   * @returns The bytes.
   * @throws {FileError} When the file is no file, is not there, or has other bytes by now.
   */
  async bytes(): Promise<Uint8Array<ArrayBuffer>> {
    return (await importLater<Reader>("reader")).readBytes(this.#state);
  }

  /**
   * Reads the whole file as UTF-8.
   *
   * Requires `--allow-read` of the file.
   *
   * @returns The text, without a byte order mark.
   * @throws {FileError} When the file is no file, is not there, or has other bytes by now.
   */
  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  /**
   * Reads the file piece by piece, never as a whole. The stream fails instead of ending when the bytes
   * were not those that the handle stands for, so that nothing is to be taken for sure before its end.
   *
   * Requires `--allow-read` of the file.
   *
   * @returns The bytes; the file is opened when they are first asked for.
   */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const state = this.#state;
    let pieces: Iterator<Uint8Array<ArrayBuffer>> | undefined;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      async pull(controller) {
        pieces ??= (await importLater<Reader>("reader")).readChunks(state);
        const { done, value } = pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => void pieces?.return?.(),
    }, { highWaterMark: 0 });
  }

  /**
   * Puts the file, or the directory with all that is in it, in another place, in one step for each
   * file. Nothing is written where the same is there.
   *
   * Requires `--allow-read` and `--allow-write` of the path.
   *
   * @param path Where to: a path or a `file:` URL.
   * @throws {FileError} When the content is not there any more, or something else is in the way.
   */
  async copyTo(path: string | URL): Promise<void> {
    const { copyTo } = await importLater<Placer>("placer");
    copyTo(this.#state, toAbsolute(toPath(path, "copy a file to")));
  }

  /**
   * What `console.log` shows.
   *
   * @internal
   */
  [inspectSymbol](inspect: Inspect, options: Deno.InspectOptions): string {
    const { path, digest, size } = this;
    const content = digest === undefined ? {} : { digest, size };
    return `FileHandle ${inspect({ path, ...content }, options)}`;
  }
}

/** Options of {@linkcode file}. */
export interface FileOptions {
  /**
   * When the content is hashed: `"changed"` when the system says that the file has changed, by device,
   * inode, size and times; `"always"` for each call, for files whose times do not tell, as on some
   * network file systems.
   *
   * @default {"changed"}
   */
  hash?: "changed" | "always";
}

/**
 * Makes a file, or a directory with all that is in it, an argument that counts by its content.
 *
 * A text with a path is a text: a call with it is remembered whatever becomes of the file. With
 * `file(path)` the key has the SHA-256 of the bytes, wherever the file lies and whatever it is called:
 * the same bytes elsewhere are the same argument. A directory counts by the names in it, the contents
 * of its files, which of them may be run, and the targets of its symbolic links, which are not
 * followed. The file is looked at when a call is made, not before.
 *
 * A file is hashed once for each change; what was hashed is remembered in the bag's directory. A call
 * fails with a `FileError` when the file is missing, is no file (a socket, a pipe), or changes while it
 * is hashed, and with a `ChangedArgumentError` when it changes before the body has ended.
 *
 * Requires `--allow-read` of the file.
 *
 * @param path A path, relative to the working directory, or a `file:` URL.
 * @param options When the content is hashed.
 * @returns The argument: at any depth of one. The task gets a handle to read from.
 * @throws {TypeError} When the path is no path, or an option is unknown.
 *
 * @example Count the lines of a file, again only when it has changed
 * ```ts
 * import { cacheScope, createMemoryCache, file, type FileHandle, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * let runs = 0;
 * const countLines = task(import.meta, async function countLines(table: FileHandle) {
 *   runs++;
 *   return (await table.text()).split("\n").length;
 * });
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, "a\nb");
 * await cacheScope({ cache: createMemoryCache() }, async () => {
 *   assertEquals(await countLines(file(path)), 2);
 *   assertEquals(await countLines(file(path)), 2);
 *   await Deno.writeTextFile(path, "a\nb\nc");
 *   assertEquals(await countLines(file(path)), 3);
 * });
 * assertEquals(runs, 2);
 * await Deno.remove(path);
 * ```
 */
export function file(path: string | URL, options: FileOptions = {}): FileHandle {
  checkOptions(ACTION, options, RULES);
  const absolute = toAbsolute(toPath(path, ACTION));
  return new FileHandle({ path: absolute, ...(options.hash === "always" && { always: true }) });
}

const ACTION = "take a file as an argument";

const RULES: OptionRules<FileOptions> = { hash: oneOf(["changed", "always"]) };

const WINDOWS = Deno.build.os === "windows";

/**
 * Makes a path of what a user gives as one.
 *
 * @param action What cannot be done, for the message.
 * @throws {TypeError} When it is none.
 */
export function toPath(path: string | URL, action: string): string {
  const url = path instanceof URL
    ? path
    : typeof path === "string" && path.startsWith("file:")
    ? URL.parse(path)
    : undefined;
  if (url === undefined || url === null) {
    if (typeof path === "string" && path !== "" && !path.includes("\0")) return path;
    throw new TypeError(
      `Cannot ${action}: ${typeof path === "string" ? JSON.stringify(path) : typeof path} is no ` +
        "path; pass a path or a `file:` URL",
    );
  }
  if (url.protocol !== "file:") {
    throw new TypeError(
      `Cannot ${action}: "${url.href}" is no file of this machine; fetch it, and pass what it is`,
    );
  }
  const decoded = decodeURIComponent(url.pathname);
  if (!WINDOWS) return decoded;
  return url.hostname === "" ? decoded.slice(1) : `//${url.hostname}${decoded}`;
}

/**
 * Tells whether a path does not depend on the working directory.
 *
 * @returns Whether it is absolute.
 */
export function isAbsolute(path: string): boolean {
  return path.startsWith("/") || WINDOWS && /^([a-z]:)?[\\/]/i.test(path);
}

/**
 * Makes a path absolute, as a worker may have another working directory.
 *
 * @returns The path; the same where the working directory may not be known.
 */
export function toAbsolute(path: string): string {
  if (isAbsolute(path)) return path;
  try {
    const folder = Deno.cwd();
    const rest = path.replace(/^(\.\/+)+/, "");
    if (rest === "." || rest === "") return folder;
    return folder.endsWith("/") ? folder + rest : `${folder}/${rest}`;
  } catch (error) {
    // Who may not know where it is may still read the file.
    if (error instanceof Deno.errors.NotCapable) return path;
    throw error;
  }
}

/**
 * Makes the handle of what a task has written, or is about to.
 *
 * @param name What the task calls it.
 * @param root The directory of outputs; the working directory, if not given.
 * @throws {TypeError} When it is no path, or leads out of that directory.
 */
export function createOutput(name: string | URL, root: string | undefined): FileHandle {
  const action = "give a file as an output";
  const path = toPath(name, action);
  const steps = (WINDOWS ? path.replaceAll("\\", "/") : path).split("/");
  const output = steps.filter((step, at) => step !== "." && (step !== "" || at === 0)).join("/");
  if (steps.includes("..") || output === "") {
    throw new TypeError(
      `Cannot ${action}: ${
        JSON.stringify(path)
      } has a step upwards, or names nothing; pass a path ` +
        "below the directory of outputs, or an absolute one",
    );
  }
  return new FileHandle({ path: toOutputPath(output, root), output, own: true });
}

/**
 * Finds the place of an output.
 *
 * @param output What it is called.
 * @param root The directory of outputs; the working directory, if not given.
 */
export function toOutputPath(output: string, root: string | undefined): string {
  if (root === undefined || isAbsolute(output)) return toAbsolute(output);
  return root.endsWith("/") ? root + output : `${root}/${output}`;
}
