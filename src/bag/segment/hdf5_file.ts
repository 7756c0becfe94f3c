import { BagCorruptError, QuiverError } from "../../base/errors.ts";
import { DISK, type FileSystem, readAt, type ReadBytes } from "../../disk/file_system.ts";
import { toPayload } from "../../disk/payload.ts";
import { replaceUserFile } from "../../disk/user_file.ts";
import type { Digest, Payload, PayloadSource, StoredPayload } from "../../value/value.ts";
import type { DatasetInput, Hdf5Environment, Hdf5Input, Hdf5Output } from "../hdf5/access.ts";
import { PositionedFile } from "../hdf5/emscripten_fs.ts";
import { Hdf5Library } from "../hdf5/library.ts";
import { DigestTable, PURPOSE } from "../table/digest_table.ts";
import { indexSegment, isUnreadable } from "./rebuild_index.ts";
import { SealedPayload } from "./sealed_payload.ts";
import { SegmentTable } from "./segment_table.ts";

/** The disk, and the library in this isolate. */
export const HDF5_ENVIRONMENT: Hdf5Environment = {
  fileSystem: DISK,
  loadLibrary: () => Hdf5Library.load(),
};

/**
 * Gives an HDF5 file of the user's new content in one step, as `replaceUserFile()` does.
 *
 * @param fill Writes the content.
 * @param environment What the file stands on.
 */
export async function writeHdf5File(
  path: string,
  fill: (output: Hdf5Output) => Promise<void>,
  { fileSystem, loadLibrary }: Hdf5Environment,
): Promise<void> {
  const library = await loadLibrary();
  await replaceUserFile(fileSystem, path, async (file) => {
    const output = library.create(new PositionedFile(fileSystem, file));
    await fill(output);
    output.close();
  });
}

/** Where in a file the signature of HDF5 may stand: behind what somebody has put before it. */
const SIGNATURE = Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a);
const FIRST_PLACE = 512;

/**
 * Opens an HDF5 file of the user's, which is only read.
 *
 * Requires `--allow-read` of the file.
 *
 * @param path The file; links are followed.
 * @returns The file, to be closed by the caller.
 * @throws {BagCorruptError} If it is none of HDF5's.
 */
export function openUserHdf5(fileSystem: FileSystem, path: string): Deno.FsFile {
  const target = Deno.realPathSync(path);
  const { isFile, isDirectory } = Deno.statSync(target);
  if (!isFile) {
    throw new QuiverError(
      `Cannot read "${path}": it is ${isDirectory ? "a directory" : "no file"}`,
    );
  }
  const file = fileSystem.open(target, { read: true });
  try {
    if (hasSignature(file)) return file;
  } catch (error) {
    file.close();
    throw error;
  }
  file.close();
  throw new BagCorruptError(`Cannot read "${path}": it is no HDF5 file`, path, 0);
}

function hasSignature(file: Deno.FsFile): boolean {
  const size = file.seekSync(0, Deno.SeekMode.End);
  const bytes = new Uint8Array(SIGNATURE.length);
  for (let at = 0; at + bytes.length <= size; at = Math.max(FIRST_PLACE, at * 2)) {
    if (readAt(file, at, bytes) && bytes.every((byte, i) => byte === SIGNATURE[i])) return true;
  }
  return false;
}

/** An HDF5 file of anybody's that is open. */
export interface UserDatasets extends Disposable {
  /** Reads its arrays. */
  readonly input: DatasetInput;
}

/**
 * Opens an HDF5 file of anybody's for reading its arrays.
 *
 * @param environment What the file stands on.
 * @throws {BagCorruptError} If the file is none of HDF5's, or damaged.
 */
export async function openUserDatasets(
  path: string,
  { fileSystem, loadLibrary }: Hdf5Environment,
): Promise<UserDatasets> {
  const library = await loadLibrary();
  const file = openUserHdf5(fileSystem, path);
  try {
    const input = library.openDatasets(new PositionedFile(fileSystem, file));
    return {
      input,
      [Symbol.dispose]() {
        input.close();
        file.close();
      },
    };
  } catch (cause) {
    file.close();
    if (!isUnreadable(cause)) throw cause;
    throw new BagCorruptError(`Cannot read "${path}": ${DAMAGED}`, path, 0, { cause });
  }
}

const DAMAGED = "it is damaged or cut short";

/** The values in an HDF5 file that has them as a segment has. */
export class Hdf5Values implements PayloadSource, Disposable {
  readonly #file: Deno.FsFile;
  readonly #input: Hdf5Input;
  readonly #content: Uint8Array<ArrayBuffer>;
  readonly #table: SegmentTable;

  private constructor(file: Deno.FsFile, input: Hdf5Input) {
    this.#file = file;
    this.#input = input;
    this.#content = indexSegment(input, file);
    const own = DigestTable.decode(this.#content, PURPOSE.values);
    const table = own && SegmentTable.of(own, file, () => file);
    if (table === undefined) throw new QuiverError("Cannot index an HDF5 file");
    this.#table = table;
  }

  /**
   * Opens a file.
   *
   * @param environment What the file stands on.
   * @param check Throws where the file is not one that has values.
   * @throws {BagCorruptError} If the file is none of HDF5's, is damaged, or has no values.
   */
  static async open(
    path: string,
    { fileSystem, loadLibrary }: Hdf5Environment,
    check: (input: Hdf5Input) => void,
  ): Promise<Hdf5Values> {
    const library = await loadLibrary();
    const file = openUserHdf5(fileSystem, path);
    let input: Hdf5Input | undefined;
    let state = DAMAGED;
    try {
      input = library.open(new PositionedFile(fileSystem, file));
      check(input);
      state = "it has no values";
      return new Hdf5Values(file, input);
    } catch (cause) {
      input?.close();
      file.close();
      if (cause instanceof BagCorruptError || !isUnreadable(cause)) throw cause;
      throw new BagCorruptError(`Cannot read "${path}": ${state}`, path, 0, { cause });
    }
  }

  /** The names in a group. */
  names(group: string): string[] {
    return this.#input.names(group);
  }

  /** Tells whether a group has an attribute. */
  hasAttribute(path: string, name: string): boolean {
    return this.#input.hasAttribute(path, name);
  }

  /** An attribute that is a text. */
  attribute(path: string, name: string): string {
    return this.#input.readAttribute(path, name);
  }

  /** As the interface says. */
  open(digest: Digest): StoredPayload | undefined {
    const row = this.#table.find(digest);
    if (row === -1) return undefined;
    const segment: ReadBytes = (offset, target) => readAt(this.#file, offset, target);
    const table: ReadBytes = (offset, target) => {
      target.set(this.#content.subarray(offset, offset + target.length));
      return offset + target.length <= this.#content.length;
    };
    return new SealedPayload({ segment, table }, this.#table.row(row)).open(false);
  }

  /** As the interface says. */
  load(digest: Digest): Payload | undefined {
    const payload = this.open(digest);
    if (payload === undefined) return undefined;
    const bytes = new Uint8Array(payload.length);
    return payload.read(0, bytes) ? toPayload(payload.kind, bytes) : undefined;
  }

  /** Lets go of the file. */
  [Symbol.dispose](): void {
    this.#input.close();
    this.#file.close();
  }
}
