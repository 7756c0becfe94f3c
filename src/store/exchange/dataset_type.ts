/**
 * What becomes of the arrays of HDF5 files that others have written: values of JavaScript, and what
 * their type is called, as in NumPy.
 *
 * @module
 */
import type { ArrayBox, ElementType } from "../../bag/hdf5/access.ts";
import { QuiverError } from "../../base/errors.ts";
import { isNumberArray, type NumberArray } from "../../value/array_shape.ts";
import { type ArrayKindName, fromBytes } from "../../value/object_type.ts";

/** Why an array is not taken in, though the file is sound. */
export class NotCarriedError extends QuiverError {
  override name = "NotCarriedError";
}

/** Numbers that a typed array holds. */
export interface NumberType {
  readonly type: "numbers";
  /** What the type is called. */
  readonly dtype: string;
  /** The class of the typed array. */
  readonly kind: ArrayKindName;
  /** The dimensions that each element has by itself. */
  readonly inner: readonly number[];
  /** The size of a number, in bytes, where its bytes are to be turned around. */
  readonly turned?: number;
  /** The names of numbers. */
  readonly members?: { readonly [name: string]: number };
}

/** Texts. */
export interface TextType {
  readonly type: "texts";
  readonly dtype: "str";
  /** The size of a text in bytes; absent where texts are of any length. */
  readonly bytes?: number;
  /** What follows a text that is shorter. */
  readonly padding: "terminated" | "nuls" | "spaces";
}

/** What an array holds. */
export type DatasetType = NumberType | TextType;

const INTEGERS: { readonly [bytes: number]: ArrayKindName } = {
  1: "Int8Array",
  2: "Int16Array",
  4: "Int32Array",
  8: "BigInt64Array",
};
const UNSIGNED: { readonly [bytes: number]: ArrayKindName } = {
  1: "Uint8Array",
  2: "Uint16Array",
  4: "Uint32Array",
  8: "BigUint64Array",
};
const FLOATS: { readonly [bytes: number]: ArrayKindName } = {
  2: "Float16Array",
  4: "Float32Array",
  8: "Float64Array",
};

/** What is said of types of which nothing can be carried. */
const OTHERS: { readonly [name: string]: string } = {
  reference: "references, which lead to places in their file",
  opaque: "opaque bytes, such as dates of NumPy",
  sequence: "sequences of different lengths",
  time: "times of HDF5, which no other program reads",
};

/**
 * Finds out what becomes of an array.
 *
 * @param element What its elements are.
 * @throws {NotCarriedError} If they are nothing that is carried.
 */
export function toDatasetType(element: ElementType): DatasetType {
  switch (element.type) {
    case "integer":
    case "bits": {
      const signed = element.type === "integer" && element.signed;
      const kind = (signed ? INTEGERS : UNSIGNED)[element.bytes];
      if (kind === undefined) throw refuse(`integers of ${element.bytes} bytes`);
      return toNumbers(`${signed ? "int" : "uint"}${8 * element.bytes}`, kind);
    }
    case "float": {
      const kind = FLOATS[element.bytes];
      if (kind === undefined) throw refuse(`floating-point numbers of ${element.bytes} bytes`);
      return toNumbers(`float${8 * element.bytes}`, kind);
    }
    case "complex":
      return toComplex(element.bytes / 2);
    case "text": {
      const { bytes, padding } = element;
      return { type: "texts", dtype: "str", padding, ...(bytes !== undefined && { bytes }) };
    }
    case "enum":
      return toEnumeration(element.of, element.members);
    case "array":
      return toInner(toDatasetType(element.of), element.dimensions);
    case "compound":
      return toCompound(element);
    case "other":
      throw refuse(OTHERS[element.name] ?? `elements of the type "${element.name}"`);
  }
}

function refuse(what: string): NotCarriedError {
  return new NotCarriedError(`it has ${what}, which are not carried`);
}

function toNumbers(dtype: string, kind: ArrayKindName): NumberType {
  return { type: "numbers", dtype, kind, inner: [] };
}

function toComplex(bytes: number): NumberType {
  const kind = FLOATS[bytes];
  if (kind === undefined) throw refuse(`complex numbers of ${2 * bytes} bytes`);
  return { ...toNumbers(`complex${16 * bytes}`, kind), inner: [2] };
}

/** The library leaves the bytes of these numbers as they are in the file. */
function toEnumeration(
  of: ElementType,
  members: { readonly [name: string]: number },
): DatasetType {
  const type = toDatasetType(of);
  if (of.type !== "integer" || type.type !== "numbers") return type;
  const isBoolean = of.bytes === 1 && Object.keys(members).sort().join() === "FALSE,TRUE" &&
    members.FALSE === 0 && members.TRUE === 1;
  if (isBoolean) return toNumbers("bool", "Uint8Array");
  const isTurned = of.bytes > 1 && !of.littleEndian;
  return { ...type, members, ...(isTurned && { turned: of.bytes }) };
}

function toInner(type: DatasetType, dimensions: readonly number[]): DatasetType {
  if (type.type === "texts") throw refuse("arrays of texts as elements");
  return { ...type, inner: [...dimensions, ...type.inner] };
}

