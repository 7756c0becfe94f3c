import { type FileHandles, openIfThere } from "../../disk/file_system.ts";
import { type BagLayout, listJournals, toJournalPath } from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";
import { scanJournal } from "../journal/journal_scan.ts";
import type { SegmentEntry } from "../manifest.ts";
import { SegmentTable } from "../segment/segment_table.ts";
import { DigestSet } from "../table/digest_rows.ts";
import { getLength, LENGTH_AT, readDigest, toViewed } from "../table/digest_table.ts";
import type { BagEditor } from "./bag_editor.ts";
import { newestOf } from "./merge.ts";
import type { CompactRequest, SegmentShare } from "./scheduler.ts";
import { readTouches } from "./touches.ts";
import { findParts } from "./wanted_parts.ts";

/** Which values a sweep keeps, as it was when it began. */
export class KeptValues {
  /** What was put after this is kept, in milliseconds since 1970. */
  readonly horizon: number;
  readonly #layout: BagLayout;
  readonly #handles: FileHandles;
  readonly #named: DigestSet | undefined;
  /** The parts of what is named, and what was touched. */
  readonly #others: ReadonlySet<Digest>;
  /** What journals have. */
  #journaled: ReadonlySet<Digest> = new Set();
  /** By the names of segments: whether all of their values are kept. */
  readonly #young = new Map<string, boolean>();

  private constructor(
    { layout, handles }: Pick<BagEditor, "layout" | "handles">,
    horizon: number,
    named: DigestSet | undefined,
    others: ReadonlySet<Digest>,
  ) {
    this.#layout = layout;
    this.#handles = handles;
    this.horizon = horizon;
    this.#named = named;
    this.#others = others;
  }

  /**
   * Finds out what is kept.
   *
   * @param editor Says which segments are live; nobody else changes them.
   * @param request What is wanted.
   */
  static async find(editor: BagEditor, { live, horizon }: CompactRequest): Promise<KeptValues> {
    const named = live && new DigestSet(live);
    if (named === undefined) return new KeptValues(editor, horizon, named, new Set());
    const parts = await findParts(editor, named);
    const others = readTouches(editor.layout, horizon).union(parts);
    return new KeptValues(editor, horizon, named, others);
  }

  /** Takes note of what journals have now: it was put again, or is about to be sealed. */
  readJournals(): void {
    if (this.#named === undefined) return;
    const journaled = new Set<Digest>();
    for (const journal of listJournals(this.#layout)) {
      using file = openIfThere(toJournalPath(this.#layout, journal));
      if (file !== undefined) scanJournal(file, 0, ({ digest }) => journaled.add(digest));
    }
    this.#journaled = journaled;
  }

  /** Whether a value is kept wherever it lies. */
  isWanted(digest: Digest): boolean {
    return this.#named === undefined || this.#named.has(digest) || this.#others.has(digest);
  }

  /** Whether a value of a segment is kept. */
  has(segment: SegmentEntry, digest: Digest): boolean {
    return this.isWanted(digest) || this.#isYoung(segment) || this.#journaled.has(digest);
  }

  /** What is kept of a segment: its values are only counted, and there may be millions. */
  toShare(segment: SegmentEntry): SegmentShare {
    const table = SegmentTable.read(this.#layout, segment.name, this.#handles);
    let [values, bytes] = [0, 0];
    const named = this.#named;
    const isAll = named === undefined || this.#isYoung(segment);
    for (const row of table?.rowBytes() ?? []) {
      if (!isAll && !named.hasRow(row) && !this.#hasOther(row)) continue;
      values++;
      bytes += getLength(toViewed(row).view, LENGTH_AT);
    }
    return { segment, readable: table !== undefined, values, bytes };
  }

  #hasOther(row: Uint8Array<ArrayBuffer>): boolean {
    if (this.#others.size === 0 && this.#journaled.size === 0) return false;
    const digest = readDigest(toViewed(row), 0);
    return this.#others.has(digest) || this.#journaled.has(digest);
  }

  #isYoung(segment: SegmentEntry): boolean {
    const { name } = segment;
    const known = this.#young.get(name);
    if (known !== undefined) return known;
    const young = newestOf(this.#layout, segment) > this.horizon;
    this.#young.set(name, young);
    return young;
  }
}
