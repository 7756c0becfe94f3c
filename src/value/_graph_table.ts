/**
 * The graph: how a value is stored that is not plain data, such that cycles, shared references and
 * all types that structured clone carries come back.
 *
 * A graph is one CBOR array (RFC 8949, definite lengths, no tags):
 *
 * ```text
 * [ format, root, node 0, node 1, … ]
 * ```
 *
 * `format` is the integer 1. `root` is a slot. A *slot* is the place of a value:
 *
 * | slot | value |
 * | --- | --- |
 * | null, undefined, true, false, integer, float, text | itself (undefined is simple value 23) |
 * | `[n]` | the object that node n stands for; the same n is the same object |
 * | `["-0"]` | the number -0 |
 * | `["bigint", text]` | a bigint: hexadecimal digits, with `-` in front if negative |
 * | `["utf16", bytes]` | a text that UTF-8 and CBOR readers do not carry: UTF-16, little-endian |
 *
 * A *node* is an array that begins with the name of its type. `key` is a text or a `utf16` slot.
 *
 * | node | object |
 * | --- | --- |
 * | `["Object", key, slot, …]` | a plain object, keys in their order |
 * | `["NullObject", key, slot, …]` | the same without a prototype |
 * | `["Array", slot, …]` | an array without holes |
 * | `["SparseArray", length, key, slot, …]` | an array with holes or named properties; indices are texts |
 * | `["Map", slot, slot, …]` | a Map: key, value, key, value, … |
 * | `["Set", slot, …]` | a Set |
 * | `["Date", float]` | milliseconds since 1970, NaN for an invalid date |
 * | `["RegExp", key, text]` | source and flags |
 * | `["Boxed", slot]` | a primitive as an object, such as `new Number(3)` |
 * | `["Error", key, key, message, stack, n, key, slot, …]` | class, name, message and stack (keys or undefined), then n times name and slot of a hidden property (`cause`, `errors`, …), then name and slot of each other property |
 * | `["part", bytes]` | an array or buffer that is stored on its own: its digest, 32 bytes |
 * | `[kind, bytes]` | a small array or buffer: the name of its kind, as in `VALUE_KIND`, and its bytes, little-endian |
 *
 * A reader makes one empty object for each node, then fills them; no node needs another one to be
 * made. Nodes stand in the order in which their objects are met first, breadth first.
 *
 * @module
 */

/** The first item of every graph. */
export const GRAPH_FORMAT = 1;

/** A graph before it is bytes. */
export type GraphTable = readonly unknown[];

/**
 * Writes a text as a key or a slot.
 *
 * @param text The text.
 * @returns The text, or what stands for one that CBOR readers would change.
 */
export function toTextSlot(text: string): string | readonly unknown[] {
  // A TextDecoder, with which cbor-x reads long texts, drops a byte order mark.
  if (text.isWellFormed() && text.charCodeAt(0) !== 0xfeff) return text;
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), true);
  return ["utf16", bytes];
}
