import { toArrayPart } from "../array_part.ts";
import { isArrayKind, isArrayValue, isOutOfBounds, toObjectType } from "../object_type.ts";
import { DigestReference, isDigestible } from "../symbols.ts";
import { type Digest, type EncodedPart, SPLIT_BYTES } from "../value.ts";
import type { StoredInstance } from "../class_registry.ts";
import type { FileHandle } from "../file/file_handle.ts";
import { isShared, memoryOf } from "../share.ts";
import { ByteSink } from "./byte_sink.ts";
import { ArgumentWriter, type CanonicalWriter, ExactWriter } from "./canonical_writer.ts";
import { explainRefusal } from "./refusal.ts";

export { DIGEST_SCHEME } from "./byte_sink.ts";
export { PartDigest } from "../array_part.ts";
export { UnreadFile } from "./canonical_writer.ts";
export { digestSymbol } from "../symbols.ts";

/** Options of {@linkcode digestValue} and {@linkcode digestArgument}. */
export interface DigestOptions {
  /**
   * What the value is called in the path of an error, such as `args[0]`.
   *
   * @default {"value"}
   */
  root?: string;
  /**
   * The large arrays whose digests are known already, by the object; those that are met are added.
   *
   * @default {new Map()}
   */
  parts?: Map<object, EncodedPart> | undefined;
}

/**
 * Digests a value exactly: the order of keys and entries counts, and so do shared references,
 * cycles and the stacks of errors. Values are stored under this digest.
 *
 * @param value Anything that structured clone carries, and instances with `[digestSymbol]()`.
 * @param options What to call the value.
 * @returns The SHA-256 of the value's canonical bytes.
 * @throws {IndigestibleError} If something in the value has no digest, or the value is nested too
 * deeply.
 */
export function digestValue(value: unknown, options: DigestOptions = {}): Digest {
  const { root = "value", parts } = options;
  try {
    return writeExact(value, parts, parts).digest;
  } catch (cause) {
    throw explainRefusal("digest", value, root, cause);
  }
}

/**
 * Digests a value as an argument: the order of object keys, Map and Set entries is left out, and
 * so is what a caller would not think of: which objects are one and the same, stacks of errors,
 * missing prototypes. Keys of calls are made of this digest.
 *
 * @param value Anything that structured clone carries, and instances with `[digestSymbol]()`.
 * @param options What to call the value.
 * @returns The SHA-256 of the value's canonical bytes.
 * @throws {IndigestibleError} If something in the value has no digest, the value is nested too
 * deeply, or has more than 1 GiB when everything in it that is shared is written out.
 */
export function digestArgument(value: unknown, options: DigestOptions = {}): Digest {
  const { root = "value", parts = new Map() } = options;
  if (typeof value === "object" && isShared(value)) {
    const memory = memoryOf(value);
    return memory.digest ??= digestArgument(memory.root, options);
  }
  try {
    const written = writeWhole(value, parts, parts) ??
      writeWith(value, ARGUMENT_LIMIT, (sink) => new ArgumentWriter(sink, parts));
    return written.digest;
  } catch (cause) {
    throw explainRefusal("digest", value, root, cause);
  }
}

/** Written without back references, what is shared a few dozen times over never ends. */
const ARGUMENT_LIMIT = 2 ** 30;

/**
 * Sinks that are not in use, so that a small value does not pay for a buffer of its own (1 of 2.5 µs):
 * a few, whose content means nothing between two values.
 *
 * A value's own code (getters, `[digestSymbol]()`) may ask for digests while a value is digested,
 * so there may be several sinks out at once; one that is not given back is simply dropped.
 */
const IDLE_SINKS: ByteSink[] = [];

/** What came of writing a value. */
export interface Written {
  /** The digest. */
  readonly digest: Digest;
  /** Whether the value is plain data, which CBOR carries as it is. */
  readonly plain: boolean;
  /** Whether the value can be stored. */
  readonly storable: boolean;
  /** Whether it is the same when it is read again, as it has no accessors. */
  readonly steady: boolean;
  /** The large arrays inside. */
  readonly parts: ReadonlyMap<object, EncodedPart>;
  /** The files inside, if there are any. */
  readonly files: readonly FileHandle[] | undefined;
  /** What stands for the instances of registered classes inside, if there are any. */
  readonly apart?: ReadonlyMap<object, StoredInstance> | undefined;
  /** The value itself as a part, if it is a large array. */
  readonly whole?: EncodedPart;
}

/** The large arrays whose digests are known, by the object. */
type Parts = Map<object, EncodedPart>;

/**
 * Writes a value for its exact digest.
 *
 * @param known Large arrays whose digests are known.
 * @param parts Takes those that are in the value: only they are parts of it.
 * @returns The digest, and what there is to know for storing the value.
 */
export function writeExact(
  value: unknown,
  known?: ReadonlyMap<object, EncodedPart>,
  parts: Parts = new Map(),
): Written {
  return writeWhole(value, parts, known) ??
    writeWith(value, Infinity, (sink) => new ExactWriter(sink, parts, known));
}

/**
 * Digests an array or a buffer, as the part of a value that it is stored as.
 *
 * @param value The array, view or buffer.
 * @returns Its digest, kind and bytes.
 * @throws {TypeError} When it is no such thing.
 */
export function toPart(value: object): EncodedPart {
  const type = toObjectType(value);
  if (isArrayKind(type) && isArrayValue(value, type)) return toArrayPart(value, type);
  throw new TypeError(`Cannot digest a buffer: it is a ${type}`);
}

function writeWith(
  value: unknown,
  limit: number,
  open: (sink: ByteSink) => CanonicalWriter,
): Written {
  const sink = IDLE_SINKS.pop() ?? new ByteSink();
  sink.reset(limit);
  const writer = open(sink);
  writer.writeValue(value);
  const digest = sink.digest();
  if (sink.reusable && IDLE_SINKS.length < 4) IDLE_SINKS.push(sink);
  const { plain, storable, steady, parts, files, apart } = writer;
  return { digest, plain, storable, steady, parts, files, apart };
}

/** What holds of all that is not written. */
const WHOLE: Pick<Written, "plain" | "steady" | "parts" | "files"> = {
  plain: false,
  steady: true,
  parts: new Map(),
  files: undefined,
};

/** What is not written at all, because it is a digest, or hashed as it lies in memory. */
function writeWhole(
  value: unknown,
  parts: Parts,
  known: ReadonlyMap<object, EncodedPart> | undefined,
): Written | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (value instanceof DigestReference) {
    return { ...WHOLE, digest: value.digest, storable: false };
  }
  const type = toObjectType(value);
  if (!isArrayKind(type) || !isArrayValue(value, type) || isDigestible(value)) return undefined;
  if (value instanceof DataView && isOutOfBounds(value)) return undefined;
  if (value.byteLength < SPLIT_BYTES) return undefined;
  const whole = known?.get(value) ?? toArrayPart(value, type);
  parts.set(value, whole);
  return { ...WHOLE, digest: whole.digest, storable: true, whole };
}
