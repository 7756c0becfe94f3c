import { crc32 } from "node:zlib";
import type { StoredPart } from "../../disk/disk_storage.ts";
import { type FileHandles, openIfThere, readPiece } from "../../disk/file_system.ts";
import { type BagLayout, toSegmentPath, toSegmentPaths } from "../../disk/layout.ts";
import { toPayload } from "../../disk/payload.ts";
import type { Digest, Payload, StoredPayload } from "../../value/value.ts";
import type { Manifest } from "../manifest.ts";
import { DigestTable, LOCATION, PURPOSE, type TableRow, toPrefix } from "../table/digest_table.ts";
import { createSegmentReader, SealedPayload } from "./sealed_payload.ts";
import { SegmentTable } from "./segment_table.ts";

/** What is known of a row's payload in this process; 0 before it was read. */
const WHOLE = 1;
const DAMAGED = 2;

interface Segment {
  readonly name: string;
  /** The segment's file. */
  readonly path: string;
  /** The file of its table. */
  readonly tablePath: string;
  readonly table: SegmentTable;
  /** What is known of each row's payload. */
  readonly state: Uint8Array;
}

/** Finds values in sealed segments, through their tables and without the HDF5 library. */
export class SealedValues {
  readonly #layout: BagLayout;
  readonly #handles: FileHandles;
  /** Newest first: a value that was stored again because its old copy was damaged is found whole. */
  #segments: readonly Segment[] = [];
  #directory = new SegmentDirectory<Segment>([]);
  #unreadable: readonly string[] = [];

  /**
   * Creates a reader of no segments.
   *
   * @param handles Where open files are kept.
   */
  constructor(layout: BagLayout, handles: FileHandles) {
    this.#layout = layout;
    this.#handles = handles;
  }

  /** The segments that have no usable table, so that their values are missing. */
  get unreadable(): readonly string[] {
    return this.#unreadable;
  }

