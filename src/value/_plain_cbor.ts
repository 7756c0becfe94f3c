import { Decoder } from "cbor-x/decode";
import { Encoder } from "cbor-x/encode";
import { checkCbor } from "./_check_cbor.ts";

// Only the `/encode` and `/decode` entries: the main one loads a native addon and asks for
// `--allow-env`. With these options the bytes are what any CBOR reader understands: no records,
// maps of any size, byte strings without a tag.
const ENCODER = new Encoder({ useRecords: false, variableMapSize: true, tagUint8Array: false });
const DECODER = new Decoder({ useRecords: false });

/**
 * Writes plain data as CBOR.
 *
 * @param value The data, and nothing that is not.
 * @returns The bytes.
 */
export function toCbor(value: unknown): Uint8Array<ArrayBuffer> {
  const bytes = ENCODER.encode(value);
  if (!(bytes.buffer instanceof ArrayBuffer)) throw new TypeError("Cannot encode to shared memory");
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Reads plain data from CBOR. Byte strings are views on the bytes.
 *
 * @param bytes The bytes.
 * @returns The data.
 * @throws {SyntaxError} If the bytes are not what {@linkcode toCbor} writes.
 */
export function fromCbor(bytes: Uint8Array): unknown {
  checkCbor(bytes);
  return DECODER.decode(bytes);
}

/**
 * Reads plain data from CBOR that was checked before, and has not changed since.
 *
 * @param bytes The bytes.
 * @returns The data.
 */
export function fromCheckedCbor(bytes: Uint8Array): unknown {
  return DECODER.decode(bytes);
}
