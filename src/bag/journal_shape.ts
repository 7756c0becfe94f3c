import { decodeShape, type JournalHeader, toShapeBytes } from "./journal_format.ts";
import type { ReadBytes } from "../disk/file_system.ts";

/**
 * Reads the dimensions that stand behind the payload of a journal's entry.
 *
 * @param read Reads bytes from where the payload begins.
 * @param header What the entry is.
 * @returns The shape; none for one dimension, or when it is damaged: nothing else depends on it.
 */
export function readShape(
  read: ReadBytes,
  header: JournalHeader,
): { readonly shape?: readonly number[] } {
  if (header.rank === undefined) return {};
  const bytes = new Uint8Array(toShapeBytes(header));
  if (!read(header.length, bytes)) return {};
  const shape = decodeShape(bytes);
  return shape === undefined ? {} : { shape };
}
