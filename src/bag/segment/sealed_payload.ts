import { crc32 } from "node:zlib";
import {
  type FileHandles,
  FileWindow,
  mayHave,
  type ReadBytes,
  readIfWhole,
} from "../../disk/file_system.ts";
import { type BagLayout, toSegmentIndexPath, toSegmentPath } from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";
import {
  BlockPayload,
  type BlockSource,
  type ChunkList,
  countBlocks,
  createBlocks,
  createChunkBlocks,
  isWhole,
  type PayloadDetails,
  readDetails,
  toChunkGrid,
} from "../payload_blocks.ts";
import { LOCATION, type TableRow } from "../table/digest_table.ts";
import { toDatasetShape } from "./format.ts";
import type { SegmentSource } from "./segment_writer.ts";

/** Deflate does no better than this: https://zlib.net/zlib_tech.html. */
const MOST_INFLATED = 1032;

/** What reads the files of a segment. */
interface SegmentReader {
  /** Reads bytes of the HDF5 file. */
  readonly segment: ReadBytes;
  /** Reads bytes of the table's file. */
  readonly table: ReadBytes;
}

/** A payload in a segment: its bytes lie together, or in the chunks of a compressed dataset. */
export class SealedPayload {
  readonly #reader: SegmentReader;
  readonly #row: TableRow;
  #details: PayloadDetails | undefined;

  /**
   * Describes the payload; nothing is read.
   *
   * @param reader What reads the segment.
   * @param row The row of the payload in the segment's table.
   * @param details The details of the row; if not given, they are read when they are needed.
   */
  constructor(reader: SegmentReader, row: TableRow, details?: PayloadDetails) {
    this.#reader = reader;
    this.#row = row;
    this.#details = details;
  }

  /**
   * Opens the payload for reading pieces of it. Where there are no checksums of pieces, it is read
   * to the end.
   *
   * @param known Whether the payload is known to be whole.
   * @returns The payload, or `undefined` when it is damaged or gone.
   */
  open(known: boolean): BlockPayload | undefined {
    const { digest, kind, length, crc, location, offset: begin } = this.#row;
    const { shape, checks, chunks } = this.details;
    const head = { digest, kind, length, ...(shape !== undefined && { shape }) };
    const source = location === LOCATION.table ? this.#reader.table : this.#reader.segment;
    const read: ReadBytes = (offset, target) => source(begin + offset, target);
    if (location === LOCATION.chunks) {
      const blocks = chunks && checks && this.#chunkBlocks(head, chunks, checks);
      return blocks && new BlockPayload(head, blocks);
    }
    // A table may say anything, and whoever wants a piece takes memory for it.
    if (length > 0 && !read(length - 1, new Uint8Array(1))) return undefined;
    if (known) return new BlockPayload(head, createBlocks(length, read));
    if (checks === undefined && !isWhole(read, length, crc)) return undefined;
    return new BlockPayload(head, createBlocks(length, read, checks));
  }

  /**
   * Reads all of the payload, whose own checksum is not looked at.
   *
   * @returns The payload, or `undefined` when it is damaged or gone.
   */
  load(): Uint8Array<ArrayBuffer> | undefined {
    const payload = this.open(true);
    if (payload === undefined) return undefined;
    const bytes = new Uint8Array(payload.length);
    return payload.read(0, bytes) ? bytes : undefined;
  }

  #chunkBlocks(
    head: { kind: number; length: number; shape?: readonly number[] },
    chunks: ChunkList,
    checks: Uint32Array,
  ): BlockSource | undefined {
    const dataset = toDatasetShape(head.kind, head.length, head.shape);
    if (dataset === undefined) return undefined;
    const grid = toChunkGrid(dataset.dimensions, dataset.length / dataset.count);
    if (String(grid.chunk) !== String(chunks.shape)) return undefined;
    if (grid.length !== head.length || countBlocks(grid) !== chunks.places.length) return undefined;
    if (!this.#hasRoom(chunks, head.length)) return undefined;
    return createChunkBlocks(grid, this.#reader.segment, chunks.places, checks);
  }

  /** Whether the segment is large enough for so many bytes in chunks. */
  #hasRoom({ places }: ChunkList, inflated: number): boolean {
    const written = places.reduce((sum, { length }) => sum + length, 0);
    return inflated <= written * MOST_INFLATED &&
      this.#reader.segment(written - 1, new Uint8Array(1));
  }

  /** What the table tells beyond the row; nothing when it is damaged. */
  get details(): PayloadDetails {
    this.#details ??= readDetails(this.#reader.table, this.#row.details ?? 0);
    return this.#details;
  }
}

/**
 * Makes what reads the files of a segment.
 *
 * @param handles Where open files are kept.
 * @returns What reads them; files are opened when they are needed.
 */
export function createSegmentReader(
  layout: BagLayout,
  handles: FileHandles,
  name: string,
): SegmentReader {
  const toRead = (path: string): ReadBytes => (offset, target) => {
    const file = handles.open(path);
    return file !== undefined && mayHave(file, offset, target.length) &&
      readIfWhole(file, offset, target);
  };
  return {
    segment: toRead(toSegmentPath(layout, name)),
    table: toRead(toSegmentIndexPath(layout, name)),
  };
}

