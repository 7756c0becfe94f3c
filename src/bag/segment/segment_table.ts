import { type FileHandles, ifThere, openIfThere, readIfWhole } from "../../disk/file_system.ts";
import { type BagLayout, toSegmentPaths } from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";
import {
  DigestTable,
  encodeTable,
  LOCATION,
  type OtherRows,
  PURPOSE,
  readDigest,
  readRow,
  ROW_BYTES,
  type TableRow,
  toViewed,
} from "../table/digest_table.ts";
import { PACKED_VERSION, readPackedRows } from "./format.ts";

/** How many rows are read at once of what is damaged. */
const CHUNK_ROWS = 4096;

/** A row, and its number. */
export interface NumberedRow {
  /** The number, by which the row is read again. */
  readonly index: number;
  /** The row. */
  readonly row: TableRow;
}

/**
 * What is in a segment: the rows of its table's file, and those of `/packed_table` in the segment
 * itself, of which only numbers follow on the others. A digest that both have is that of the table's.
 */
export class SegmentTable {
  /** How many rows there are. */
  readonly size: number;
  /** How many rows the segment itself has. */
  readonly packedSize: number;
  readonly #own: DigestTable;
  readonly #packed: DigestTable | undefined;
  /** Where in the segment packed payloads begin. */
  readonly #payloads: number;

  private constructor(own: DigestTable, packed: DigestTable | undefined) {
    this.#own = own;
    this.#packed = packed;
    this.#payloads = own.others?.payloads ?? 0;
    this.packedSize = packed?.size ?? 0;
    this.size = own.size + this.packedSize;
  }

  /**
   * Takes the rows of a segment whose table was read. Rows of the segment itself that are damaged are
   * left out.
   *
   * @param own The table of its file.
   * @param segment The segment's file, which is open.
   * @param reopen Gives that file again when a row is read, or `undefined` when it is gone.
   */
  static of(
    own: DigestTable,
    segment: Deno.FsFile,
    reopen: () => Deno.FsFile | undefined,
  ): SegmentTable {
    const { others } = own;
    if (others === undefined) return new SegmentTable(own, undefined);
    const packed = DigestTable.readOthers(segment, own, others, reopen);
    return new SegmentTable(own, packed ?? rescueRows(segment, others));
  }

  /**
   * Reads the table of a segment.
   *
   * @param segment The name of the segment.
   * @param handles Where open files are kept, from which the rows of a large table are read.
   * @param options Whether the table may be of a segment of another length, or of one that is gone.
   * @returns The table, or `undefined` when it is missing, damaged, or of another file; it can then
   * be made again from the segment.
   */
  static read(
    layout: BagLayout,
    segment: string,
    handles: FileHandles,
    { anyLength = false }: { readonly anyLength?: boolean } = {},
  ): SegmentTable | undefined {
    const [path, indexPath] = toSegmentPaths(layout, segment);
    // Not through `handles`: the tables of many segments would displace files that are in use.
    using index = openIfThere(indexPath);
    const own = index && DigestTable.read(index, PURPOSE.values, () => handles.open(indexPath));
    if (own === undefined) return undefined;
    const size = ifThere(() => Deno.statSync(path).size);
    if (own.subject.length !== size && !anyLength) return undefined;
    using file = own.others === undefined ? undefined : openIfThere(path);
    if (file === undefined) return new SegmentTable(own, undefined);
    return SegmentTable.of(own, file, () => handles.open(path));
  }

  /** The first four bytes of each digest. */
  get prefixes(): Iterable<number> {
    const { prefixes } = this.#own;
    return this.#packed === undefined ? prefixes : [...prefixes, ...this.#packed.prefixes];
  }

  /**
   * Finds a digest.
   *
   * @returns The number of its row, or -1.
   */
  find(digest: Digest): number {
    const row = this.#own.find(digest);
    if (row !== -1 || this.#packed === undefined) return row;
    const packed = this.#packed.find(digest);
    return packed === -1 ? -1 : this.#own.size + packed;
  }

  /**
   * Reads a row; one that was just found is at hand.
   *
   * @param index The number of the row.
   * @param digest The row's digest, where it is known already.
   * @throws {RangeError} When the file is gone or has become too short.
   */
  row(index: number, digest?: Digest): TableRow {
    if (this.#packed === undefined || index < this.#own.size) return this.#own.row(index, digest);
    return this.#place(this.#packed.row(index - this.#own.size, digest));
  }

  /** Where others see the begin of what is packed, there is only a place in the file. */
  #place({ digest, offset, length, kind, crc }: TableRow): TableRow {
    const place = { offset: this.#payloads + offset, location: LOCATION.dataFile };
    return { digest, length, kind, crc, ...place };
  }

  /**
   * Goes over the bytes of the rows, each digest once. Only digest, length and kind are those of
   * {@linkcode rows}.
   *
   * @returns The bytes of each row, good until the next.
   */
  *rowBytes(): Generator<Uint8Array<ArrayBuffer>> {
    yield* this.#own.rowBytes();
    for (const bytes of this.#packed?.rowBytes() ?? []) {
      if (!this.#isOwn(() => readDigest(toViewed(bytes), 0))) yield bytes;
    }
  }

  /**
   * Reads some of the rows.
   *
   * @param accepts Tells by its bytes whether a row is wanted, as {@linkcode rowBytes} gives them.
   */
  *select(accepts: (bytes: Uint8Array<ArrayBuffer>) => boolean): Generator<TableRow> {
    for (const bytes of this.#own.rowBytes()) {
      if (accepts(bytes)) yield readRow(toViewed(bytes), 0);
    }
    for (const bytes of this.#packed?.rowBytes() ?? []) {
      if (!accepts(bytes)) continue;
      const row = readRow(toViewed(bytes), 0);
      if (!this.#isOwn(() => row.digest)) yield this.#place(row);
    }
  }

  #isOwn(toDigest: () => Digest): boolean {
    return this.#own.size > 0 && this.#own.find(toDigest()) !== -1;
  }

  /** Goes over the rows, each digest once. */
  *rows(): Generator<TableRow> {
    for (const { row } of this.numberedRows()) yield row;
  }

  /** The same, with the numbers of the rows. */
  *numberedRows(): Generator<NumberedRow> {
    let index = 0;
    for (const row of this.#own.rows()) yield { index: index++, row };
    for (const packed of this.#packed?.rows() ?? []) {
      if (!this.#isOwn(() => packed.digest)) yield { index, row: this.#place(packed) };
      index++;
    }
  }
}

/** Reads rows of which some are damaged: each has a checksum of its own. */
function rescueRows(segment: Deno.FsFile, { begin, size }: OtherRows): DigestTable | undefined {
  const end = Math.min(begin + size * ROW_BYTES, segment.seekSync(0, Deno.SeekMode.End));
  const rows = new Map<Digest, TableRow>();
  const buffer = new Uint8Array(CHUNK_ROWS * ROW_BYTES);
  for (let at = begin; at < end; at += buffer.length) {
    const chunk = buffer.subarray(0, Math.min(buffer.length, end - at));
    if (!readIfWhole(segment, at, chunk)) continue;
    for (const row of readPackedRows(PACKED_VERSION, chunk)) rows.set(row.digest, row);
  }
  const subject = { purpose: PURPOSE.values, length: 0, check: 0 };
  return DigestTable.decode(encodeTable(subject, Array.from(rows.values())), PURPOSE.values);
}
