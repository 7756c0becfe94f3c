import { openIfThere, readAt } from "../../disk/file_system.ts";
import { type BagLayout, listJournals, toJournalPath } from "../../disk/layout.ts";
import { toPayload } from "../../disk/payload.ts";
import { mayRefer, neededParts } from "../../value/codec/references.ts";
import type { Digest, Payload } from "../../value/value.ts";
import { scanJournal } from "../journal/journal_scan.ts";
import { SegmentTable } from "../segment/segment_table.ts";
import type { DigestSet } from "../table/digest_rows.ts";
import { KIND_AT, toViewed } from "../table/digest_table.ts";
import { type BagEditor, createPause } from "./bag_editor.ts";
import { createToSource } from "./merge.ts";

/**
 * Finds the parts of values that are wanted. Tables tell which values can have any, so that few of them
 * are read. One that is damaged is never given, so nothing of it is wanted.
 *
 * @param editor Says which segments are live; nobody else changes them.
 * @param wanted The digests of the values.
 */
export async function findParts(editor: BagEditor, wanted: DigestSet): Promise<Set<Digest>> {
  const parts = new Set<Digest>();
  const pause = createPause();
  for (const payload of readReferring(editor, wanted)) {
    for (const part of neededParts(payload)) parts.add(part);
    await pause();
  }
  return parts;
}

function* readReferring(
  { layout, handles, manifest }: BagEditor,
  wanted: DigestSet,
): Generator<Payload> {
  for (const { name } of manifest.segments) {
    const isWanted = (bytes: Uint8Array<ArrayBuffer>) =>
      mayRefer(toViewed(bytes).view.getUint32(KIND_AT, true)) && wanted.hasRow(bytes);
    const rows = Array.from(SegmentTable.read(layout, name, handles)?.select(isWanted) ?? []);
    const toSource = createToSource(layout, handles, name);
    for (const row of rows.sort((a, b) => a.offset - b.offset)) {
      const source = toSource(row);
      const payload = source.isWhole() ? toPayload(row.kind, source.read()) : undefined;
      if (payload !== undefined) yield payload;
    }
  }
  for (const journal of listJournals(layout)) yield* readJournal(layout, journal, wanted);
}

function* readJournal(layout: BagLayout, journal: string, wanted: DigestSet): Generator<Payload> {
  using file = openIfThere(toJournalPath(layout, journal));
  if (file === undefined) return;
  const found: { offset: number; length: number; kind: number }[] = [];
  scanJournal(file, 0, ({ digest, offset, length, kind }) => {
    if (mayRefer(kind) && wanted.has(digest)) found.push({ offset, length, kind });
  });
  for (const { offset, length, kind } of found) {
    const bytes = new Uint8Array(length);
    // What the disk does not give now it may give later, and then it needs its parts: an error.
    const payload = readAt(file, offset, bytes) ? toPayload(kind, bytes) : undefined;
    if (payload !== undefined) yield payload;
  }
}
