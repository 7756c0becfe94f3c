import { IndigestibleError, InstanceError } from "../../base/errors.ts";
import { shapesIn } from "../array_shape.ts";
import { capture, NOTHING } from "../capture.ts";
import { makeInstances, type StoredInstance } from "../class_registry.ts";
import { decodeValue, type ValueNotes } from "./decode_value.ts";
import { Refusal } from "../digest/byte_sink.ts";
import { toArrayPart } from "../array_part.ts";
import { writeExact } from "../digest/digest_value.ts";
import { explainRefusal, findUnfaithful, UNFAITHFUL } from "../digest/refusal.ts";
import { isArrayKind, isArrayValue, toObjectType } from "../object_type.ts";
import { isShared, memoryOf } from "../share.ts";
import { DigestReference } from "../symbols.ts";
import { type Digest, type EncodedPart, type EncodedValue, VALUE_KIND } from "../value.ts";
import { toCbor } from "./cbor.ts";
import { toGraph } from "./graph_writer.ts";

/** Options of {@linkcode encodeValue}. */
export interface EncodeOptions {
  /**
   * What the value is called in the path of an error, such as `args[0]`.
   *
   * @default {"value"}
   */
  root?: string;
  /** The large arrays whose digests are known already, by the object. */
  parts?: ReadonlyMap<object, EncodedPart>;
}

/**
 * Makes a value ready to be stored: plain data as CBOR, an array or buffer as its bytes, everything
 * else as a graph. Large arrays inside become parts of their own.
 *
 * Bytes may be views on the value's own arrays: they are to be copied or written before the value
 * may change. A property that is a getter may be read more than once; what is stored is of one time.
 *
 * @param value Anything that structured clone carries.
 * @param options What to call the value in errors.
 * @returns The value's exact digest, kind, bytes and parts.
 * @throws {IndigestibleError} If something in the value has no digest or cannot be stored.
 */
export function encodeValue(value: unknown, options: EncodeOptions = {}): EncodedValue {
  const { root = "value", parts } = options;
  if (typeof value === "object" && isShared(value)) {
    const memory = memoryOf(value);
    return memory.encoded ??= encodeValue(memory.root, { root });
  }
  try {
    return encode(value, parts);
  } catch (cause) {
    const unfaithful =
      cause instanceof InstanceError || cause instanceof Refusal && cause.message === UNFAITHFUL
        ? findUnfaithful(value, root, (part) => void encode(part))
        : undefined;
    if (unfaithful === undefined) throw explainRefusal("store", value, root, cause);
    const { path, reason } = unfaithful;
    const options = cause instanceof InstanceError ? { cause: cause.cause } : {};
    throw new IndigestibleError(`Cannot store ${path}: ${reason}`, path, options);
  }
}

function encode(
  value: unknown,
  known?: ReadonlyMap<object, EncodedPart>,
  read = false,
): EncodedValue {
  const { digest, plain, storable, steady, parts, files, whole, apart } = writeExact(value, known);
  // The bytes are made in another go, and must be those of the digest: accessors are read once.
  if (!steady && !read) {
    const shared = (part: object) => isShared(part) ? memoryOf(part).root : NOTHING;
    const options = { large: (buffer: object) => buffer, shared, bare: true, apart: true };
    return encode(capture([value], options).values[0], known, true);
  }
  if (!storable) throw new Refusal("it has a digest but no stored form");
  if (whole !== undefined) return { ...whole, parts: [] };
  if (plain) return { digest, kind: VALUE_KIND.cbor, bytes: toCbor(value), parts: [] };
  const small = toSmallArray(value);
  if (small !== undefined) return { ...small, parts: [] };
  if (parts.size === 0) {
    const bytes = toCbor(toGraph(value, { apart, stored: true }));
    if (read || holdsInstances(apart)) checkInstances(bytes, parts, digest);
    return {
      digest,
      kind: VALUE_KIND.graph,
      bytes,
      parts: [],
      ...(files !== undefined && { files }),
    };
  }
  const shapes = new Map<object, readonly number[]>();
  const visit = (object: object) => {
    for (const [array, shape] of shapesIn(object)) shapes.set(array, shape);
  };
  const bytes = toCbor(toGraph(value, { parts, apart, visit, stored: true }));
  if (read || holdsInstances(apart)) checkInstances(bytes, parts, digest);
  const all = once(parts, shapes);
  return {
    digest,
    kind: VALUE_KIND.graph,
    bytes,
    parts: all,
    ...(files !== undefined && { files }),
  };
}

/** Whether there are instances, and not only what stands for them. */
function holdsInstances(apart: ReadonlyMap<object, StoredInstance> | undefined): boolean {
  return apart?.entries().some(([value, instance]) => value !== instance) ?? false;
}

/**
 * Makes sure that instances come back as what they are: a class that forgets a part of them in `toData`
 * or `fromData` would give another result to who asks the second time.
 */
function checkInstances(
  bytes: Uint8Array<ArrayBuffer>,
  parts: ReadonlyMap<object, EncodedPart>,
  digest: Digest,
): void {
  const byDigest = new Map(parts.values().map((part) => [part.digest, part]));
  const load = (digest: Digest) => {
    const part = byDigest.get(digest);
    return part && { kind: part.kind, bytes: part.bytes.slice() };
  };
  const notes: ValueNotes = { files: [], instances: [] };
  const value = decodeValue({ kind: VALUE_KIND.graph, bytes: bytes.slice() }, load, notes);
  const again = writeExact(makeInstances(value, notes.instances));
  if (again.digest !== digest) throw new Refusal(UNFAITHFUL);
}

/**
 * Makes an n-dimensional array ready to be stored whose numbers are stored already.
 *
 * @param data The digest of its numbers, which are a part of their own.
 * @param shape The lengths of its dimensions.
 * @returns The value `{ data, shape }` without its part.
 */
export function encodeNdArray(data: Digest, shape: readonly number[]): EncodedValue {
  const reference = new DigestReference(data);
  const value = { data: reference, shape: [...shape] };
  const part = ["part", Uint8Array.fromHex(data)];
  const graph = toGraph(value, { toNode: (node) => node === reference ? part : undefined });
  const { digest } = writeExact(value);
  return { digest, kind: VALUE_KIND.graph, bytes: toCbor(graph), parts: [] };
}

function toSmallArray(value: unknown): EncodedPart | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const type = toObjectType(value);
  return isArrayKind(type) && isArrayValue(value, type) ? toArrayPart(value, type) : undefined;
}

/** Arrays that are equal are stored once, with the first shape that there is. */
function once(
  parts: ReadonlyMap<object, EncodedPart>,
  shapes: ReadonlyMap<object, readonly number[]>,
): readonly EncodedPart[] {
  const byDigest = new Map<string, EncodedPart>();
  for (const [array, part] of parts) {
    const shape = byDigest.get(part.digest)?.shape ?? shapes.get(array);
    byDigest.set(part.digest, shape === undefined ? part : { ...part, shape });
  }
  return [...byDigest.values()];
}
