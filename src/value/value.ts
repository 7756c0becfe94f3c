/** SHA-256 as 64 lower-case hexadecimal characters. */
export type Digest = string;

/** What a look-up found. */
export type Found<T> =
  | {
    readonly hit: true;
    readonly value: T;
    /** The files inside that a task has written, if there are any. */
    readonly files?: readonly object[];
    /** What stands in it for instances of registered classes, if there are any. */
    readonly instances?: readonly object[];
  }
  | { readonly hit: false };

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
  /** Whether the bytes are read when they are asked for: nobody has them, and nobody is to keep them. */
  readonly lazy?: boolean;
}

/** A value ready to be stored: its own bytes, and the large arrays that were split out of it. */
export interface EncodedValue extends EncodedPart {
  /** The large arrays inside, each once. They must be stored before the value itself. */
  readonly parts: readonly EncodedPart[];
  /** The files inside, if there are any. */
  readonly files?: readonly object[];
}

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

/**
 * How the payload of a stored value is to be read: as CBOR (plain data), as a graph (everything else
 * that structured clone carries), or as the raw bytes of one array or buffer. `src/bag/FORMAT.md`
 * specifies the kinds ("Kinds"). Their numbers are never given a new meaning.
 *
 * @module
 */

/** The number of each kind, as it stands in journals and tables. */
export const VALUE_KIND = {
  cbor: 1,
  graph: 2,
  Int8Array: 16,
  Uint8Array: 17,
  Uint8ClampedArray: 18,
  Int16Array: 19,
  Uint16Array: 20,
  Int32Array: 21,
  Uint32Array: 22,
  Float16Array: 23,
  Float32Array: 24,
  Float64Array: 25,
  BigInt64Array: 26,
  BigUint64Array: 27,
  ArrayBuffer: 28,
  SharedArrayBuffer: 29,
  DataView: 30,
} as const;

/** The name of a kind: `"cbor"`, `"graph"`, or the class of an array or buffer. */
export type ValueKindName = keyof typeof VALUE_KIND;

/** The number of a kind. */
export type ValueKind = typeof VALUE_KIND[ValueKindName];

/** Arrays and buffers inside a value that have at least this many bytes are stored on their own. */
export const SPLIT_BYTES = 4096;

const NAMES: ReadonlyMap<number, ValueKindName> = new Map(
  Object.entries(VALUE_KIND).map(([name, kind]) => [kind, name as ValueKindName]),
);

/**
 * Makes a payload of which pieces can be read of one that is in memory.
 *
 * @param part The payload, whose bytes are not copied.
 */
export function toStoredPayload({ digest, kind, bytes, shape }: EncodedPart): StoredPayload {
  return {
    digest,
    kind,
    length: bytes.length,
    ...(shape !== undefined && { shape }),
    read(offset, target) {
      const end = offset + target.length;
      if (offset < 0 || end > bytes.length) return false;
      target.set(bytes.subarray(offset, end));
      return true;
    },
  };
}

/**
 * Gives the name of a kind.
 *
 * @param kind The number that was read.
 * @returns The name, or `undefined` when this version does not know the number.
 */
export function toKindName(kind: number): ValueKindName | undefined {
  return NAMES.get(kind);
}
