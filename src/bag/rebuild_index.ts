import { crc32 } from "node:zlib";
import { QuiverError } from "../errors.ts";
import { VALUE_KIND } from "../value/value_kind.ts";
import { type FileSystem, isMissing, openIfThere, replaceFile } from "./_file_system.ts";
import { type FileAccess, PositionedFile } from "./_positioned_fs.ts";
import { blocksOf, toChunkBox, toChunkGrid, toChunkShape } from "./block_grid.ts";
import type { RebuiltIndex } from "./background_fold.ts";
import { PLACE, type TableRow } from "./digest_table.ts";
import { confirmChunks, confirmPayload } from "./confirm_written.ts";
import { FileWindow } from "./file_window.ts";
import { writeFrontDoor } from "./front_door.ts";
import type { Hdf5Access, Hdf5Input } from "./hdf5_library.ts";
import { getLength } from "./journal_format.ts";
import { type BagLayout, toSegmentIndexPath, toSegmentPath } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import { encodeSegmentIndex, type IndexedPayload } from "./seal_segment.ts";
import { ATTRIBUTE, PACKED_ROW_BYTES, toDatasetShape } from "./segment_format.ts";
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
  if (file === undefined) return undefined;
  try {
    const input = library.open(new PositionedFile(fileSystem, file));
    try {
      return indexSegment(input, file);
    } finally {
      input.close();
    }
  } catch (error) {
    // The library cannot read the file.
    if (error instanceof QuiverError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Makes the content of a segment's table from the segment.
 *
 * @param input The segment, or another HDF5 file that has the same in it.
 * @param file The same file.
 * @returns The content of the table's file.
 */
export function indexSegment(input: Hdf5Input, file: Deno.FsFile): Uint8Array<ArrayBuffer> {
  const payloads = [...findArrays(input, file), ...findPacked(input, file)];
  return concatenate(encodeSegmentIndex(file, payloads));
}

function* findArrays(input: Hdf5Input, file: Deno.FsFile): Generator<IndexedPayload> {
  for (const digest of input.names("/values")) {
    const path = `/values/${digest}`;
    if (!DIGEST_REGEXP.test(digest)) continue;
    const { kind: kindName, crc32: crc, shape } = readAttribute(input, path);
    const kind = KINDS.get(kindName);
    if (kind === undefined || typeof crc !== "number") continue;
    const length = input.measureDataset(path);
    const dataset = new Dataset(input, file, path);
    const dimensions = toDatasetShape(kind, length, toNumbers(shape))?.dimensions ?? [];
    const row = { digest, kind, length, crc };
    const chunks = findChunks(input, file, path, row);
    for (const payload of chunks === undefined ? dataset.find(0, row) : [chunks]) {
      const details = { ...(dimensions.length > 1 && { shape: dimensions }), ...payload.details };
      yield { ...payload, details };
    }
  }
}

/** Finds the chunks of a compressed dataset, if each holds bytes that lie together. */
function findChunks(
  input: Hdf5Input,
  file: Deno.FsFile,
  path: string,
  source: Pick<TableRow, "digest" | "kind" | "length" | "crc">,
): IndexedPayload | undefined {
  const { shape, chunk } = input.describeDataset(path);
  const dataset = toDatasetShape(source.kind, source.length, shape);
  if (chunk === undefined || dataset === undefined) return undefined;
  const elementBytes = dataset.length / dataset.count;
  const grid = toChunkGrid(shape, chunk, elementBytes);
  if (toChunkShape(shape, elementBytes).join() !== chunk.join()) return undefined;
  const candidates: (readonly FileAccess[])[] = [];
  const checks: number[] = [];
  let crc = 0;
  for (const block of blocksOf(grid)) {
    const { start, count } = toChunkBox(shape, elementBytes, block);
    const { bytes, reads } = input.readPart(path, start, count);
    crc = crc32(bytes, crc);
    checks.push(crc32(bytes));
    candidates.push(reads);
  }
  if (crc !== source.crc) return undefined;
  const written = { shape: chunk, grid, checks: Uint32Array.from(checks), candidates };
  const details = confirmChunks(new FileWindow(file), written);
  return details && { row: { ...source, offset: 0, place: PLACE.chunks }, details };
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
    yield* dataset.find(getLength(view, at + 64), {
      digest: decoder.decode(table.subarray(at, at + 64)),
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
    if (offset !== undefined) {
      const details = confirmPayload(this.#window, offset + start, source);
      if (details !== undefined) return yield { row: { ...row, offset: offset + start }, details };
    }
    this.#bytes ??= this.#input.readDataset(this.#path);
    const inline = this.#bytes.subarray(start, start + source.length);
    if (crc32(inline) === source.crc) yield { row, inline };
  }
}

function toNumbers(shape: unknown): number[] | undefined {
  return Array.isArray(shape) ? shape.map(Number) : undefined;
}

function readAttribute(
  input: Hdf5Input,
  path: string,
): { kind?: unknown; crc32?: unknown; shape?: unknown } {
  const content: unknown = JSON.parse(input.readAttribute(path, ATTRIBUTE));
  return typeof content === "object" && content !== null ? content : {};
}

function concatenate(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
