import { openIfThere, toTemporaryPath } from "../../disk/file_system.ts";
import { type BagLayout, toJournalPath, toSegmentPaths } from "../../disk/layout.ts";
import { scanJournal } from "../journal/journal_scan.ts";
import type { Manifest, SegmentEntry } from "../manifest.ts";
import { isPrefix } from "./compare_files.ts";
import { type BackupTarget, toSegmentMark } from "./backup_target.ts";
import type { FileCopier } from "./file_copier.ts";

/** Brings the values of a bag into its backup, as far as they are not there. */
export class ValueCopier {
  readonly #layout: BagLayout;
  readonly #target: BackupTarget;
  readonly #copier: FileCopier;
  /** The names in the backup of segments that this has brought or found. */
  readonly #names = new Map<string, string>();

  /**
   * Has brought nothing yet.
   *
   * @param layout The bag's paths.
   * @param copier Brings files.
   */
  constructor(layout: BagLayout, target: BackupTarget, copier: FileCopier) {
    this.#layout = layout;
    this.#target = target;
    this.#copier = copier;
  }

  /**
   * Brings segments.
   *
   * @param segments Those that are live in the bag.
   * @returns What they are in the backup; less if one is gone.
   */
  async bringSegments(segments: readonly SegmentEntry[]): Promise<SegmentEntry[]> {
    const missing = segments.filter(({ name }) => !this.#isThere(name)).map(({ name }) => name);
    const chosen = missing.length === 0 ? [] : this.#target.chooseNames(missing);
    for (const [i, name] of missing.entries()) {
      const to = chosen[i];
      if (to === undefined || !await this.#bring(name, to)) continue;
      this.#names.set(name, to);
      this.#target.add(to);
    }
    const brought = new Map<string, SegmentEntry>();
    for (const entry of segments) {
      const name = this.#names.get(entry.name);
      // Two of the same content are one.
      if (name !== undefined) brought.set(name, { ...entry, name });
    }
    return [...brought.values()];
  }

  /** Tells whether a segment of the bag is in the backup, as far as this has seen. */
  has(name: string): boolean {
    return this.#names.has(name);
  }

  #isThere(name: string): boolean {
    if (this.has(name)) return true;
    const mark = toSegmentMark(this.#layout, name);
    const known = mark === undefined ? undefined : this.#target.find(mark);
    if (known === undefined) return false;
    this.#names.set(name, known);
    return true;
  }

  async #bring(name: string, to: string): Promise<boolean> {
    const [file, table] = toSegmentPaths(this.#layout, name);
    const [fileCopy, tableCopy] = toSegmentPaths(this.#target.layout, to);
    if (!await this.#copier.bring(file, fileCopy)) return false;
    // A table that is missing is made again from its segment.
    await this.#copier.bring(table, tableCopy);
    return true;
  }

  /**
   * Brings journals, up to where they are complete.
   *
   * @param names Their names.
   * @param manifest What is live in the bag.
   * @param isStale Whether another manifest is live now: then the rest may be sealed, and is left.
   * @returns The names of those with something in them; nothing if that is so, or if one has gone meanwhile.
   */
  async bringJournals(
    names: Iterable<string>,
    { sealed }: Manifest,
    isStale: () => boolean,
  ): Promise<Set<string> | undefined> {
    const brought = new Set<string>();
    for (const name of names) {
      if (isStale()) return undefined;
      using file = openIfThere(toJournalPath(this.#layout, name));
      if (file === undefined) return undefined;
      const end = scanJournal(file, sealed[name] ?? 0, () => {});
      if (end === 0) continue;
      await this.#bringJournal(name, file, end);
      brought.add(name);
    }
    return brought;
  }

  async #bringJournal(name: string, file: Deno.FsFile, end: number): Promise<void> {
    const { layout } = this.#target;
    const to = toJournalPath(layout, name);
    using copy = openIfThere(to);
    const known = copy === undefined ? 0 : scanJournal(copy, 0, () => {});
    const isOurs = copy === undefined ||
      isPrefix(copy, file, known) && copy.seekSync(0, Deno.SeekMode.End) <= end && isAlone(copy);
    if (isOurs && known === end) return;
    if (isOurs) await this.#copier.extend(file, [known, end], to);
    // Under a name that each fold clears away.
    else await this.#copier.replace(file, end, to, toTemporaryPath(layout.callLog));
  }
}

/** Tells whether a file has one name: with another one, it is part of another copy, too. */
export function isAlone(file: Deno.FsFile): boolean {
  const { nlink } = file.statSync();
  return nlink === null || nlink <= 1;
}
