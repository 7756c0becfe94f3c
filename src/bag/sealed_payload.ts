import { toChunkGrid } from "./block_grid.ts";
import { type DigestTable, PLACE } from "./digest_table.ts";
import {
  BlockPayload,
  type BlockSource,
  createBlocks,
  createChunkBlocks,
  isWhole,
} from "./payload_blocks.ts";
import type { ReadBytes } from "./read_bytes.ts";
import { type ChunkList, type PayloadDetails, readDetails } from "./payload_details.ts";
import { toDatasetShape } from "./segment_format.ts";

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
  readonly #table: DigestTable;
  readonly #row: number;
  #details: PayloadDetails | undefined;

  /**
   * Describes the payload; nothing is read.
   *
   * @param reader What reads the segment.
   * @param table The segment's table.
   * @param row The row of the payload.
   */
  constructor(reader: SegmentReader, table: DigestTable, row: number) {
    this.#reader = reader;
    this.#table = table;
    this.#row = row;
  }

  /** The lengths of the dimensions; absent for one dimension. */
  get shape(): readonly number[] | undefined {
    return this.#readDetails().shape;
  }

  /**
   * Opens the payload for reading pieces of it. Where there are no checksums of pieces, it is read
   * to the end.
   *
   * @param known Whether the payload is known to be whole.
   * @returns The payload, or `undefined` when it is damaged or gone.
   */
  open(known: boolean): BlockPayload | undefined {
    const table = this.#table;
    const length = table.length(this.#row);
    const { shape, checks, chunks } = this.#readDetails();
    const digest = table.digest(this.#row);
    const kind = table.kind(this.#row);
    const head = { digest, kind, length, ...(shape !== undefined && { shape }) };
    const read: ReadBytes = (offset, target) => this.#readBytes(offset, target);
    if (table.place(this.#row) === PLACE.chunks) {
      const blocks = chunks && checks && this.#chunkBlocks(head, chunks, checks);
      return blocks && new BlockPayload(head, blocks);
    }
    if (known) return new BlockPayload(head, createBlocks(length, read));
    if (checks === undefined && !isWhole(read, length, table.crc(this.#row))) return undefined;
    return new BlockPayload(head, createBlocks(length, read, checks));
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
    const grid = toChunkGrid(shape, chunks.shape, elementBytes);
    if (grid.length !== head.length) return undefined;
    return createChunkBlocks(grid, this.#reader.segment, chunks.places, checks);
  }

  #readDetails(): PayloadDetails {
    this.#details ??= readDetails(this.#reader.table, this.#table.details(this.#row));
    return this.#details;
  }

  #readBytes(offset: number, target: Uint8Array<ArrayBuffer>): boolean {
    const inTable = this.#table.place(this.#row) === PLACE.table;
    const read = inTable ? this.#reader.table : this.#reader.segment;
    return read(this.#table.offset(this.#row) + offset, target);
  }
}
