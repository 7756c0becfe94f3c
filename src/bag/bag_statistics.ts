import type { StorageStatistics } from "../disk/cache_files.ts";
import { type BagLayout, listJournals, toJournalPath } from "../disk/layout.ts";
import { readManifest } from "./manifest.ts";

/**
 * Counts what lies in a bag, without opening any file of values.
 *
 * @param layout The bag's paths.
 * @returns The numbers.
 */
export function readBagStatistics(layout: BagLayout): Required<StorageStatistics> {
  const { segments } = readManifest(layout);
  const journals = listJournals(layout);
  return {
    segments: segments.length,
    journals: journals.length,
    sealedValues: segments.reduce((sum, { values }) => sum + values, 0),
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0) +
      journals.reduce((sum, name) => sum + sizeOf(toJournalPath(layout, name)), 0),
  };
}

/** A journal may have been sealed and removed since it was listed. */
function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
