import { crc32 } from "node:zlib";
import { BagCorruptError } from "../../base/errors.ts";
import {
  type FilePlace,
  type FileSystem,
  FileWindow,
  removeQuietly,
  replaceFile,
  TemporaryFile,
} from "../../disk/file_system.ts";
import {
  type BagLayout,
  toSegmentIndexPath,
  toSegmentPath,
  toSegmentPaths,
} from "../../disk/layout.ts";
import { checkRoom } from "../../disk/room.ts";
import { PositionedFile } from "../hdf5/emscripten_fs.ts";
import type { Hdf5Access } from "../hdf5/access.ts";
import type { SegmentEntry } from "../manifest.ts";
import {
  BLOCK_BYTES,
  blocksOf,
  encodeDetails,
  type PayloadDetails,
  UNIT_BYTES,
  unpackChunk,
} from "../payload_blocks.ts";
import {
  encodeTable,
  LOCATION,
  type OtherRows,
  PURPOSE,
  ROW_BYTES,
  type TableRow,
  toTableBytes,
} from "../table/digest_table.ts";
import { toDatasetShape } from "./format.ts";
import {
  type SegmentSource,
  writeSegment,
  type WrittenChunks,
  type WrittenSegment,
  type WrittenSource,
} from "./segment_writer.ts";

/** How much of a payload is read back at once: a whole number of blocks. */
const PIECE_BYTES = 16 * BLOCK_BYTES;

/**
 * Reads back a payload whose bytes lie together.
 *
 * @param offset Where the payload should begin, in bytes.
 * @param expected How long the payload is, and its checksum.
 * @returns The checksums of its blocks, none for a single one; or `undefined` if it lies not there.
 */
export function confirmPayload(
  window: FileWindow,
  offset: number,
  expected: { readonly length: number; readonly crc: number },
): PayloadDetails | undefined {
  let crc = 0;
  const { length } = expected;
  const checks = new Uint32Array(length > BLOCK_BYTES ? Math.ceil(length / BLOCK_BYTES) : 0);
  for (let at = 0; at < length; at += PIECE_BYTES) {
    const piece = window.read(offset + at, Math.min(PIECE_BYTES, length - at));
    if (piece === undefined) return undefined;
    crc = crc32(piece, crc);
    for (let begin = 0; checks.length > 0 && begin < piece.length; begin += BLOCK_BYTES) {
      const block = piece.subarray(begin, begin + BLOCK_BYTES);
      checks[(at + begin) / BLOCK_BYTES] = crc32(block);
    }
  }
  if (crc !== expected.crc) return undefined;
  return checks.length > 0 ? { checks } : {};
}

/**
 * Reads back the chunks of a compressed dataset.
 *
 * @param written The chunks, and where they may lie.
 * @returns Where they lie, or `undefined` if one of them lies nowhere.
 */
export function confirmChunks(
  window: FileWindow,
  { grid, checks, candidates }: WrittenChunks,
): PayloadDetails | undefined {
  const places: FilePlace[] = [];
  const buffer = new Uint8Array(grid.blockBytes);
  for (const { index, begin, end } of blocksOf(grid)) {
    const target = buffer.subarray(0, end - begin);
    const location = candidates[index]?.find(({ offset, length }) => {
      const bytes = window.read(offset, length);
      return bytes !== undefined &&
        unpackChunk(new Uint8Array(bytes), grid.blockBytes, checks[index] ?? 0, target);
    });
    if (location === undefined) return undefined;
    places.push(location);
  }
  return { checks, chunks: { shape: grid.chunk, places } };
}

/** What writing files of segments needs. */
export interface SegmentEnvironment {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** The bag's paths. */
  readonly layout: BagLayout;
  /** The HDF5 library. */
  readonly library: Hdf5Access;
}

/** What sealing needs. */
interface SealEnvironment extends SegmentEnvironment {
  /** Called between slices of work. */
  readonly pause: () => Promise<void>;
  /**
   * The level at which arrays are compressed; 0 for not at all.
   *
   * @default {0}
   */
  readonly gzip?: number;
}

/**
 * Writes a segment and its table under their names. Nobody looks at them before the manifest names
 * the segment.
 *
 * @param environment What sealing needs.
 * @param sources What goes into it, each digest once.
 * @returns The segment's entry for the manifest.
 */
export async function sealSegment(
  environment: SealEnvironment,
  name: string,
  sources: readonly SegmentSource[],
): Promise<SegmentEntry> {
  const { fileSystem, layout, library, pause, gzip } = environment;
  const path = toSegmentPath(layout, name);
  checkRoom(layout.segments, measure(sources).bytes, `seal "${path}"`);
  using temporary = new TemporaryFile(fileSystem, path);
  let table: Uint8Array[];
  {
    using file = fileSystem.open(temporary.path, { read: true, write: true, createNew: true });
    const positioned = new PositionedFile(fileSystem, file);
    const output = library.create(positioned);
    const written = await writeSegment(output, sources, pause, gzip);
    output.close();
    fileSystem.sync(file);
    table = encodeSegmentIndex(file, await confirm(environment, file, temporary.path, written));
  }
  temporary.rename();
  try {
    replaceFile(fileSystem, toSegmentIndexPath(layout, name), table);
    fileSystem.syncDirectory(layout.segments);
  } catch (error) {
    for (const each of toSegmentPaths(layout, name)) removeQuietly(fileSystem, each);
    throw error;
  }
  return { name, ...measure(sources) };
}

/**
 * Tells how much values are.
 *
 * @returns How many there are, and the sum of their lengths.
 */
