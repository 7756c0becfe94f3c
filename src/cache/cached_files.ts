/**
 * Files among the arguments and results of calls that are remembered; loaded with the first of them.
 *
 * @module
 */
import { ChangedArgumentError, FileError } from "../base/errors.ts";
import { createSha256 } from "../base/sha256.ts";
import type { Warn } from "../base/warning.ts";
import type { KeyedCall, KeyedRead } from "../call/call_key.ts";
import { DiskFileDigests } from "../disk/file_digest_log.ts";
import { toLayout } from "../disk/layout.ts";
import type { Found, StoreDescription } from "../store/stores.ts";
import { MissingChunkError } from "../value/file/file_content.ts";
import { FileDigests } from "../value/file/file_digests.ts";
import { FileHandle, toOutputPath } from "../value/file/file_handle.ts";
import { readOutput } from "../value/file/stored_file.ts";
import { DISK } from "../disk/file_system.ts";
import { clearUnfinishedFiles, createUnfinishedFile } from "../disk/unfinished_file.ts";
import { placeFile } from "../value/file/place_file.ts";
import { childrenOf } from "../value/object_type.ts";
import { findFirst } from "../value/digest/refusal.ts";
import type { Digest } from "../value/value.ts";
import type { Cache } from "./cache.ts";
import { OutputGuard } from "./output_guard.ts";

/**
 * Gives what remembers the digests of files for a cache: in the directory of its bag, or, where there
 * is none, in memory.
 *
 * @param warn Told when they cannot be kept there.
 */
export function fileDigestsOf(cache: Cache | undefined, warn: Warn): FileDigests {
  if (cache === undefined) return new FileDigests();
  return cache.fileDigests((stores) => {
    const bag = findBag(stores.description);
    if (bag === undefined) return new FileDigests();
    const { root, fileDigests: path } = toLayout(bag.path);
    const fault = (error: unknown) =>
      warn(`Cannot keep the digests of files in "${path}": each program hashes them anew`, error);
    const writable = bag.options.mode !== "read";
    return new FileDigests(new DiskFileDigests({ root, path, writable, fault }));
  });
}

type BagDescription = Extract<StoreDescription, { type: "bag" }>;

function findBag(description: StoreDescription | undefined): BagDescription | undefined {
  if (description === undefined || description.type === "bag") return description;
  if ("stores" in description) return findBag(description.stores);
  if (description.type === "mixed") return findBag(description.calls);
  if (!("layers" in description)) return undefined;
  for (const layer of description.layers) {
    const found = findBag(layer);
    if (found === undefined) continue;
    if (description.type !== "readOnly") return found;
    return { ...found, options: { ...found.options, mode: "read" } };
  }
  return undefined;
}

/**
 * Settles what the files among arguments stand for, before their key is made.
 *
 * @param files Those of the call's own.
 * @throws {FileError} When one is missing, is no file, or does not stop changing.
 */
export function settleFiles(files: readonly FileHandle[], digests: FileDigests): void {
  for (const handle of files) {
    const state = FileHandle.stateOf(handle);
    if (state.content !== undefined) continue;
    const content = state.own
      ? readOutput(state.path)
      : digests.contentOf(state.path, state.always);
    FileHandle.settle(handle, { ...state, content });
  }
}

/**
 * Makes sure that the files among the arguments are what the key was made of.
 *
 * @param when When that is, for the message.
 * @throws {ChangedArgumentError} When one has changed, or is gone.
 */
export function checkFiles(call: KeyedCall, digests: FileDigests, when: string): void {
  for (const position of call.files ?? []) {
    const root = `args[${position}]`;
    const found = findFirst(call.values[position], root, {
      enter: (value) => value instanceof FileHandle ? whyChanged(value, digests) : undefined,
      children: childrenOf,
    });
    if (found === undefined) continue;
    throw changed(call, found.path, `${found.reason} ${when}; make the call again`);
  }
}

function whyChanged(handle: FileHandle, digests: FileDigests): string | undefined {
  const { path, content, always, load } = FileHandle.stateOf(handle);
  // What is read out of a store stays what it is.
  if (content === undefined || load !== undefined) return undefined;
  try {
    const { directory, entries } = content;
    // Others may have put more into the directory of an output.
    const parts = directory && entries !== undefined
      ? entries.flatMap((entry) => entry.type === "file" ? [entry] : [])
      : [{ path: "", digest: content.digest }];
    const changed = parts.map((part) => ({ ...part, place: join(path, part.path) }))
      .find(({ place, digest }) => digests.contentOf(place, always).digest !== digest);
    return changed && `"${changed.place}" has changed`;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    return `"${path}" is not there any more, or cannot be read (${error.message})`;
  }
}

function join(folder: string, path: string): string {
  return path === "" ? folder : `${folder}/${path}`;
}

/**
 * Finds out what a task reads by name. What the tasks read that it may call counts as it is now: it may
 * be missing still.
 *
 * @param reads The files and environment variables.
 * @throws {FileError} When a file is missing, is no file, or does not stop changing.
 * @throws {Deno.errors.NotCapable} Without `--allow-read` or `--allow-env` of them.
 */
