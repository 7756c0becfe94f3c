import { encodeValue } from "../../value/codec/encode_value.ts";
import {
  type Digest,
  type EncodedPart,
  type PayloadSource,
  toStoredPayload,
} from "../../value/value.ts";
import type { Found, Stores, ValueStore } from "../stores.ts";

/** A source without anything in it. */
const EMPTY: PayloadSource = { open: () => undefined, load: () => undefined };

/**
 * Finds where pieces of a value can be read.
 *
 * @param stores The stores of any cache. Where they have no pieces to give, all of the value is read.
 * @param digest The digest of the value.
 * @returns Where it lies with its parts; if it is nowhere, there is nothing.
 */
export async function findSource(stores: Stores, digest: Digest): Promise<PayloadSource> {
  const { values, layers, resultOf } = stores;
  if (givesPieces(values)) return values;
  // Of several caches each has its values whole.
  for (const layer of resultOf === undefined ? [] : layers ?? []) {
    const source = await findSource(layer, digest);
    if (source.open(digest) !== undefined) return source;
  }
  if (resultOf !== undefined) return EMPTY;
  return sourceOf(await values.get(digest));
}

function givesPieces(values: ValueStore): values is ValueStore & PayloadSource {
  return "open" in values && "load" in values;
}

/**
 * Gives the payloads of a value that is in memory.
 *
 * @param parts The digests of its large arrays that are known.
 */
export function sourceOf(
  found: Found<unknown>,
  parts: ReadonlyMap<object, EncodedPart> = new Map(),
): PayloadSource {
  if (!found.hit) return EMPTY;
  // What comes out is made of the value that was read, and not of bytes that are read anew.
  const value = encodeValue(found.value, { parts });
  const payloads = new Map([...value.parts, value].map((part) => [part.digest, part]));
  return {
    open(digest) {
      const part = payloads.get(digest);
      return part && toStoredPayload(part);
    },
    load(digest) {
      const part = payloads.get(digest);
      return part && { kind: part.kind, bytes: part.bytes.slice() };
    },
  };
}
