import { QuiverError } from "../errors.ts";
import { fromBytes, isArrayKind } from "./_array_bytes.ts";
import { fromGraph } from "./_graph_reader.ts";
import { fromCbor, fromCheckedCbor } from "./_plain_cbor.ts";
import type { Digest, Payload } from "./encoded_value.ts";
import { toKindName } from "./value_kind.ts";

/** A large array that a value refers to is not there. */
export class MissingPartError extends QuiverError {
  override name = "MissingPartError";
  /** The digest of the array. */
  readonly digest: Digest;

  /**
   * Creates the error.
   *
   * @param digest The digest of the array.
   */
  constructor(digest: Digest) {
    super(`Cannot decode a value: its part ${digest} is missing`);
    this.digest = digest;
  }
}

/**
 * Reads a stored value. The bytes are never trusted: no code runs, and no more is allocated than
 * they warrant.
 *
 * @param payload What was stored. From here on the bytes belong to the result, which may be a view
 * on them.
 * @param load Gives the parts, whose bytes belong to the result as well.
 * @returns The value.
 * @throws {MissingPartError} If `load` does not know a part.
 * @throws {SyntaxError} If the bytes are not what `encodeValue()` makes.
 */
export function decodeValue(
  payload: Payload,
  load: (digest: Digest) => Payload | undefined,
): unknown {
  const kind = toKindName(payload.kind);
  if (kind === undefined) {
    throw new SyntaxError(`Cannot decode a value: kind ${payload.kind} is not known`);
  }
  if (isArrayKind(kind)) return fromBytes(kind, payload.bytes);
  const data = fromCbor(payload.bytes);
  if (kind === "cbor") return data;
  const loaded = new Map<Digest, Payload>();
  return fromGraph(data, (digest) => {
    const known = loaded.get(digest);
    // Arrays that are equal but not the same are stored once, and each needs bytes of its own.
    if (known !== undefined) return toStoredArray(digest, { ...known, bytes: known.bytes.slice() });
    const part = load(digest);
    if (part === undefined) throw new MissingPartError(digest);
    loaded.set(digest, part);
    return toStoredArray(digest, part);
  });
}

/**
 * Decodes the bytes of a payload of which `isPlain()` holds, and that has not changed since.
 *
 * @param bytes The bytes, which stay as they are: the result has nothing in common with them.
 * @returns The value.
 */
export function decodePlain(bytes: Uint8Array): unknown {
  return fromCheckedCbor(bytes);
}

/**
 * Makes an array or buffer of a part.
 *
 * @param digest The digest of the part.
 * @param part The part, whose bytes belong to the result.
 * @returns The array.
 * @throws {SyntaxError} If the part is no array.
 */
export function toStoredArray(digest: Digest, part: Payload): object {
  const kind = toKindName(part.kind);
  if (kind === undefined || !isArrayKind(kind)) {
    throw new SyntaxError(`Cannot decode a value: its part ${digest} is no array`);
  }
  return fromBytes(kind, part.bytes);
}
