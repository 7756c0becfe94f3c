import { VALUE_KIND, type ValueKindName } from "./value_kind.ts";

/** The name of a kind of array or buffer. */
export type ArrayKindName = Exclude<ValueKindName, "cbor" | "graph">;

/** An array of numbers, a view or a buffer. */
export type ArrayValue = ArrayBufferView | ArrayBufferLike;

const TYPED_ARRAYS = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float16Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
};

/** The names of the typed arrays. */
export const TYPED_ARRAY_NAMES = Object.keys(TYPED_ARRAYS).filter(isTypedArrayName);

function isTypedArrayName(name: string): name is keyof typeof TYPED_ARRAYS {
  return Object.hasOwn(TYPED_ARRAYS, name);
}

/**
 * Gives the size of an element of a typed array.
 *
 * @param name The kind.
 * @returns The size in bytes, or `undefined` for a buffer or DataView, which has no elements.
 */
export function toElementBytes(name: string): number | undefined {
  return isTypedArrayName(name) ? TYPED_ARRAYS[name].BYTES_PER_ELEMENT : undefined;
}

/**
 * Tells whether a kind is an array or a buffer.
 *
 * @param name The name of the kind.
 * @returns Whether it is.
 */
export function isArrayKind(name: string): name is ArrayKindName {
  return name !== "cbor" && name !== "graph" && Object.hasOwn(VALUE_KIND, name);
}

/**
 * Gives the bytes of an array or buffer.
 *
 * @param value The array, view or buffer.
 * @returns A view on its bytes and no others; a copy where they may change or move meanwhile.
 */
export function bytesOf(value: ArrayValue): Uint8Array<ArrayBuffer> {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  const offset = ArrayBuffer.isView(value) ? value.byteOffset : 0;
  if (buffer instanceof ArrayBuffer && !buffer.resizable) {
    return new Uint8Array(buffer, offset, value.byteLength);
  }
  return new Uint8Array(new Uint8Array(buffer, offset, value.byteLength));
}

/**
 * Tells whether a view shows nothing because its resizable buffer has become too short for it.
 *
 * @param value The array, view or buffer.
 * @returns Whether it is out of bounds, or its buffer is detached.
 */
export function isOutOfBounds(value: ArrayValue): boolean {
  if (!ArrayBuffer.isView(value)) return false;
  try {
    // To ask for their length is allowed of arrays, and 0; to look for an element is not.
    if (value instanceof DataView) return value.byteLength < 0;
    Reflect.apply(Uint8Array.prototype.at, value, [0]);
    return false;
  } catch {
    return true;
  }
}

/**
 * Makes an array or buffer of bytes that it may keep.
 *
 * @param name The kind.
 * @param bytes The bytes, which the result may be a view on.
 * @returns The array, view or buffer.
 * @throws {SyntaxError} If the bytes are no whole number of elements.
 */
export function fromBytes(name: ArrayKindName, bytes: Uint8Array<ArrayBuffer>): ArrayValue {
  if (isTypedArrayName(name)) return toTypedArray(name, bytes);
  if (name === "DataView") return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (name === "ArrayBuffer") {
    return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
  }
  const shared = new SharedArrayBuffer(bytes.byteLength);
  new Uint8Array(shared).set(bytes);
  return shared;
}

function toTypedArray(
  name: keyof typeof TYPED_ARRAYS,
  bytes: Uint8Array<ArrayBuffer>,
): ArrayBufferView {
  const Class = TYPED_ARRAYS[name];
  const length = bytes.byteLength / Class.BYTES_PER_ELEMENT;
  if (!Number.isInteger(length)) {
    throw new SyntaxError(`Cannot decode a ${name}: it has ${bytes.byteLength} bytes`);
  }
  const aligned = bytes.byteOffset % Class.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new Class(aligned.buffer, aligned.byteOffset, length);
}
