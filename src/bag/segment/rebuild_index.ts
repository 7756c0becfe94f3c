import { crc32 } from "node:zlib";
import { QuiverError } from "../../base/errors.ts";
import { isDigest } from "../../disk/disk_storage.ts";
import {
  FileHandles,
  type FilePlace,
  FileWindow,
  isMissing,
  openIfThere,
  replaceFile,
} from "../../disk/file_system.ts";
import { toSegmentIndexPath, toSegmentPath } from "../../disk/layout.ts";
import type { PayloadDescription } from "../../disk/payload.ts";
import { type Digest, VALUE_KIND } from "../../value/value.ts";
import { PositionedFile } from "../hdf5/emscripten_fs.ts";
import type { Hdf5Input } from "../hdf5/access.ts";
import type { Manifest } from "../manifest.ts";
import { blocksOf, toChunkBox, toChunkGrid } from "../payload_blocks.ts";
import { compareDigests, LOCATION, type OtherRows, ROW_BYTES } from "../table/digest_table.ts";
import { ATTRIBUTE, PACKED_VERSION, readPackedRows, toDatasetShape } from "./format.ts";
import { writeLinkFile } from "./link_file.ts";
import {
  confirmChunks,
  confirmPayload,
  confirmRows,
  encodeSegmentIndex,
  type IndexedPayload,
  type SegmentEnvironment,
} from "./seal.ts";
import { SegmentTable } from "./segment_table.ts";

/** A table that was made again from its segment. */
export interface RebuiltIndex {
  /** The segment's name. */
  readonly segment: string;
  /** The content of the table's file. */
  readonly table: Uint8Array<ArrayBuffer>;
}

const KINDS: ReadonlyMap<unknown, number> = new Map(Object.entries(VALUE_KIND));

/**
 * Makes what is missing or damaged of the files that follow from the segments: their tables and the
 * link file. Whoever writes holds the fold's lock.
 *
 * @param environment What rebuilding needs.
 * @param manifest What is live.
 * @param write Whether files are written; without it, the tables are only returned.
 * @returns The tables. A segment that cannot be read as HDF5 has none: its values are missing.
 */
export function rebuildIndexes(
  environment: SegmentEnvironment,
  manifest: Manifest,
  write: boolean,
): RebuiltIndex[] {
  const { fileSystem, layout } = environment;
  const rebuilt: RebuiltIndex[] = [];
  for (const { name } of manifest.segments) {
    using handles = new FileHandles();
    if (SegmentTable.read(layout, name, handles) !== undefined) continue;
    const table = rebuildIndex(environment, name);
    if (table === undefined) continue;
    if (write) replaceFile(fileSystem, toSegmentIndexPath(layout, name), [table]);
    rebuilt.push({ segment: name, table });
  }
  if (write && manifest.segments.length > 0 && isMissing(layout.linkFile)) {
    writeLinkFile(environment, manifest.segments);
  }
  return rebuilt;
}

function rebuildIndex(
  environment: SegmentEnvironment,
  name: string,
): Uint8Array<ArrayBuffer> | undefined {
  using file = openIfThere(toSegmentPath(environment.layout, name));
  if (file === undefined) return undefined;
  const payloads = [...iteratePayloads(environment, file)];
  const readable = payloads.every((payload) => payload !== undefined);
  return readable ? concatenate(encodeSegmentIndex(file, payloads)) : undefined;
}

/**
 * Makes the content of a segment's table from the segment.
 *
 * @param input The segment, or another HDF5 file that has the same in it.
 * @returns The content of the table's file.
 */
export function indexSegment(input: Hdf5Input, file: Deno.FsFile): Uint8Array<ArrayBuffer> {
  return concatenate(encodeSegmentIndex(file, [...findPayloads(input, file)]));
}

/**
 * Goes over a segment with the HDF5 library alone.
 *
 * @returns All payloads that have their checksum; the last one is `undefined` where the library cannot
 * read the segment.
 */
