import { mayRefer, neededParts } from "../value/codec/references.ts";
import type { Digest, Payload, StoredPayload } from "../value/value.ts";
import { type FileHandles, type FileSystem, isMissing } from "../disk/file_system.ts";
import type { StoredPart } from "../disk/disk_storage.ts";
import { JournalIndex } from "./journal/journal_index.ts";
import type { JournalEntry } from "./journal/journal_scan.ts";
import type { BagLayout } from "../disk/layout.ts";
import { type Manifest, readManifest } from "./manifest.ts";
import { SealedValues } from "./segment/sealed_values.ts";

/** Finds values wherever they lie: in journals or in segments. */
export class StoredValues {
  readonly #layout: BagLayout;
  readonly #journals: JournalIndex;
  readonly #sealed: SealedValues;
  readonly #onReload: (manifest: Manifest) => void;
  #manifest: Manifest;

  /**
   * Reads the manifest and the tables; values are not read.
   *
   * @param handles Where open files are kept.
   * @param ownPrefix How the names of the own journals begin.
   * @param onReload Called with each newer manifest.
   */
  constructor(
    layout: BagLayout,
    handles: FileHandles,
    ownPrefix: string,
    onReload: (manifest: Manifest) => void,
  ) {
    this.#layout = layout;
    this.#onReload = onReload;
    this.#journals = new JournalIndex(layout, handles, ownPrefix);
    this.#sealed = new SealedValues(layout, handles);
    this.#manifest = readManifest(layout);
    this.#sealed.load(this.#manifest);
  }

  /** The generation of the call log. */
  get logGeneration(): number {
    return this.#manifest.logGeneration;
  }

  /**
   * Takes note of a value that was appended to an own journal.
   *
   * @param entry Where the value lies.
   */
  add(journal: string, entry: JournalEntry): void {
    this.#journals.add(journal, entry);
  }

  /**
   * Tells whether a value need not be stored again: a copy that this handle knows only by name is
   * read first, as it may have been damaged since.
   *
   * @param digest The digest of the value.
   * @returns Whether there is a whole copy, as far as this handle has seen.
   */
  isWhole(digest: Digest): boolean {
    // What lay in a journal that is gone was sealed, or else is no longer there.
    const known = this.#journals.isWhole(digest, () => void this.reload(true));
    if (known || this.#sealed.isWhole(digest)) return true;
    return (this.#journals.read(digest) ?? this.#sealed.read(digest)) !== undefined;
  }

  /**
   * Tells whether a value that was found whole is in what is live now; nothing of it is read.
   *
   * @param digest The digest of the value.
   */
  isLive(digest: Digest): boolean {
    this.reload();
    // A sweep that was killed has removed journals, and left the manifest as it was.
    const isJournaled = this.#journals.isWhole(digest, () => void this.reload(true));
    return isJournaled || this.#sealed.find(digest) !== undefined;
  }

  /** Brings a value to the disk itself that others may have left in memory; segments always are there. */
  sync(digest: Digest, fileSystem: FileSystem): void {
    this.#journals.sync(digest, fileSystem);
  }

  /**
   * Tells whether something is missing that follows from the segments.
   *
   * @param linkFile Whether the link file counts.
   * @returns Whether a segment has no usable table, or there is no link file.
   */
  isIncomplete(linkFile: boolean): boolean {
    if (this.#sealed.unreadable.length > 0) return true;
    return linkFile && this.#manifest.segments.length > 0 && isMissing(this.#layout.linkFile);
  }

  /**
   * Takes a table that was made again from its segment.
   *
   * @param table The content of the table's file.
   */
  adopt(segment: string, table: Uint8Array<ArrayBuffer>): void {
    this.#sealed.adopt(segment, table);
  }

  /** What is known of a value, without reading it. */
  find(digest: Digest): StoredPart | undefined {
    return this.#findAgain(() => this.#journals.find(digest) ?? this.#sealed.find(digest));
  }

  /**
   * Reads a value.
   *
   * @param digest The digest of the value.
   * @returns The payload, or `undefined` when it is missing or damaged everywhere.
   */
  read(digest: Digest): Payload | undefined {
    return this.#findAgain(() => this.#journals.read(digest) ?? this.#sealed.read(digest));
  }

  /**
   * Lists the parts of a value that is known: those of all its copies, as one may be made up.
   *
   * @param digest The digest of the value.
   * @returns The digests of the parts, each once, or `undefined` when no copy that may have some can
   * be read.
   */
  partsOf(digest: Digest): readonly Digest[] | undefined {
    return this.#findAgain(() => this.#readParts(digest));
  }

  #readParts(digest: Digest): readonly Digest[] | undefined {
    const parts = new Set<Digest>();
    let copies = 0;
    let read = 0;
    const isWanted = (kind: number) => {
      if (!mayRefer(kind)) return false;
      copies++;
      return true;
    };
    for (const stored of [this.#journals, this.#sealed]) {
      for (const payload of stored.copies(digest, isWanted)) {
        read++;
        for (const part of neededParts(payload)) parts.add(part);
      }
    }
    return copies > 0 && read === 0 ? undefined : [...parts];
  }

  /**
   * Opens a value for reading pieces of it.
   *
   * @param digest The digest of the value.
   * @returns The payload, or `undefined` when it is missing or damaged everywhere.
   */
  open(digest: Digest): StoredPayload | undefined {
    return this.#findAgain(() => this.#journals.open(digest) ?? this.#sealed.open(digest));
  }

  /** Lists what begins with some characters, damaged or not, once others' journals were looked at. */
  *matching(prefix: string): Generator<Digest> {
    this.#journals.rescan(this.#manifest);
    this.reload();
    yield* this.#journals.matching(prefix);
    yield* this.#sealed.matching(prefix);
  }

  /**
   * Takes note that the copy which would be read is not what its digest says.
   *
   * @param digest The digest of the value.
   * @returns Whether there was such a copy, and another one may be behind it.
   */
  reject(digest: Digest): boolean {
    return this.#journals.reject(digest) || this.#sealed.reject(digest);
  }

  /**
   * Looks, and looks again after learning what others did since. Journals come before the manifest:
   * a journal that is gone was sealed before, and the manifest that is read after that names its
   * segment. A segment that is gone was merged into another: then there is a newer manifest.
   */
  #findAgain<T>(find: () => T | undefined): T | undefined {
    let found = find();
    // What others have just written mostly lies in journals that this handle knows: to look at these
    // takes a part of the time that it takes to list the directory and to read the manifest.
    for (const known of [true, false]) {
      if (found !== undefined) return found;
      this.#journals.rescan(this.#manifest, known);
      found = find();
    }
    while (found === undefined && this.reload()) found = find();
    return found;
  }

  /**
   * Takes the newest manifest.
   *
   * @param anyway Also if it seems to be the same: it may be that of another bag.
   * @returns Whether it is newer than the one before.
   */
  reload(anyway = false): boolean {
    const manifest = readManifest(this.#layout);
    if (!anyway && manifest.generation === this.#manifest.generation) return false;
    this.#manifest = manifest;
    this.#sealed.load(manifest);
    this.#journals.forgetRemoved();
    this.#onReload(manifest);
    return true;
  }
}
