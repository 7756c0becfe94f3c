import { crc32 } from "node:zlib";
import type { Digest, Payload } from "../value/encoded_value.ts";
import type { StoredPayload } from "../value/stored_payload.ts";
import { readAt } from "./_file_system.ts";
import { DigestTable, PLACE, PURPOSE } from "./digest_table.ts";
import type { FileHandles } from "./file_handles.ts";
import { type BagLayout, toSegmentIndexPath, toSegmentPath } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import { SealedPayload } from "./sealed_payload.ts";
import { readSegmentIndex } from "./segment_index.ts";
import { createSegmentReader } from "./segment_reader.ts";
import { toPayload } from "./to_payload.ts";

/** What is known of a row's payload in this process; 0 before it was read. */
const WHOLE = 1;
const DAMAGED = 2;

interface Segment {
  readonly name: string;
  readonly table: DigestTable;
  /** What is known of each row's payload. */
  readonly state: Uint8Array;
}

/** Finds values in sealed segments, through their tables and without the HDF5 library. */
export class SealedValues {
  readonly #layout: BagLayout;
  readonly #handles: FileHandles;
  /** Newest first: a value that was stored again because its old copy was damaged is found whole. */
  #segments: readonly Segment[] = [];
  #unreadable: readonly string[] = [];

  /**
   * Creates a reader of no segments.
   *
   * @param layout The bag's paths.
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
    for (const name of known.keys()) {
      this.#handles.close(toSegmentPath(this.#layout, name));
      this.#handles.close(toSegmentIndexPath(this.#layout, name));
    }
    this.#segments = segments;
    this.#unreadable = unreadable;
  }

  #read(name: string): Segment | undefined {
    const table = readSegmentIndex(this.#layout, name);
    return table && toSegment(name, table);
  }

  /**
   * Takes the table of a segment whose own one was unreadable.
   *
   * @param name The segment's name.
   * @param bytes The content of the table's file.
   */
  adopt(name: string, bytes: Uint8Array<ArrayBuffer>): void {
    const table = DigestTable.decode(bytes, PURPOSE.values);
    if (table === undefined || !this.#unreadable.includes(name)) return;
    this.#unreadable = this.#unreadable.filter((other) => other !== name);
    this.#segments = [...this.#segments, toSegment(name, table)]
      .sort((a, b) => Number(b.name) - Number(a.name));
  }

  /**
   * Tells whether a value is in a segment; looks at no file.
   *
   * @param digest The digest of the value.
   * @returns Whether a table has it, and it was not found damaged.
   */
  has(digest: Digest): boolean {
    return this.#segments.some(({ table, state }) => {
      const row = table.find(digest);
      return row !== -1 && state[row] !== DAMAGED;
    });
  }

  /**
   * Tells whether a value is known to be whole; looks at no file.
   *
   * @param digest The digest of the value.
   * @returns Whether this handle has read the value and found it whole.
   */
  isWhole(digest: Digest): boolean {
    return this.#segments.some(({ table, state }) => {
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
    for (const segment of this.#segments) {
      const row = segment.table.find(digest);
      if (row === -1 || segment.state[row] === DAMAGED) continue;
      const bytes = this.#readRow(segment, row);
      if (bytes !== undefined) return toPayload(segment.table.kind(row), bytes);
    }
    return undefined;
  }

  /**
   * Opens a value for reading pieces of it.
   *
   * @param digest The digest of the value.
   * @returns The payload, or `undefined` when no segment has it, or it was found damaged.
   */
  open(digest: Digest): StoredPayload | undefined {
    for (const segment of this.#segments) {
      const row = segment.table.find(digest);
      if (row === -1 || segment.state[row] === DAMAGED || this.#isGone(segment)) continue;
      const known = segment.state[row] === WHOLE;
      const payload = this.#payload(segment, row).open(known);
      if (payload !== undefined) return payload;
      segment.state[row] = DAMAGED;
    }
    return undefined;
  }

  #readRow(segment: Segment, row: number): Uint8Array<ArrayBuffer> | undefined {
    const { name, table, state } = segment;
    const place = table.place(row);
    const toPath = place === PLACE.table ? toSegmentIndexPath : toSegmentPath;
    const file = this.#handles.open(toPath(this.#layout, name));
    // The segment was merged into another one: a newer manifest names that.
    if (file === undefined) return undefined;
    const bytes = new Uint8Array(table.length(row));
    const there = place === PLACE.chunks
      ? this.#payload(segment, row).open(true)?.read(0, bytes) === true
      : readAt(file, table.offset(row), bytes);
    const whole = there && (state[row] === WHOLE || crc32(bytes) === table.crc(row));
    state[row] = whole ? WHOLE : DAMAGED;
    return whole ? bytes : undefined;
  }

  /** Whether the segment was merged into another one: a newer manifest names that. */
  #isGone({ name }: Segment): boolean {
    return this.#handles.open(toSegmentPath(this.#layout, name)) === undefined;
  }

  #payload({ name, table }: Segment, row: number): SealedPayload {
    return new SealedPayload(createSegmentReader(this.#layout, this.#handles, name), table, row);
  }
}

function toSegment(name: string, table: DigestTable): Segment {
  return { name, table, state: new Uint8Array(table.size) };
}
