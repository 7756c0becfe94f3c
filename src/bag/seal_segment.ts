import { crc32 } from "node:zlib";
import { BagCorruptError } from "../errors.ts";
import { type FileSystem, replaceFile, toTemporaryPath } from "./_file_system.ts";
import { PositionedFile } from "./_positioned_fs.ts";
import { encodeTable, PLACE, PURPOSE, type TableRow, toTableBytes } from "./digest_table.ts";
import { FileWindow } from "./file_window.ts";
import type { Hdf5Access } from "./hdf5_library.ts";
import { type BagLayout, toSegmentIndexPath, toSegmentPath } from "./layout.ts";
import type { SegmentEntry } from "./manifest.ts";
import { type SegmentSource, writeSegment, type WrittenSource } from "./segment_writer.ts";

/** How much of a payload is read back at once. */
const CHUNK_BYTES = 1024 * 1024;

/** What sealing needs. */
export interface SealEnvironment {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** The bag's paths. */
  readonly layout: BagLayout;
  /** The HDF5 library. */
  readonly library: Hdf5Access;
  /** Called between slices of work. */
  readonly pause: () => Promise<void>;
}

/**
 * Writes a segment and its table under their names. Nobody looks at them before the manifest names
 * the segment.
 *
 * @param environment What sealing needs.
 * @param name The segment's name.
 * @param sources What goes into it, each digest once.
 * @returns The segment's entry for the manifest.
 */
export async function sealSegment(
  environment: SealEnvironment,
  name: string,
  sources: readonly SegmentSource[],
): Promise<SegmentEntry> {
  const { fileSystem, layout, library, pause } = environment;
  const path = toSegmentPath(layout, name);
  const temporary = toTemporaryPath(path);
  let table: Uint8Array[];
  {
    using file = fileSystem.open(temporary, { read: true, write: true, createNew: true });
    const positioned = new PositionedFile(fileSystem, file);
    const output = library.create(positioned);
    const written = await writeSegment(output, sources, pause);
    output.close();
    fileSystem.sync(file);
    table = encodeSegmentIndex(file, await confirm(environment, file, temporary, written));
  }
  fileSystem.rename(temporary, path);
  replaceFile(fileSystem, toSegmentIndexPath(layout, name), table);
  fileSystem.syncDirectory(layout.segments);
  return {
    name,
    values: sources.length,
    bytes: sources.reduce((sum, source) => sum + source.length, 0),
  };
}

/** A row, and its payload where that has to go into the table. */
export interface IndexedPayload {
  /** The row; the offset is set when the table is written. */
  readonly row: TableRow;
  /** The payload, if it is not known where in the segment it lies. */
  readonly inline?: Uint8Array;
}

/**
 * Makes the content of a segment's table.
 *
 * @param file The segment.
 * @param payloads What is in it.
 * @returns The content, in pieces.
 */
export function encodeSegmentIndex(
  file: Deno.FsFile,
  payloads: readonly IndexedPayload[],
): Uint8Array<ArrayBuffer>[] {
  let end = toTableBytes(payloads.length);
  const inlined: Uint8Array<ArrayBuffer>[] = [];
  const rows = payloads.map(({ row, inline }) => {
    if (inline === undefined) return row;
    const offset = end;
    end += inline.length;
    inlined.push(new Uint8Array(inline));
    return { ...row, offset, place: PLACE.table };
  });
  const length = file.seekSync(0, Deno.SeekMode.End);
  return [encodeTable({ purpose: PURPOSE.values, length, check: 0 }, rows), ...inlined];
}

/** Reads back what was written, and finds those payloads that do not lie where they should. */
async function confirm(
  environment: SealEnvironment,
  file: Deno.FsFile,
  path: string,
  written: readonly WrittenSource[],
): Promise<IndexedPayload[]> {
  const payloads: IndexedPayload[] = [];
  const lost: WrittenSource[] = [];
  const window = new FileWindow(file);
  for (const place of written) {
    const { source, offset } = place;
    if (offset === undefined || !isAt(window, offset, source)) lost.push(place);
    else payloads.push({ row: toRow(source, offset) });
    await environment.pause();
  }
  return lost.length === 0 ? payloads : payloads.concat(findLost(environment, file, path, lost));
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
      if (crc32(inline) === source.crc) return { row: toRow(source, 0), inline };
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

/**
 * Reads back a payload.
 *
 * @param window The segment.
 * @param offset Where the payload should begin, in bytes.
 * @param expected How long the payload is, and its checksum.
 * @returns Whether it lies there.
 */
export function isAt(
  window: FileWindow,
  offset: number,
  expected: { readonly length: number; readonly crc: number },
): boolean {
  let crc = 0;
  for (let at = 0; at < expected.length; at += CHUNK_BYTES) {
    const chunk = window.read(offset + at, Math.min(CHUNK_BYTES, expected.length - at));
    if (chunk === undefined) return false;
    crc = crc32(chunk, crc);
  }
  return crc === expected.crc;
}

function toRow(source: Omit<SegmentSource, "chunks">, offset: number): TableRow {
  const { digest, kind, length, crc } = source;
  return { digest, kind, length, crc, offset, place: PLACE.subject };
}
