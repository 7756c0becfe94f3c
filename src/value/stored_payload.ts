import type { Digest, Payload } from "./encoded_value.ts";

/** A payload that lies in a store, of which pieces can be read. */
export interface StoredPayload {
  /** The digest of the value. */
  readonly digest: Digest;
  /** How to read the bytes. */
  readonly kind: number;
  /** How many bytes there are. */
  readonly length: number;
  /** The lengths of the dimensions that HDF5 tools see; absent for one dimension. */
  readonly shape?: readonly number[];
  /**
   * Reads a piece.
   *
   * @param offset Where the piece begins, in bytes.
   * @param target The buffer to fill.
   * @returns Whether the piece is there and not damaged; if not, `target` holds anything.
   */
  read(offset: number, target: Uint8Array<ArrayBuffer>): boolean;
}

/** Where payloads lie. */
export interface PayloadSource {
  /**
   * Finds a payload without reading it.
   *
   * @param digest The digest of the value.
   * @returns The payload, or `undefined` when it is not there.
   */
  open(digest: Digest): StoredPayload | undefined;
  /**
   * Reads a whole payload.
   *
   * @param digest The digest of the value.
   * @returns The payload, whose bytes are the caller's, or `undefined` when it is missing or damaged.
   */
  load(digest: Digest): Payload | undefined;
}