export function* iteratePayloads(
  { fileSystem, library }: SegmentEnvironment,
  file: Deno.FsFile,
): Generator<IndexedPayload | undefined> {
  try {
    const input = library.open(new PositionedFile(fileSystem, file));
    try {
      yield* findPayloads(input, file);
    } finally {
      input.close();
    }
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    yield undefined;
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

function* findPayloads(input: Hdf5Input, file: Deno.FsFile): Generator<IndexedPayload> {
  for (const digest of input.names("/values")) {
    if (isDigest(digest)) yield* findArray(input, file, digest);
  }
  yield* findPacked(input, file);
}

function* findArray(
  input: Hdf5Input,
  file: Deno.FsFile,
  digest: Digest,
): Generator<IndexedPayload> {
  const path = `/values/${digest}`;
  const { kind: kindName, crc32: crc, shape: described } = readAttribute(input, path);
  const kind = KINDS.get(kindName);
  if (kind === undefined || typeof crc !== "number") return;
  const row = { digest, kind, length: input.measureDataset(path), crc };
  const { shape, chunk } = input.describeDataset(path);
  // Whoever reads it with another tool must see the same shape.
  if (String(described) !== String(shape)) return;
  const details = toDatasetShape(kind, row.length, shape) && shape.length > 1 ? { shape } : {};
  const payload = chunk === undefined
    ? new Dataset(input, file, path).find(0, row)
    : findCompressed(input, file, path, row);
  if (payload !== undefined) yield { ...payload, details: { ...details, ...payload.details } };
}

function findCompressed(
  input: Hdf5Input,
  file: Deno.FsFile,
  path: string,
  row: PayloadDescription,
): IndexedPayload | undefined {
  try {
    return findChunks(input, file, path, row) ?? new Dataset(input, file, path).find(0, row);
  } catch (error) {
    // A chunk that is damaged cannot be inflated, which says nothing of the other datasets.
    if (error instanceof QuiverError) return undefined;
    throw error;
  }
}

/** Finds the chunks of a compressed dataset, if each holds bytes that lie together. */
function findChunks(
  input: Hdf5Input,
  file: Deno.FsFile,
  path: string,
  source: PayloadDescription,
): IndexedPayload | undefined {
  const { shape, chunk } = input.describeDataset(path);
  const dataset = toDatasetShape(source.kind, source.length, shape);
  if (chunk === undefined || dataset === undefined) return undefined;
  const grid = toChunkGrid(shape, dataset.length / dataset.count);
  if (grid.chunk.join() !== chunk.join()) return undefined;
  const candidates: (readonly FilePlace[])[] = [];
  const checks: number[] = [];
  let crc = 0;
  for (const block of blocksOf(grid)) {
    const { start, count } = toChunkBox(grid, block);
    const { bytes, reads } = input.readPart(path, start, count);
    crc = crc32(bytes, crc);
    checks.push(crc32(bytes));
    candidates.push(reads);
  }
  if (crc !== source.crc) return undefined;
  const written = { grid, checks: Uint32Array.from(checks), candidates };
  const details = confirmChunks(new FileWindow(file), written);
  return details && { row: { ...source, offset: 0, location: LOCATION.chunks }, details };
}

function* findPacked(input: Hdf5Input, file: Deno.FsFile): Generator<IndexedPayload> {
  if (!input.names("/").includes("packed_table")) return;
  const table = input.readDataset("/packed_table");
  const { crc32: crc, format } = readAttribute(input, "/packed_table");
  const version = format === PACKED_VERSION ? PACKED_VERSION : 1;
  const isWhole = crc === crc32(table);
  // A damaged row could give a value another kind: of version 1, the table counts as a whole or not at
  // all, later ones have a checksum in each row.
  if (!isWhole && version === 1) return;
  const dataset = new Dataset(input, file, "/packed");
  const rows = isWhole && version !== 1 ? locateRows(input, file, table, dataset) : undefined;
  for (const { digest, offset, length, kind, crc } of readPackedRows(version, table)) {
    const payload = dataset.find(offset, { digest, length, kind, crc });
    if (payload === undefined) continue;
    yield rows === undefined ? payload : { ...payload, packed: rows };
  }
}

/** Finds the rows of the segment itself, if they can be looked through where they lie. */
function locateRows(
  input: Hdf5Input,
  file: Deno.FsFile,
  table: Uint8Array<ArrayBuffer>,
  packed: Dataset,
): OtherRows | undefined {
  const begin = input.locateDataset("/packed_table");
  const payloads = input.names("/").includes("packed") ? packed.begin : 0;
  if (begin === undefined || payloads === undefined) return undefined;
  const rows = { begin, size: table.length / ROW_BYTES, crc: crc32(table), payloads };
  return confirmRows(new FileWindow(file), rows) && areSorted(table) ? rows : undefined;
}

function areSorted(rows: Uint8Array): boolean {
  for (let at = ROW_BYTES; at < rows.length; at += ROW_BYTES) {
    if (compareDigests(rows, at - ROW_BYTES, rows, at) >= 0) return false;
  }
  return true;
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

  /** Where in the file the bytes lie, if that can be seen. */
  get begin(): number | undefined {
    this.#begin ??= { offset: this.#input.locateDataset(this.#path) };
    return this.#begin.offset;
  }

  /** Gives the payload if it has its checksum: where it lies, or else itself. */
  find(start: number, source: PayloadDescription): IndexedPayload | undefined {
    const row = { ...source, offset: 0, location: LOCATION.dataFile };
    if (source.length === 0) return { row };
    const offset = this.begin;
    if (offset !== undefined) {
      const details = confirmPayload(this.#window, offset + start, source);
      if (details !== undefined) return { row: { ...row, offset: offset + start }, details };
    }
    this.#bytes ??= this.#input.readDataset(this.#path);
    const inline = this.#bytes.subarray(start, start + source.length);
    // The last one of a dataset is all there whatever its row says of its length.
    if (inline.length !== source.length) return undefined;
    return crc32(inline) === source.crc ? { row, inline } : undefined;
  }
}

function readAttribute(
  input: Hdf5Input,
  path: string,
): { kind?: unknown; crc32?: unknown; shape?: unknown; format?: unknown } {
  const content: unknown = JSON.parse(input.readAttribute(path, ATTRIBUTE));
  return typeof content === "object" && content !== null ? content : {};
}

/**
 * Puts pieces together.
 *
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