export function measure(
  sources: Iterable<{ readonly length: number }>,
): Pick<SegmentEntry, "values" | "bytes"> {
  let values = 0;
  let bytes = 0;
  for (const { length } of sources) {
    values++;
    bytes += length;
  }
  return { values, bytes };
}

/** A row, and its payload where that has to go into the table. */
export interface IndexedPayload {
  /** The row; the offset is set when the table is written. */
  readonly row: TableRow;
  /** The payload, if it is not known where in the segment it lies. */
  readonly inline?: Uint8Array;
  /** What there is to know beyond the row. */
  readonly details?: PayloadDetails;
  /** The rows of the segment itself, if they say the same. */
  readonly packed?: OtherRows;
}

/**
 * Makes the content of a segment's table.
 *
 * @param payloads What is in it.
 * @returns The content, in pieces.
 */
export function encodeSegmentIndex(
  file: Deno.FsFile,
  payloads: readonly IndexedPayload[],
): Uint8Array<ArrayBuffer>[] {
  const isPlain = ({ inline, details = {} }: IndexedPayload) =>
    inline === undefined && Object.keys(details).length === 0;
  const others = payloads.find(({ packed }) => packed !== undefined)?.packed;
  const own = payloads.filter((payload) => payload.packed === undefined || !isPlain(payload));
  let end = toTableBytes(own.length, others);
  const inlined: Uint8Array<ArrayBuffer>[] = [];
  const append = (bytes: Uint8Array<ArrayBuffer>): number => {
    const offset = end;
    end += bytes.length;
    inlined.push(bytes);
    return offset;
  };
  // In the order of the rows, so that a table can be made again the same.
  const placed = own.filter((payload) => !isPlain(payload))
    .sort((a, b) => a.row.digest < b.row.digest ? -1 : 1)
    .map(({ row, inline, details }) => {
      if (inline === undefined) return { row, details };
      const offset = append(new Uint8Array(inline));
      return { row: { ...row, offset, location: LOCATION.table }, details };
    });
  const rows: TableRow[] = own.filter(isPlain).map(({ row }) => row);
  for (const { row, details = {} } of placed) {
    if (Object.keys(details).length === 0) {
      rows.push(row);
      continue;
    }
    append(new Uint8Array((UNIT_BYTES - end % UNIT_BYTES) % UNIT_BYTES));
    rows.push({ ...row, details: append(encodeDetails(details)) / UNIT_BYTES });
  }
  const length = file.seekSync(0, Deno.SeekMode.End);
  return [encodeTable({ purpose: PURPOSE.values, length, check: 0 }, rows, others), ...inlined];
}

/** Reads back what was written, and finds those payloads that do not lie where they should. */
async function confirm(
  environment: SealEnvironment,
  file: Deno.FsFile,
  path: string,
  written: WrittenSegment,
): Promise<IndexedPayload[]> {
  const payloads: IndexedPayload[] = [];
  const lost: WrittenSource[] = [];
  const window = new FileWindow(file);
  const packed = written.packed && confirmRows(window, written.packed) ? written.packed : undefined;
  for (const location of written.sources) {
    const found = confirmPlace(window, location);
    if (found === undefined) lost.push(location);
    else if (packed === undefined || location.path !== "/packed") payloads.push(found);
    else payloads.push({ ...found, packed });
    await environment.pause();
  }
  return lost.length === 0 ? payloads : payloads.concat(findLost(environment, file, path, lost));
}

/**
 * Reads back the rows of a segment itself.
 *
 * @param rows Where they should lie.
 * @returns Whether they do.
 */
export function confirmRows(window: FileWindow, { begin, size, crc }: OtherRows): boolean {
  return confirmPayload(window, begin, { length: size * ROW_BYTES, crc }) !== undefined;
}

function confirmPlace(
  window: FileWindow,
  { source, offset, chunks }: WrittenSource,
): IndexedPayload | undefined {
  if (chunks !== undefined) {
    const details = confirmChunks(window, chunks);
    const row = { ...toRow(source, 0), location: LOCATION.chunks };
    return details && { row, details: { ...toShape(source), ...details } };
  }
  const checks = offset === undefined ? undefined : confirmPayload(window, offset, source);
  if (offset === undefined || checks === undefined) return undefined;
  return { row: toRow(source, offset), details: { ...toShape(source), ...checks } };
}

/** The shape that the dataset has; what is packed has none. */
function toShape({ kind, length, shape }: SegmentSource): Pick<PayloadDetails, "shape"> {
  const dimensions = toDatasetShape(kind, length, shape)?.dimensions;
  return dimensions !== undefined && dimensions.length > 1 ? { shape: dimensions } : {};
}

function findLost(
  { fileSystem, library }: SealEnvironment,
  file: Deno.FsFile,
  path: string,
  lost: readonly WrittenSource[],
): IndexedPayload[] {
  const input = library.open(new PositionedFile(fileSystem, file));
  try {
    return lost.map(({ source, path: dataset, start }) => {
      const inline = input.readDataset(dataset).subarray(start, start + source.length);
      if (crc32(inline) === source.crc) {
        return { row: toRow(source, 0), inline, details: toShape(source) };
      }
      throw new BagCorruptError(
        `Cannot seal "${path}": the value "${source.digest}" cannot be read back`,
        path,
        0,
      );
    });
  } finally {
    input.close();
  }
}

function toRow(source: Omit<SegmentSource, "chunks">, offset: number): TableRow {
  const { digest, kind, length, crc } = source;
  return { digest, kind, length, crc, offset, location: LOCATION.dataFile };
}
