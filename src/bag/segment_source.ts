import { crc32 } from "node:zlib";
import { type FileHandles, FileWindow, type ReadBytes } from "../disk/file_system.ts";
import { isWhole } from "./payload_blocks.ts";
import type { SealedPayload } from "./sealed_payload.ts";
import type { SegmentSource } from "./segment_writer.ts";

const CHUNK_BYTES = 1024 * 1024;

/** Reads payloads that lie in files of a bag, mostly one behind the other. */
export class SourceReader {
  readonly #handles: FileHandles;
  #path = "";
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
   * @param path The file.
   * @param offset Where the piece begins, in bytes.
   * @param length How long it is, in bytes.
   * @returns The bytes, good until the next call; or `undefined` when the file is too short or gone.
   */
  read(path: string, offset: number, length: number): Uint8Array | undefined {
    const file = this.#handles.open(path);
    if (file === undefined) return undefined;
    // A file that was closed and opened again is another object.
    if (this.#window === undefined || path !== this.#path || file !== this.#file) {
      this.#path = path;
      this.#file = file;
      this.#window = new FileWindow(file);
    }
    return this.#window.read(offset, length);
  }

  /**
   * Gives what reads a file from a position on.
   *
   * @param path The file.
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

/** A payload that lies in a bag. */
export interface StoredSource extends SegmentSource {
  /** The payload as a whole; an error if it has become damaged or too short. */
  read(): Uint8Array<ArrayBuffer>;
  /** Reads the payload, and tells whether it has its checksum. */
  isWhole(): boolean;
}

function readAll(source: SegmentSource): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(source.length);
  let at = 0;
  for (const chunk of source.chunks()) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** A payload that lies in a file of the bag. */
export class FileSource implements StoredSource {
  readonly digest: string;
  readonly kind: number;
  readonly length: number;
  readonly crc: number;
  readonly shape?: readonly number[];
  readonly #reader: SourceReader;
  readonly #path: string;
  readonly #offset: number;

  /**
   * Describes the payload; the file is not looked at.
   *
   * @param reader What reads it.
   * @param path The file.
   * @param entry What is in it, and where.
   */
  constructor(
    reader: SourceReader,
    path: string,
    entry: Omit<SegmentSource, "chunks"> & { readonly offset: number },
  ) {
    this.digest = entry.digest;
    this.kind = entry.kind;
    this.length = entry.length;
    this.crc = entry.crc;
    if (entry.shape !== undefined) this.shape = entry.shape;
    this.#reader = reader;
    this.#path = path;
    this.#offset = entry.offset;
  }

  /** The payload in pieces; an error if the file has become too short. */
  *chunks(): Generator<Uint8Array> {
    for (let at = 0; at < this.length; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, this.length - at);
      const chunk = this.#reader.read(this.#path, this.#offset + at, length);
      if (chunk === undefined) {
        throw new RangeError(`Cannot read "${this.#path}": it has become too short`);
      }
      yield chunk;
    }
  }

  /** As the interface says. */
  read(): Uint8Array<ArrayBuffer> {
    return readAll(this);
  }

  /** As the interface says. */
  isWhole(): boolean {
    let crc = 0;
    for (let at = 0; at < this.length; at += CHUNK_BYTES) {
      const length = Math.min(CHUNK_BYTES, this.length - at);
      const chunk = this.#reader.read(this.#path, this.#offset + at, length);
      if (chunk === undefined) return false;
      crc = crc32(chunk, crc);
    }
    return crc === this.crc;
  }
}

/** A payload in the chunks of a compressed dataset. */
export class PayloadSource implements StoredSource {
  readonly digest: string;
  readonly kind: number;
  readonly length: number;
  readonly crc: number;
  readonly shape?: readonly number[];
  readonly #payload: SealedPayload;

  /**
   * Describes the payload.
   *
   * @param payload What reads it.
   * @param entry What it is.
   */
  constructor(payload: SealedPayload, entry: Omit<SegmentSource, "chunks">) {
    this.digest = entry.digest;
    this.kind = entry.kind;
    this.length = entry.length;
    this.crc = entry.crc;
    if (payload.shape !== undefined) this.shape = payload.shape;
    this.#payload = payload;
  }

  /** The payload in pieces; an error if it has become damaged. */
  *chunks(): Generator<Uint8Array> {
    const payload = this.#payload.open(true);
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, this.length));
    for (let at = 0; at < this.length; at += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, this.length - at));
      if (payload?.read(at, piece) !== true) {
        throw new RangeError(`Cannot read the value "${this.digest}": it has become damaged`);
      }
      yield piece;
    }
  }

  /** As the interface says. */
  read(): Uint8Array<ArrayBuffer> {
    return readAll(this);
  }

  /** As the interface says. */
  isWhole(): boolean {
    const payload = this.#payload.open(true);
    const read: ReadBytes = (offset, target) => payload?.read(offset, target) === true;
    return isWhole(read, this.length, this.crc);
  }
}
