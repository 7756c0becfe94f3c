import { chunksOfNode } from "../file/stored_file.ts";
import { type Digest, type Payload, VALUE_KIND } from "../value.ts";
import { fromCbor } from "./cbor.ts";

/**
 * Tells whether a stored value can refer to others, by its kind alone: only graphs can.
 *
 * @param kind How to read the payload.
 * @returns Whether {@linkcode referencesOf} has to look at it.
 */
export function mayRefer(kind: number): boolean {
  return kind === VALUE_KIND.graph;
}

/**
 * Lists the parts that a stored value refers to: the large arrays that were split out of it, and the
 * pieces of files.
 *
 * @param payload What was stored.
 * @returns The digests of the parts, each once.
 * @throws {SyntaxError} If the bytes are not what `encodeValue()` makes.
 */
export function referencesOf(payload: Payload): Digest[] {
  if (!mayRefer(payload.kind)) return [];
  const table = fromCbor(payload.bytes);
  const digests = new Set<Digest>();
  for (const node of Array.isArray(table) ? table : []) {
    if (!Array.isArray(node)) continue;
    if (node[0] === "File") { for (const chunk of chunksOfNode(node)) digests.add(chunk); }
    else if (node[0] === "part" && node[1] instanceof Uint8Array) digests.add(node[1].toHex());
  }
  return [...digests];
}

/**
 * Lists the parts that whoever gets a stored value needs. What cannot be decoded nobody gets: it needs none.
 *
 * @param payload What was stored.
 * @returns The digests of the parts, each once.
 */
export function neededParts(payload: Payload): readonly Digest[] {
  try {
    return referencesOf(payload);
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}
