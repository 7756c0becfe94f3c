/**
 * The graph: how a value is stored that is not plain data, such that cycles, shared references and
 * all types that structured clone carries come back. `src/bag/FORMAT.md` specifies it ("Graphs").
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
