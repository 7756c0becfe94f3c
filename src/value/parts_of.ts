import { GraphView } from "./_graph_view.ts";
import { fromCbor } from "./_plain_cbor.ts";
import type { Digest, Payload } from "./encoded_value.ts";
import { VALUE_KIND } from "./value_kind.ts";

/**
 * Names the parts that a stored value refers to.
 *
 * @param payload The value's own payload.
 * @returns The digests of its large arrays, each once.
 * @throws {SyntaxError} If the bytes are not what `encodeValue()` makes.
 */
export function partsOf(payload: Payload): Digest[] {
  if (payload.kind !== VALUE_KIND.graph) return [];
  return [...new Set(new GraphView(fromCbor(payload.bytes)).parts())];
}
