import { ArgumentWriter } from "./_argument_writer.ts";
import { isArrayKind, isOutOfBounds } from "./_array_bytes.ts";
import { toArrayPart } from "./_array_part.ts";
import { type ByteSink, ByteSinkPool } from "./_byte_sink.ts";
import type { CanonicalWriter } from "./_canonical_writer.ts";
import { ExactWriter } from "./_exact_writer.ts";
import { isArrayValue, toObjectType } from "./_object_type.ts";
import { DigestReference } from "./digest_reference.ts";
import { isDigestible } from "./value_symbols.ts";
import type { Digest, EncodedPart } from "./encoded_value.ts";
import { SPLIT_BYTES } from "./value_kind.ts";

/** Written without back references, what is shared a few dozen times over never ends. */
const ARGUMENT_LIMIT = 2 ** 30;

/** Holds no more than a few buffers whose content means nothing between two values. */
const SINKS = new ByteSinkPool();

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
  /** The value itself as a part, if it is a large array. */
  readonly whole?: EncodedPart;
}

/** The large arrays whose digests are known, by the object. */
type Parts = Map<object, EncodedPart>;

/**
 * Writes a value for its exact digest.
 *
 * @param value The value.
 * @param known Large arrays whose digests are known.
 * @returns The digest, and what there is to know for storing the value.
 */
export function writeExact(value: unknown, known?: ReadonlyMap<object, EncodedPart>): Written {
  // Only those that are in the value are parts of it.
  const parts: Parts = new Map();
  return writeWhole(value, parts, known) ??
    writeWith(value, Infinity, (sink) => new ExactWriter(sink, parts, known));
}

/** Options of {@linkcode writeArgument}. */
export interface WriteArgumentOptions {
  /**
   * How many canonical bytes there may be, large arrays left out.
   *
   * @default {2 ** 30}
   */
  limit?: number;
  /** The large arrays whose digests are known; those that are met are added. */
  parts?: Parts | undefined;
}

/**
 * Writes a value for its argument digest.
 *
 * @param value The value.
 * @param options What it may take, and what is known.
 * @returns The digest.
 */
export function writeArgument(
  value: unknown,
  { limit = ARGUMENT_LIMIT, parts = new Map() }: WriteArgumentOptions = {},
): Digest {
  const written = writeWhole(value, parts, parts) ??
    writeWith(value, limit, (sink) => new ArgumentWriter(sink, parts));
  return written.digest;
}

function writeWith(
  value: unknown,
  limit: number,
  open: (sink: ByteSink) => CanonicalWriter,
): Written {
  const sink = SINKS.take(limit);
  const writer = open(sink);
  writer.writeValue(value);
  const digest = sink.digest();
  SINKS.give(sink);
  const { plain, storable, steady, parts } = writer;
  return { digest, plain, storable, steady, parts };
}

/** What is not written at all, because it is a digest, or hashed as it lies in memory. */
function writeWhole(
  value: unknown,
  parts: Parts,
  known: ReadonlyMap<object, EncodedPart> | undefined,
): Written | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (value instanceof DigestReference) {
    return { digest: value.digest, plain: false, storable: false, steady: true, parts: new Map() };
  }
  const type = toObjectType(value);
  if (!isArrayKind(type) || !isArrayValue(value, type) || isDigestible(value)) return undefined;
  if (value instanceof DataView && isOutOfBounds(value)) return undefined;
  if (value.byteLength < SPLIT_BYTES) return undefined;
  const whole = known?.get(value) ?? toArrayPart(value, type);
  parts.set(value, whole);
  return {
    digest: whole.digest,
    plain: false,
    storable: true,
    steady: true,
    parts: new Map(),
    whole,
  };
}
