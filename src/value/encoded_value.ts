import type { ValueKind } from "./value_kind.ts";

/** SHA-256 as 64 lower-case hexadecimal characters. */
export type Digest = string;

/** Bytes and how to read them. */
export interface Payload {
  /** How to read the bytes. */
  readonly kind: ValueKind;
  /** The bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** One thing to store under its own digest. */
export interface EncodedPart extends Payload {
  /** The digest of the value that the bytes stand for. */
  readonly digest: Digest;
  /** The lengths of the dimensions that HDF5 tools are to see; absent for one dimension. */
  readonly shape?: readonly number[];
}

/** A value ready to be stored: its own bytes, and the large arrays that were split out of it. */
export interface EncodedValue extends EncodedPart {
  /** The large arrays inside, each once. They must be stored before the value itself. */
  readonly parts: readonly EncodedPart[];
}