const CHUNK_BYTES = 1024 * 1024;

/** Reads payloads that lie in files of a bag, mostly one behind the other. */
export class SourceReader {
  readonly #handles: FileHandles;
  #file: Deno.FsFile | undefined;
  #window: FileWindow | undefined;

  /**
   * Creates a reader.
   *
   * @param handles Where open files are kept.
   */
  constructor(handles: FileHandles) {
    this.#handles = handles;
  }

  /**
   * Reads a piece of a file.
   *
   * @param offset Where the piece begins, in bytes.
   * @param length How long it is, in bytes.
   * @returns The bytes, good until the next call; or `undefined` when the file is too short or gone.
   */
  read(path: string, offset: number, length: number): Uint8Array | undefined {
    const file = this.#handles.open(path);
    if (file === undefined) return undefined;
    // Each path has a file of its own, and one that was closed and opened again is another object.
    if (this.#window === undefined || file !== this.#file) {
      this.#file = file;
      this.#window = new FileWindow(file);
    }
    return this.#window.read(offset, length);
  }

  /**
   * Gives what reads a file from a position on.
   *
   * @param begin The position, in bytes.
   * @returns Reads bytes at an offset from there.
   */
  from(path: string, begin: number): ReadBytes {
    return (offset, target) => {
      const bytes = this.read(path, begin + offset, target.length);
      if (bytes !== undefined) target.set(bytes);
      return bytes !== undefined;
    };
  }
}

/** Reads a piece of a payload: bytes that are good until the next call, `undefined` if they are lost. */
type ReadPiece = (offset: number, length: number) => Uint8Array | undefined;

/** A payload that lies in a bag. */
export abstract class StoredSource implements SegmentSource {
  readonly digest: Digest;
  readonly kind: number;
  readonly length: number;
  readonly crc: number;
  readonly shape?: readonly number[];

  /**
   * Describes the payload; no file is looked at.
   *
   * @param entry What it is.
   */
  constructor(entry: Omit<SegmentSource, "chunks">) {
    this.digest = entry.digest;
    this.kind = entry.kind;
    this.length = entry.length;
    this.crc = entry.crc;
    if (entry.shape !== undefined) this.shape = entry.shape;
  }

  /** Gives what reads the payload once. */
  protected abstract open(): ReadPiece;

  /** What has become of a payload that cannot be read any more. */
  protected abstract get loss(): string;

  *#pieces(): Generator<Uint8Array | undefined> {
    const read = this.open();
    for (let at = 0; at < this.length; at += CHUNK_BYTES) {
      yield read(at, Math.min(CHUNK_BYTES, this.length - at));
    }
  }

  /** The payload in pieces; an error if it has become damaged or too short. */
  *chunks(): Generator<Uint8Array> {
    for (const piece of this.#pieces()) {
      if (piece === undefined) throw new RangeError(`Cannot read ${this.loss}`);
      yield piece;
    }
  }

  /** The payload as a whole; an error if it has become damaged or too short. */
  read(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.length);
    let at = 0;
    for (const chunk of this.chunks()) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  /** Reads the payload, and tells whether it has its checksum. */
  isWhole(): boolean {
    let crc = 0;
    for (const piece of this.#pieces()) {
      if (piece === undefined) return false;
      crc = crc32(piece, crc);
    }
    return crc === this.crc;
  }
}

/** A payload that lies in a file of the bag. */
export class FileSource extends StoredSource {
  readonly #reader: SourceReader;
  readonly #path: string;
  readonly #offset: number;

  /**
   * Describes the payload; the file is not looked at.
   *
   * @param reader What reads it.
   * @param entry What is in it, and where.
   */
  constructor(
    reader: SourceReader,
    path: string,
    entry: Omit<SegmentSource, "chunks"> & { readonly offset: number },
  ) {
    super(entry);
    this.#reader = reader;
    this.#path = path;
    this.#offset = entry.offset;
  }

  protected open(): ReadPiece {
    return (offset, length) => this.#reader.read(this.#path, this.#offset + offset, length);
  }

  protected get loss(): string {
    return `"${this.#path}": it has become too short`;
  }
}

/** A payload in the chunks of a compressed dataset. */
export class PayloadSource extends StoredSource {
  readonly #payload: SealedPayload;

  /**
   * Describes the payload.
   *
   * @param payload What reads it.
   * @param entry What it is.
   */
  constructor(payload: SealedPayload, entry: Omit<SegmentSource, "chunks">) {
    super(entry);
    this.#payload = payload;
  }

  protected open(): ReadPiece {
    const payload = this.#payload.open(true);
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, this.length));
    return (offset, length) => {
      const piece = buffer.subarray(0, length);
      return payload?.read(offset, piece) === true ? piece : undefined;
    };
  }

  protected get loss(): string {
    return `the value "${this.digest}": it has become damaged`;
  }
}
