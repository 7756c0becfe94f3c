import { QuiverError } from "../../base/errors.ts";
import {
  type ArrayValue,
  bytesOf,
  childrenOf,
  fromBytes,
  isArrayKind,
  isArrayValue,
  toObjectType,
} from "../object_type.ts";
import { type StoredInstance, takeApart } from "../class_registry.ts";
import { type Digest, type Found, type Payload, toKindName, VALUE_KIND } from "../value.ts";
import { fromCbor } from "./cbor.ts";
import { FileHandle } from "../file/file_handle.ts";
import { filesOfStore, fromGraph } from "./graph_reader.ts";
import { toGraph } from "./graph_writer.ts";

export { decodePlain, isPlain } from "./cbor.ts";

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

/** What there is in a value that is more than data. */
export interface ValueNotes {
  /** The files inside that a task has written; their pieces are not loaded. */
  readonly files: FileHandle[];
  /** What stands in it for instances of registered classes. */
  readonly instances: StoredInstance[];
}

/**
 * Reads a stored value. The bytes are never trusted: no code runs, and no more is allocated than
 * they warrant. In the place of an instance of a registered class is what stands for it, which has the
 * same digest: `makeInstances()` makes them.
 *
 * @param payload What was stored. From here on the bytes belong to the result, which may be a view
 * on them.
 * @param load Gives the parts, whose bytes belong to the result as well.
 * @param notes Takes what is more than data.
 * @throws {MissingPartError} If `load` does not know a part.
 * @throws {SyntaxError} If the bytes are not what `encodeValue()` makes.
 */
export function decodeValue(
  payload: Payload,
  load: (digest: Digest) => Payload | undefined,
  { files, instances }: ValueNotes = { files: [], instances: [] },
): unknown {
  const kind = toKindName(payload.kind);
  if (kind === undefined) {
    throw new SyntaxError(`Cannot decode a value: kind ${payload.kind} is not known`);
  }
  if (isArrayKind(kind)) return fromBytes(kind, payload.bytes);
  const data = fromCbor(payload.bytes);
  if (kind === "cbor") return data;
  const loaded = new Map<Digest, Payload>();
  const loadPart = (digest: Digest) => {
    const known = loaded.get(digest);
    // Arrays that are equal but not the same are stored once, and each needs bytes of its own.
    if (known !== undefined) return toStoredArray(digest, { ...known, bytes: known.bytes.slice() });
    const part = load(digest);
    if (part === undefined) throw new MissingPartError(digest);
    loaded.set(digest, part);
    return toStoredArray(digest, part);
  };
  return fromGraph(data, loadPart, { fromNode: filesOfStore(load, files), instances });
}

/**
 * Decodes a value whose parts lie in a store. A part that is gone or damaged is a miss, like the
 * value itself: computing the call again heals it.
 *
 * @param digest The digest of the value.
 * @param load Reads a payload that the decoder may keep.
 * @returns The value, or a miss.
 * @throws {SyntaxError} If the bytes are not what `encodeValue()` makes.
 */
export function decodeFound(
  digest: Digest,
  load: (digest: Digest) => Payload | undefined,
): Found<unknown> {
  const payload = load(digest);
  if (payload === undefined) return { hit: false };
  try {
    // Most values cannot hold any.
    if (payload.kind !== VALUE_KIND.graph) return { hit: true, value: decodeValue(payload, load) };
    const notes: ValueNotes = { files: [], instances: [] };
    const value = decodeValue(payload, load, notes);
    const { files, instances } = notes;
    return {
      hit: true,
      value,
      ...(files.length > 0 && { files }),
      ...(instances.length > 0 && { instances }),
    };
  } catch (error) {
    if (error instanceof MissingPartError) return { hit: false };
    throw error;
  }
}

/**
 * Makes an array or buffer of a part.
 *
 * @param digest The digest of the part.
 * @param part The part, whose bytes belong to the result.
 * @throws {SyntaxError} If the part is no array.
 */
export function toStoredArray(digest: Digest, part: Payload): object {
  const kind = toKindName(part.kind);
  if (kind === undefined || !isArrayKind(kind)) {
    throw new SyntaxError(`Cannot decode a value: its part ${digest} is no array`);
  }
  return fromBytes(kind, part.bytes);
}

/**
 * Makes the arrays and buffers of a result what they are when it comes out of a store, so that who
 * computed it gets what everybody else will. A `Buffer` becomes a `Uint8Array` of the same memory;
 * what shows shared or resizable memory becomes a copy that does not, as does a buffer that may grow
 * or shrink; and of arrays that show one buffer all but the first become copies. A file that a task has
 * written stands from now on for what it held.
 *
 * @param value The result; it stays as it is.
 * @returns The same value where there is nothing to change, as nearly everywhere, or when it cannot be
 * stored; else one whose objects are new, and whose other arrays are the same.
 */
export function settleBytes(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  try {
    const apart = new Map<object, StoredInstance>();
    const settled = findUnsettled(value, apart);
    if (settled.size === 0) return value;
    const beside: object[] = [];
    const toNode = (object: object) =>
      settled.has(object) || isArrayValue(object, toObjectType(object))
        ? [BESIDE, beside.push(object) - 1]
        : undefined;
    const graph = toGraph(value, { toNode, apart });
    return fromGraph(graph, refusePart, {
      fromNode: ([type, index]) => {
        const array = type === BESIDE ? beside[Number(index)] : undefined;
        return array && (settled.get(array) ?? array);
      },
    });
  } catch {
    // What cannot be laid out is not remembered, either, and its getters speak for themselves.
    return value;
  }
}

const BESIDE = "beside";

/** Finds what is to change in a value, and what takes its place. */
function findUnsettled(root: object, apart: Map<object, StoredInstance>): Map<object, object> {
  const settled = new Map<object, object>();
  const buffers = new Set<ArrayBufferLike>();
  const seen = new Set<unknown>([root]);
  const open: object[] = [root];
  // The list grows while it is gone over.
  for (const value of open) {
    if (isArrayValue(value, toObjectType(value))) {
      const other = settle(value, buffers);
      if (other !== value) settled.set(value, other);
      continue;
    }
    if (value instanceof FileHandle) {
      const { own, ...state } = FileHandle.stateOf(value);
      if (own) settled.set(value, new FileHandle(state));
      continue;
    }
    for (const part of partsOf(value, apart)) {
      if (typeof part !== "object" || part === null || seen.has(part)) continue;
      seen.add(part);
      open.push(part);
    }
  }
  return settled;
}

function partsOf(value: object, apart: Map<object, StoredInstance>): Iterable<unknown> {
  if (toObjectType(value) === "Registered") {
    const instance = takeApart(value);
    apart.set(value, instance);
    return [instance.data];
  }
  // Not by its length, which may be four billion holes.
  if (Array.isArray(value)) return Object.values(value);
  return childrenOf(value).map(([, part]) => part);
}

function settle(value: ArrayValue & object, buffers: Set<ArrayBufferLike>): ArrayValue & object {
  const type = toObjectType(value);
  if (!isArrayKind(type)) return value;
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  const fixed = buffer instanceof ArrayBuffer
    ? !buffer.resizable
    : !buffer.growable && value === buffer;
  const own = fixed && !buffers.has(buffer);
  buffers.add(buffer);
  // A prototype of another class is that of `Buffer`.
  if (own && (value === buffer || value.constructor?.name === type)) return value;
  const bytes = bytesOf(value);
  return fromBytes(type, own ? bytes : bytes.slice());
}

function refusePart(): never {
  throw new SyntaxError("Cannot read a value: it refers to a part");
}