/** Real and imaginary part, as h5py and others write complex numbers. */
function toCompound(
  { bytes, members }: Extract<ElementType, { type: "compound" }>,
): DatasetType {
  const names = members.map(({ name }) => name);
  const [real, imaginary, ...others] = members;
  const one = real?.of;
  const other = imaginary?.of;
  if (
    others.length === 0 && COMPLEX_NAMES.includes(names.join()) && real?.offset === 0 &&
    one?.type === "float" && other?.type === "float" && one.bytes === other.bytes &&
    one.littleEndian === other.littleEndian && imaginary?.offset === one.bytes &&
    bytes === 2 * one.bytes
  ) return toComplex(one.bytes);
  const shown = names.slice(0, SHOWN_NAMES).map((name) => `"${name}"`).join(", ");
  const more = names.length > SHOWN_NAMES ? ", …" : "";
  throw new NotCarriedError(
    `it is a table with the columns ${shown}${more}, which is not carried; write each column as a ` +
      "dataset",
  );
}

const COMPLEX_NAMES = ["r,i", "re,im", "real,imag"];
const SHOWN_NAMES = 8;

/** How much is read at once, in bytes, where the file does not ask for more. */
const BLOCK_BYTES = 4 * 1024 * 1024;

/** How much of a dataset in chunks is read at once, so that each chunk is read once. */
const MOST_BLOCK_BYTES = 128 * 1024 * 1024;

/** What a dataset is divided into. */
export interface BlockPlan {
  /** The lengths of its dimensions. */
  readonly shape: readonly number[];
  /** The size of an element in bytes. */
  readonly bytes: number;
  /** The lengths of a chunk's dimensions; absent without chunks. */
  readonly chunk?: readonly number[];
}

/**
 * Divides a dataset into parts that are read one after the other, and whose elements lie one behind the
 * other in row-major order. Chunks that lie side by side are read together as far as that is no more than
 * 128 MiB: each is read once then.
 *
 * @param before The indices in the first dimensions, which are taken one by one.
 */
export function* toBlocks(plan: BlockPlan, before: readonly number[] = []): Generator<ArrayBox> {
  const { shape, bytes, chunk } = plan;
  const at = before.length;
  const length = shape[at];
  if (length === undefined) return yield { start: before, count: before.map(() => 1) };
  const rest = shape.slice(at + 1);
  const rows = toRows(rest.reduce((product, n) => product * n, bytes), chunk?.[at]);
  if (rows === 0) {
    for (let i = 0; i < length; i++) yield* toBlocks(plan, [...before, i]);
    return;
  }
  for (let i = 0; i < length; i += rows) {
    yield {
      start: [...before, i, ...rest.map(() => 0)],
      count: [...before.map(() => 1), Math.min(rows, length - i), ...rest],
    };
  }
}

/** How many rows are read at once; 0 where one is too much. */
function toRows(rowBytes: number, step: number = 1): number {
  const most = step === 1 ? BLOCK_BYTES : MOST_BLOCK_BYTES;
  const stripe = step * rowBytes;
  if (stripe <= most) return step * Math.max(1, Math.floor(BLOCK_BYTES / stripe));
  return Math.floor(most / rowBytes);
}

/**
 * Turns the bytes of numbers around where the file has them the other way.
 *
 * @returns The same bytes.
 */
export function turn<T extends Uint8Array>(bytes: T, { turned }: NumberType): T {
  if (turned === undefined) return bytes;
  for (let at = 0; at < bytes.length; at += turned) bytes.subarray(at, at + turned).reverse();
  return bytes;
}

/**
 * Makes numbers a value: a typed array; with two dimensions or more `{ data, shape }`, without any the
 * number itself.
 *
 * @param bytes The numbers, in the order that JavaScript has them in.
 * @param shape The lengths of the dimensions, those of each element included.
 */
export function toNumberValue(
  bytes: Uint8Array<ArrayBuffer>,
  { kind, dtype }: NumberType,
  shape: readonly number[],
): unknown {
  const data = fromBytes(kind, bytes);
  if (!isNumberArray(data)) throw new TypeError(`Cannot make an array of numbers of a ${kind}`);
  if (shape.length > 1) return { data, shape: [...shape] };
  return shape.length === 1 ? data : toScalar(data, dtype);
}

function toScalar(data: NumberArray, dtype: string): number | bigint | boolean {
  const [value = 0] = data;
  return dtype === "bool" ? value !== 0 : value;
}

/**
 * Makes texts a value: Arrays in Arrays, or the text itself.
 *
 * @param texts The texts in row-major order.
 * @param shape The lengths of the dimensions.
 */
export function toTextValue(texts: readonly string[], shape: readonly number[]): unknown {
  if (shape.length === 0) return texts[0] ?? "";
  let items: unknown[] = [...texts];
  for (const [i, length] of shape.toReversed().entries()) {
    if (i === shape.length - 1) break;
    const rows = shape.slice(0, shape.length - 1 - i).reduce((product, n) => product * n, 1);
    const all = items;
    items = Array.from({ length: rows }, (_, row) => all.slice(row * length, (row + 1) * length));
  }
  return items;
}

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes a text without what it is padded with.
 *
 * @throws {NotCarriedError} If it is no UTF-8.
 */
export function decodeText(bytes: Uint8Array, { padding }: TextType): string {
  let end = bytes.length;
  if (padding === "terminated") {
    const nul = bytes.indexOf(0);
    if (nul !== -1) end = nul;
  }
  while (end > 0 && bytes[end - 1] === 0) end--;
  // Spaces in front of a NUL are the text's own, whatever its type says.
  if (padding === "spaces" && end === bytes.length) {
    while (end > 0 && bytes[end - 1] === 0x20) end--;
  }
  try {
    return DECODER.decode(bytes.subarray(0, end));
  } catch (cause) {
    throw new NotCarriedError("it has texts that are not in UTF-8, which are not carried", {
      cause,
    });
  }
}