export function toKeyedReads(
  { inputs, env, called }: ReadNames & { readonly called: readonly ReadNames[] },
  digests: FileDigests,
): readonly KeyedRead[] {
  const read = ({ path, name }: ReadNames["inputs"][number]): KeyedRead => {
    const { digest } = digests.contentOf(path);
    return { kind: "file", name, digest, path };
  };
  const own = [...inputs.map(read), ...env.map(readVariable)];
  const seen = new Set(own.map(({ kind, name, path = name }) => `${kind} ${path}`));
  const others = called.flatMap(({ inputs, env }) => [
    ...inputs.filter(({ path }) => isNew(seen, `file ${path}`)).map((input) =>
      orAbsent(input.name, "file", () => read(input))
    ),
    ...env.filter((name) => isNew(seen, `env ${name}`)).map((name) =>
      orAbsent(name, "env", () => readVariable(name))
    ),
  ]);
  return [...own, ...others];
}

function isNew(seen: Set<string>, name: string): boolean {
  const { size } = seen;
  return seen.add(name).size > size;
}

/** What cannot be read now is told by the task that reads it. */
function orAbsent(name: string, kind: KeyedRead["kind"], read: () => KeyedRead): KeyedRead {
  try {
    return { ...read(), called: true };
  } catch (error) {
    if (!(error instanceof FileError || error instanceof Deno.errors.NotCapable)) throw error;
    return { kind, name, digest: digestText(["absent"]), called: true };
  }
}

/** What is read by name. */
interface ReadNames {
  readonly inputs: readonly { readonly name: string; readonly path: string }[];
  readonly env: readonly string[];
}

function readVariable(name: string): KeyedRead {
  return { kind: "env", name, digest: digestVariable(name) };
}

function digestText(fields: readonly unknown[]): Digest {
  return createSha256().update(JSON.stringify(fields)).digest("hex");
}

function digestVariable(name: string): Digest {
  return digestText([name, Deno.env.get(name) ?? null]);
}

/**
 * Makes sure that what a task reads by name is what the key was made of.
 *
 * @param when When that is, for the message.
 * @throws {ChangedArgumentError} When something has changed, or is gone.
 */
export function checkReads(call: KeyedCall, digests: FileDigests, when: string): void {
  for (const { kind, name, digest, path = "", called } of call.reads ?? []) {
    if (called) continue;
    if (kind === "env") {
      if (digestVariable(name) === digest) continue;
      const state = `the environment variable "${name}" has another value where the body runs`;
      throw changed(call, name, `${state}; set it for the workers, too`);
    }
    const content = { directory: false, digest, size: 0 };
    const why = whyChanged(new FileHandle({ path, content }), digests);
    if (why !== undefined) throw changed(call, name, `${why} ${when}; make the call again`);
  }
}

function changed(
  { address: { name } }: KeyedCall,
  path: string,
  state: string,
): ChangedArgumentError {
  return new ChangedArgumentError(
    `Cannot remember a call of "${name}" as ${path} is not what its key was made of: ${state}`,
    path,
  );
}

/** Where the outputs of a call belong. */
export interface OutputPlace {
  /** The directory of outputs; the working directory, if not given. */
  readonly root: string | undefined;
  /** The arguments of the call, which may name others. */
  readonly args: readonly unknown[];
  /** Told of faults. */
  readonly warn: Warn;
}

/**
 * Puts the files of a result back where they are missing or differ.
 *
 * @param found The result.
 * @param place Where its files belong.
 * @returns The same; a miss when a piece of a file is lost.
 * @throws {FileError} When one may not, or cannot, be put there.
 */
export function putBack(
  cache: Cache,
  found: Extract<Found<unknown>, { hit: true }>,
  { root, args, warn }: OutputPlace,
): Found<unknown> {
  const guard = new OutputGuard(root, args);
  const digests = fileDigestsOf(cache, warn);
  const cleared = new Set<string>();
  const createTemporary = (directory: string, mode: number) => {
    // What was left by those who were killed is not to be taken for a part of the output.
    if (!cleared.has(directory)) clearUnfinishedFiles(DISK, directory);
    cleared.add(directory);
    return createUnfinishedFile(DISK, directory, mode);
  };
  for (const handle of found.files ?? []) {
    const { output = "", load, ...state } = FileHandle.stateOf(handle);
    const path = toOutputPath(output, root);
    const allow = (written: string) => guard.allow(written, path, output);
    try {
      placeFile({ ...state, output, ...(load !== undefined && { load }) }, path, {
        ...{ digests, allow, createTemporary },
      });
    } catch (error) {
      if (error instanceof MissingChunkError) return { hit: false };
      throw error;
    }
    FileHandle.settle(handle, { ...state, path, output });
  }
  return found;
}

/**
 * Looks at the files of a result that is about to be stored.
 *
 * @param name What the call is named in messages.
 * @throws {FileError} When two of them are in the same place.
 */
export function checkOutputs(
  name: string,
  files: readonly object[],
  { root, args, warn }: OutputPlace,
): void {
  const guard = new OutputGuard(root, args);
  const places = new Set<string>();
  const outputs = files.map(FileHandle.stateOf).filter(({ output }) => output !== undefined);
  for (const { path } of outputs) {
    const other = places.has(path) ? path : places.values().find((one) => isWithin(one, path));
    if (other !== undefined) {
      throw new FileError(
        `Cannot store the result of "${name}": "${path}" and "${other}" are outputs of it, and one ` +
          "has the place of the other; give each once",
        path,
      );
    }
    places.add(path);
  }
  for (const { path, output = "" } of outputs) {
    if (guard.isAllowed(path, output)) continue;
    const isFault = false;
    warn(
      `Cannot put the output "${path}" of "${name}" back if it is missing one day: it is outside of ` +
        `"${guard.root}", and no argument names it; set \`outputs\` of the scope`,
      undefined,
      isFault,
    );
  }
}

function isWithin(one: string, other: string): boolean {
  return one.startsWith(`${other}/`) || other.startsWith(`${one}/`);
}
