import { dirname } from "node:path";
import { BagCorruptError, QuiverError } from "../../base/errors.ts";
import {
  DISK,
  type FileSystem,
  readAt,
  type ReadBytes,
  removeIfThere,
  toTemporaryPath,
} from "../../disk/file_system.ts";
import { toPayload } from "../../disk/payload.ts";
import type { Digest, Payload, PayloadSource, StoredPayload } from "../../value/value.ts";
import type { Hdf5Environment, Hdf5Input, Hdf5Output } from "../hdf5/access.ts";
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
 * Gives an HDF5 file new content in one step: under its name stands what was there, or all of it.
 *
 * @param fill Writes the content.
 * @param environment What the file stands on.
 */
export async function writeHdf5File(
  path: string,
  fill: (output: Hdf5Output) => Promise<void>,
  environment: Hdf5Environment,
): Promise<void> {
  const { fileSystem } = environment;
  const library = await environment.loadLibrary();
  const temporary = toTemporaryPath(path);
  try {
    {
      using file = fileSystem.open(temporary, { read: true, write: true, createNew: true });
      const output = library.create(new PositionedFile(fileSystem, file));
      await fill(output);
      output.close();
      fileSystem.sync(file);
    }
    fileSystem.rename(temporary, path);
  } catch (error) {
    removeQuietly(fileSystem, temporary);
    throw error;
  }
  fileSystem.syncDirectory(dirname(path));
}

function removeQuietly(fileSystem: FileSystem, path: string): void {
  try {
    removeIfThere(fileSystem, path);
  } catch {
    // The caller learns of the error that came first.
  }
}

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
   * @throws {BagCorruptError} If the file is none of HDF5's, or has no values.
   */
  static async open(path: string, environment: Hdf5Environment): Promise<Hdf5Values> {
    const library = await environment.loadLibrary();
    const file = Deno.openSync(path);
    try {
      return new Hdf5Values(file, library.open(new PositionedFile(environment.fileSystem, file)));
    } catch (cause) {
      file.close();
      if (!isUnreadable(cause)) throw cause;
      throw new BagCorruptError(`Cannot read "${path}": it has no values`, path, 0, { cause });
    }
  }

  /** The names in a group. */
  names(group: string): string[] {
    return this.#input.names(group);
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
