import { crc32 } from "node:zlib";
import { QuiverError } from "../errors.ts";
import { VALUE_KIND } from "../value/value_kind.ts";
import { type FileSystem, isMissing, openIfThere, replaceFile } from "./_file_system.ts";
import { PositionedFile } from "./_positioned_fs.ts";
import type { RebuiltIndex } from "./background_fold.ts";
import { PLACE, type TableRow } from "./digest_table.ts";
import { FileWindow } from "./file_window.ts";
import { writeFrontDoor } from "./front_door.ts";
import type { Hdf5Access, Hdf5Input } from "./hdf5_library.ts";
import { getLength } from "./journal_format.ts";
import { type BagLayout, toSegmentIndexPath, toSegmentPath } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import { encodeSegmentIndex, type IndexedPayload, isAt } from "./seal_segment.ts";
import { ATTRIBUTE, PACKED_ROW_BYTES } from "./segment_format.ts";
import { readSegmentIndex } from "./segment_index.ts";

const DIGEST_REGEXP = /^[0-9a-f]{64}$/;
const KINDS: ReadonlyMap<unknown, number> = new Map(Object.entries(VALUE_KIND));

/** What rebuilding needs. */
export interface RebuildEnvironment {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** The bag's paths. */
  readonly layout: BagLayout;
  /** The HDF5 library. */
  readonly library: Hdf5Access;
}

/**
 * Makes what is missing or damaged of the files that follow from the segments: their tables and the
 * front door. Whoever writes holds the fold's lock.
 *
 * @param environment What rebuilding needs.
 * @param manifest What is live.
 * @param write Whether files are written; without it, the tables are only returned.
 * @returns The tables. A segment that cannot be read as HDF5 has none: its values are missing.
 */
export function rebuildIndexes(
  environment: RebuildEnvironment,
  manifest: Manifest,
  write: boolean,
): RebuiltIndex[] {
  const { fileSystem, layout, library } = environment;
  const rebuilt: RebuiltIndex[] = [];
  for (const { name } of manifest.segments) {
    if (readSegmentIndex(layout, name) !== undefined) continue;
    const table = rebuildIndex(environment, name);
    if (table === undefined) continue;
    if (write) replaceFile(fileSystem, toSegmentIndexPath(layout, name), [table]);
    rebuilt.push({ segment: name, table });
  }
  if (write && manifest.segments.length > 0 && isMissing(layout.frontDoor)) {
    writeFrontDoor(fileSystem, layout, library, manifest.segments.map(({ name }) => name));
  }
  return rebuilt;
}

function rebuildIndex(
  { fileSystem, layout, library }: RebuildEnvironment,
  name: string,
): Uint8Array<ArrayBuffer> | undefined {
  using file = openIfThere(toSegmentPath(layout, name));
  const payloads = file && readPayloads(fileSystem, library, file);
  return file && payloads && concatenate(encodeSegmentIndex(file, payloads));
}

function readPayloads(
  fileSystem: FileSystem,
  library: Hdf5Access,
  file: Deno.FsFile,
): IndexedPayload[] | undefined {
  try {
    return [...iteratePayloads(fileSystem, library, file)];
  } catch (error) {
    if (isUnreadable(error)) return undefined;
    throw error;
  }
}

/**
 * Goes over a segment with the HDF5 library alone.
 *
 * @param fileSystem The seam.
 * @param library The HDF5 library.
 * @param file The segment.
 * @returns All payloads that have their checksum.
 */
export function* iteratePayloads(
  fileSystem: FileSystem,
  library: Hdf5Access,
  file: Deno.FsFile,
): Generator<IndexedPayload> {
  const input = library.open(new PositionedFile(fileSystem, file));
  try {
    yield* findArrays(input, file);
    yield* findPacked(input, file);
  } finally {
    input.close();
  }
}

/**
 * Tells whether an error says that a file is no segment.
 *
 * @param error What reading it threw.
 * @returns Whether the library cannot read the file, or it says what makes no sense.
 */
export function isUnreadable(error: unknown): boolean {
  return error instanceof QuiverError || error instanceof SyntaxError ||
    error instanceof RangeError;
}

function* findArrays(input: Hdf5Input, file: Deno.FsFile): Generator<IndexedPayload> {
  for (const digest of input.names("/values")) {
    const path = `/values/${digest}`;
    if (!DIGEST_REGEXP.test(digest)) continue;
    const { kind: kindName, crc32: crc } = readAttribute(input, path);
    const kind = KINDS.get(kindName);
    if (kind === undefined || typeof crc !== "number") continue;
    const length = input.measureDataset(path);
    const dataset = new Dataset(input, file, path);
    yield* dataset.find(0, { digest, kind, length, crc });
  }
}

function* findPacked(input: Hdf5Input, file: Deno.FsFile): Generator<IndexedPayload> {
  if (!input.names("/").includes("packed_table")) return;
  const table = input.readDataset("/packed_table");
  // A damaged row could give a value another kind, so the table counts as a whole or not at all.
  if (readAttribute(input, "/packed_table").crc32 !== crc32(table)) return;
  const view = new DataView(table.buffer);
  const decoder = new TextDecoder();
  const dataset = new Dataset(input, file, "/packed");
  for (let at = 0; at < table.length; at += PACKED_ROW_BYTES) {
    const digest = decoder.decode(table.subarray(at, at + 64));
    if (!DIGEST_REGEXP.test(digest)) continue;
    yield* dataset.find(getLength(view, at + 64), {
      digest,
      length: getLength(view, at + 72),
      kind: view.getUint32(at + 80, true),
      crc: view.getUint32(at + 84, true),
    });
  }
}

/** A dataset in which payloads are looked for. */
class Dataset {
  readonly #input: Hdf5Input;
  readonly #window: FileWindow;
  readonly #path: string;
  #begin: { offset: number | undefined } | undefined;
  #bytes: Uint8Array | undefined;

  constructor(input: Hdf5Input, file: Deno.FsFile, path: string) {
    this.#input = input;
    this.#window = new FileWindow(file);
    this.#path = path;
  }

  /** Yields the payload if it has its checksum: where it lies, or else itself. */
  *find(
    start: number,
    source: Pick<TableRow, "digest" | "kind" | "length" | "crc">,
  ): Generator<IndexedPayload> {
    const row = { ...source, offset: 0, place: PLACE.subject };
    if (source.length === 0) return yield { row };
    this.#begin ??= { offset: this.#input.locateDataset(this.#path) };
    const { offset } = this.#begin;
    if (offset !== undefined && isAt(this.#window, offset + start, source)) {
      return yield { row: { ...row, offset: offset + start } };
    }
    this.#bytes ??= this.#input.readDataset(this.#path);
    const inline = this.#bytes.subarray(start, start + source.length);
    if (crc32(inline) === source.crc) yield { row, inline };
  }
}

function readAttribute(input: Hdf5Input, path: string): { kind?: unknown; crc32?: unknown } {
  const content: unknown = JSON.parse(input.readAttribute(path, ATTRIBUTE));
  return typeof content === "object" && content !== null ? content : {};
}

/**
 * Puts pieces together.
 *
 * @param chunks The pieces.
 * @returns One array with all of them.
 */
export function concatenate(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
