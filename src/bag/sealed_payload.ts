import { countBlocks, toChunkGrid, toChunkShape } from "./block_grid.ts";
import { PLACE, type TableRow } from "./digest_table.ts";
import {
  BlockPayload,
  type BlockSource,
  createBlocks,
  createChunkBlocks,
  isWhole,
} from "./payload_blocks.ts";
import type { ReadBytes } from "../disk/file_system.ts";
import { type ChunkList, type PayloadDetails, readDetails } from "./payload_details.ts";
import { toDatasetShape } from "./segment_format.ts";

/** Deflate does no better than this: https://zlib.net/zlib_tech.html. */
const MOST_INFLATED = 1032;

/** What reads the files of a segment. */
export interface SegmentReader {
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

  /** The lengths of the dimensions; absent for one dimension. */
  get shape(): readonly number[] | undefined {
    return this.details.shape;
  }

  /**
   * Opens the payload for reading pieces of it. Where there are no checksums of pieces, it is read
   * to the end.
   *
   * @param known Whether the payload is known to be whole.
   * @returns The payload, or `undefined` when it is damaged or gone.
   */
  open(known: boolean): BlockPayload | undefined {
    const { digest, kind, length, crc, place } = this.#row;
    const { shape, checks, chunks } = this.details;
    const head = { digest, kind, length, ...(shape !== undefined && { shape }) };
    const read: ReadBytes = (offset, target) => this.#readBytes(offset, target);
    if (place === PLACE.chunks) {
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
    const elementBytes = dataset.length / dataset.count;
    const shape = dataset.dimensions;
    if (String(toChunkShape(shape, elementBytes)) !== String(chunks.shape)) return undefined;
    const grid = toChunkGrid(shape, chunks.shape, elementBytes);
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

  #readBytes(offset: number, target: Uint8Array<ArrayBuffer>): boolean {
    const { place, offset: begin } = this.#row;
    const read = place === PLACE.table ? this.#reader.table : this.#reader.segment;
    return read(begin + offset, target);
  }
}