  /**
   * Takes the live segments; tables that are known already are not read again.
   *
   * @param manifest What is live.
   */
  load(manifest: Manifest): void {
    const known = new Map(this.#segments.map((segment) => [segment.name, segment]));
    const segments: Segment[] = [];
    const unreadable: string[] = [];
    for (const { name } of manifest.segments) {
      const segment = known.get(name) ?? this.#read(name);
      if (segment === undefined) unreadable.push(name);
      else segments.unshift(segment);
      known.delete(name);
    }
    for (const { path, tablePath } of known.values()) {
      this.#handles.close(path);
      this.#handles.close(tablePath);
    }
    this.#take(segments);
    this.#unreadable = unreadable;
  }

  #read(name: string): Segment | undefined {
    const table = SegmentTable.read(this.#layout, name, this.#handles);
    return table && toSegment(this.#layout, name, table);
  }

  /**
   * Takes the table of a segment whose own one was unreadable.
   *
   * @param bytes The content of the table's file.
   */
  adopt(name: string, bytes: Uint8Array<ArrayBuffer>): void {
    const own = DigestTable.decode(bytes, PURPOSE.values);
    if (own === undefined || !this.#unreadable.includes(name)) return;
    const path = toSegmentPath(this.#layout, name);
    using file = openIfThere(path);
    if (file === undefined) return;
    const table = SegmentTable.of(own, file, () => this.#handles.open(path));
    this.#unreadable = this.#unreadable.filter((other) => other !== name);
    const segments = [...this.#segments, toSegment(this.#layout, name, table)];
    this.#take(segments.sort((a, b) => Number(b.name) - Number(a.name)));
  }

  #take(segments: readonly Segment[]): void {
    this.#segments = segments;
    this.#directory = new SegmentDirectory(segments);
  }

  /**
   * Tells what is known of a value; looks at no file.
   *
   * @param digest The digest of the value.
   * @returns Its kind and length, or `undefined` when no segment has it.
   */
  find(digest: Digest): StoredPart | undefined {
    for (const { table, state } of this.#directory.find(digest)) {
      const row = table.find(digest);
      if (row === -1 || state[row] === DAMAGED) continue;
      return table.row(row, digest);
    }
    return undefined;
  }

  /**
   * Tells whether a value is known to be whole; looks at no file.
   *
   * @param digest The digest of the value.
   * @returns Whether this handle has read the value and found it whole.
   */
  isWhole(digest: Digest): boolean {
    return this.#directory.find(digest).some(({ table, state }) => {
      const row = table.find(digest);
      return row !== -1 && state[row] === WHOLE;
    });
  }

  /**
   * Reads a value.
   *
   * @param digest The digest of the value.
   * @returns The payload, or `undefined` when no segment has it whole.
   */
  read(digest: Digest): Payload | undefined {
    for (const segment of this.#directory.find(digest)) {
      const payload = this.#readCopy(segment, segment.table.find(digest), digest);
      if (payload !== undefined) return payload;
    }
    return undefined;
  }

  /**
   * Reads all copies of a value, which differ where somebody has made one up.
   *
   * @param digest The digest of the value.
   * @param isWanted Whether copies of a kind are to be read.
   */
  *copies(digest: Digest, isWanted: (kind: number) => boolean): Generator<Payload> {
    for (const segment of this.#directory.find(digest)) {
      const row = segment.table.find(digest);
      if (row === -1 || !isWanted(segment.table.row(row, digest).kind)) continue;
      const payload = this.#readCopy(segment, row, digest);
      if (payload !== undefined) yield payload;
    }
  }

  #readCopy(segment: Segment, row: number, digest: Digest): Payload | undefined {
    if (row === -1 || segment.state[row] === DAMAGED) return undefined;
    const found = segment.table.row(row, digest);
    const bytes = this.#readRow(segment, row, found);
    const payload = bytes && toPayload(found.kind, bytes);
    // Whole, but of no kind that is known: as good as damaged.
    if (bytes !== undefined && payload === undefined) segment.state[row] = DAMAGED;
    return payload;
  }

  /** Lists what begins with some characters. */
  *matching(prefix: string): Generator<Digest> {
    const first = toPrefix(prefix.padEnd(8, "0"));
    const last = toPrefix(prefix.padEnd(8, "f"));
    for (const { table } of this.#segments) {
      let row = 0;
      for (const found of table.prefixes) {
        const { digest } = found >= first && found <= last ? table.row(row) : { digest: "" };
        if (digest.startsWith(prefix)) yield digest;
        row++;
      }
    }
  }

  /**
   * Takes note that the copy which would be read is as good as damaged.
   *
   * @param digest The digest of the value.
   * @returns Whether there was one.
   */
  reject(digest: Digest): boolean {
    for (const { table, state } of this.#directory.find(digest)) {
      const row = table.find(digest);
      if (row === -1 || state[row] === DAMAGED) continue;
      state[row] = DAMAGED;
      return true;
    }
    return false;
  }

  /**
   * Opens a value for reading pieces of it.
   *
   * @param digest The digest of the value.
   * @returns The payload, or `undefined` when no segment has it, or it was found damaged.
   */
  open(digest: Digest): StoredPayload | undefined {
    for (const segment of this.#directory.find(digest)) {
      const { name, path, table, state } = segment;
      const row = table.find(digest);
      if (row === -1 || state[row] === DAMAGED) continue;
      const found = table.row(row, digest);
      // The segment was merged into another one: a newer manifest names that.
      if (this.#handles.open(path) === undefined) continue;
      const payload = this.#payload(name, found).open(state[row] === WHOLE);
      if (payload !== undefined) return payload;
      state[row] = DAMAGED;
    }
    return undefined;
  }

  #payload(name: string, row: TableRow): SealedPayload {
    return new SealedPayload(createSegmentReader(this.#layout, this.#handles, name), row);
  }

  #readRow(
    { name, path, tablePath, state }: Segment,
    row: number,
    found: TableRow,
  ): Uint8Array<ArrayBuffer> | undefined {
    const { location, offset, length, crc } = found;
    const file = this.#handles.open(location === LOCATION.table ? tablePath : path);
    // The segment was merged into another one: a newer manifest names that.
    if (file === undefined) return undefined;
    const bytes = location === LOCATION.chunks
      ? this.#payload(name, found).load()
      : readPiece(file, offset, length);
    const whole = bytes !== undefined && (state[row] === WHOLE || crc32(bytes) === crc);
    state[row] = whole ? WHOLE : DAMAGED;
    return whole ? bytes : undefined;
  }
}

function toSegment(layout: BagLayout, name: string, table: SegmentTable): Segment {
  const [path, tablePath] = toSegmentPaths(layout, name);
  return { name, path, tablePath, table, state: new Uint8Array(table.size) };
}

/** Segments of up to this many values are looked for together: a bag of large arrays has hundreds. */
const FEW_ROWS = 256;

/**
 * Tells which of many segments may have a digest, so that a look-up does not ask each of them.
 *
 * @typeParam S What is known of a segment.
 */
export class SegmentDirectory<
  S extends { readonly table: Pick<SegmentTable, "size" | "prefixes"> },
> {
  /** Segments of many values: there are few of them, as small ones are merged. */
  readonly #large: readonly S[];
  /** Segments of few values, by the prefixes of these. */
  readonly #few = new Map<number, S[]>();

  /**
   * Takes the segments.
   *
   * @param segments The segments, in the order in which they are to be asked.
   */
  constructor(segments: readonly S[]) {
    this.#large = segments.filter(({ table }) => table.size > FEW_ROWS);
    for (const segment of segments) {
      if (segment.table.size > FEW_ROWS) continue;
      for (const prefix of segment.table.prefixes) {
        const others = this.#few.get(prefix);
        if (others === undefined) this.#few.set(prefix, [segment]);
        else others.push(segment);
      }
    }
  }

  /**
   * Names the segments that may have a digest.
   *
   * @returns The segments; no other has it.
   */
  find(digest: Digest): readonly S[] {
    const few = this.#few.size === 0 ? undefined : this.#few.get(toPrefix(digest));
    return few === undefined ? this.#large : few.concat(this.#large);
  }
}
