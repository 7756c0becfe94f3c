import { checkCbor } from "./_plain_cbor.ts";
import type { Payload } from "./encoded_value.ts";
import { VALUE_KIND } from "./value_kind.ts";

/**
 * Tells whether a payload can be decoded again and again without being copied or checked each time:
 * it is sound plain data, and nothing in it becomes a view on its bytes.
 *
 * @param payload The payload.
 * @returns Whether `decodePlain()` may have its bytes.
 */
export function isPlain({ kind, bytes }: Payload): boolean {
  if (kind !== VALUE_KIND.cbor) return false;
  try {
    return !checkCbor(bytes);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}
