/**
 * How values cross to another process: as what structured clone would make of them.
 *
 * @module
 */
import { Deserializer, Serializer } from "node:v8";

/**
 * Makes bytes of a value.
 *
 * @param value The value.
 * @returns The bytes.
 * @throws What structured clone throws, or nearly so, when the value cannot be cloned.
 */
export function toBytes(value: unknown): Uint8Array {
  // Not the module's own `serialize()`, which tells neither which views share a buffer, nor where in
  // it a DataView begins.
  const serializer = new Serializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

/**
 * Makes a value of bytes.
 *
 * @param bytes What {@linkcode toBytes} gave.
 * @returns The value.
 */
export function fromBytes(bytes: Uint8Array): unknown {
  const deserializer = new Deserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}
