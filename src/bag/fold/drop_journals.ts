/**
 * A sweep of journals: values that nobody wants are dropped with the journals that they lie in, rather
 * than sealed first. That takes no room, so it works in a bag that has taken all there is.
 *
 * Only journals that nobody writes to any more and that were not written to after the horizon are swept:
 * all their values were put before it. What is wanted of one is sealed first. Until the journal goes,
 * all that it has counts as being there, so that whoever puts such a value again leaves a touch; the
 * journal goes while touches are excluded, and what was touched is written into a new one before.
 *
 * How far a journal is sealed is not noted while it is swept: whoever is killed before it goes leaves
 * it as it was.
 *
 * @module
 */
import { guardBag } from "../../disk/disk_storage.ts";
import { toWriteTime } from "../../disk/file_clock.ts";
import { isLocked, openIfThere } from "../../disk/file_system.ts";
import { listJournals, toJournalPath } from "../../disk/layout.ts";
import { LockFile } from "../../disk/lock_file.ts";
import type { SweepResult } from "../../disk/stores.ts";
import type { Digest } from "../../value/value.ts";
import { readShape } from "../journal/journal_format.ts";
import { type JournalEntry, removeJournal, scanJournal } from "../journal/journal_scan.ts";
import { measure } from "../segment/seal.ts";
import { FileSource, SourceReader } from "../segment/sealed_payload.ts";
import { SealedValues } from "../segment/sealed_values.ts";
import type { BagEditor } from "./bag_editor.ts";
import type { KeptValues } from "./kept_values.ts";
import { rescue } from "./rescue.ts";
import type { DroppedValue } from "./merge.ts";
import { readTouches } from "./touches.ts";

/** A journal that is swept. */
interface SweptJournal {
  readonly name: string;
  /** What nobody wants of it. */
  readonly dropped: ReadonlyMap<Digest, JournalEntry>;
  /** Whether nobody wants any of it. */
  readonly dead: boolean;
  /** Where its last entry ends. */
  readonly end: number;
}

/** The journals that one sweep drops values with. */
export class JournalSweep {
  readonly #editor: BagEditor;
  readonly #horizon: number;
  readonly #journals: ReadonlyMap<string, SweptJournal>;

  /**
   * Finds them; nothing is changed.
   *
   * @param editor Changes segments and the manifest.
   * @param kept What is kept.
   */
  constructor(editor: BagEditor, kept: KeptValues) {
    this.#editor = editor;
    this.#horizon = kept.horizon;
    const journals = listJournals(editor.layout)
      .map((name) => readJournal(editor, name, kept))
      .filter((journal) => journal !== undefined);
    this.#journals = new Map(journals.map((journal) => [journal.name, journal]));
  }

  /** Whether what a journal has is dropped rather than sealed. */
  drops(journal: string, digest: Digest): boolean {
    return this.#journals.get(journal)?.dropped.has(digest) === true;
  }

  /** Whether how far a journal is sealed is not to be noted, as it goes as a whole. */
  sweeps(journal: string): boolean {
    return this.#journals.has(journal);
  }

  /** Removes the journals of which nobody wants anything. */
  removeDead(): Promise<SweepResult> {
    return this.#remove([...this.#journals.values()].filter(({ dead }) => dead));
  }

  /** Removes the others, once what is wanted of them is sealed. */
  removeSealed(): Promise<SweepResult> {
    return this.#remove([...this.#journals.values()].filter(({ dead }) => !dead));
  }

  async #remove(journals: readonly SweptJournal[]): Promise<SweepResult> {
    if (journals.length === 0) return { values: 0, bytes: 0 };
    const { fileSystem, layout, handles, manifest } = this.#editor;
    const reader = new SourceReader(handles);
    const dropped = new Map<Digest, DroppedValue>();
    for (const { name, dropped: entries } of journals) {
      const path = toJournalPath(layout, name);
      for (const entry of entries.values()) {
        const toSource = () => {
          const shape = readShape(reader.from(path, entry.offset), entry);
          return new FileSource(reader, path, { ...entry, ...shape });
        };
        dropped.set(entry.digest, { length: entry.length, toSource });
      }
    }
    using lock = new LockFile(fileSystem, layout.sweepLock, guardBag(layout, "readwrite"));
    await lock.lock();
    rescue(this.#editor, dropped, readTouches(layout, this.#horizon));
    for (const { name, end } of journals) {
      const path = toJournalPath(layout, name);
      handles.close(path);
      removeJournal(fileSystem, path, end);
    }
    lock.unlock();
    // What segments have, too, is dropped with them.
    const sealed = new SealedValues(layout, handles);
    sealed.load(manifest);
    return measure(
      [...dropped].filter(([digest]) => sealed.find(digest) === undefined).map(([, value]) =>
        value
      ),
    );
  }
}

function readJournal(
  { layout, manifest }: BagEditor,
  name: string,
  kept: KeptValues,
): SweptJournal | undefined {
  using file = openIfThere(toJournalPath(layout, name));
  if (file === undefined || isLocked(file) || toWriteTime(file) > kept.horizon) return undefined;
  const dropped = new Map<Digest, JournalEntry>();
  let dead = true;
  const end = scanJournal(file, manifest.sealed[name] ?? 0, (entry) => {
    if (kept.isWanted(entry.digest)) dead = false;
    else dropped.set(entry.digest, entry);
  });
  return dropped.size === 0 ? undefined : { name, dropped, dead, end };
}
