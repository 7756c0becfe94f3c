import { crc32 } from "node:zlib";
import { readAt } from "./_file_system.ts";
import type { FileHandles } from "./file_handles.ts";
import type { SegmentSource } from "./segment_writer.ts";

const CHUNK_BYTES = 1024 * 1024;

/** A payload that lies in a file of the bag. */
export class FileSource implements SegmentSource {
  readonly digest: string;
  readonly kind: number;
  readonly length: number;
  readonly crc: number;
  readonly #handles: FileHandles;
  readonly #path: string;
  readonly #offset: number;

  /**
   * Describes the payload; the file is not looked at.
   *
   * @param handles Where open files are kept.
   * @param path The file.
   * @param entry What is in it, and where.
   */
  constructor(
    handles: FileHandles,
    path: string,
    entry: Omit<SegmentSource, "chunks"> & { readonly offset: number },
  ) {
    this.digest = entry.digest;
    this.kind = entry.kind;
    this.length = entry.length;
    this.crc = entry.crc;
    this.#handles = handles;
    this.#path = path;
    this.#offset = entry.offset;
  }

  /** The payload in pieces; an error if the file has become too short. */
  *chunks(): Generator<Uint8Array> {
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, this.length));
    for (let at = 0; at < this.length; at += buffer.length) {
      const chunk = buffer.subarray(0, Math.min(buffer.length, this.length - at));
      const file = this.#handles.open(this.#path);
      if (file === undefined || !readAt(file, this.#offset + at, chunk)) {
        throw new RangeError(`Cannot read "${this.#path}": it has become too short`);
      }
      yield chunk;
    }
  }

  /** Reads the payload, and tells whether it has its checksum. */
  isWhole(): boolean {
    let crc = 0;
    try {
      for (const chunk of this.chunks()) crc = crc32(chunk, crc);
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
    return crc === this.crc;
  }
}
