/**
 * The directory of a backup: a bag that is changed step by step, so that whoever is killed in between
 * leaves a bag that opens with what was in it before, or with what is in it now.
 *
 * @module
 */
import { QuiverError } from "../../base/errors.ts";
import { createSha256 } from "../../base/sha256.ts";
import {
  type FileSystem,
  isMissing,
  openIfThere,
  readPieces,
  readWhole,
  removeIfThere,
  replaceFile,
} from "../../disk/file_system.ts";
import {
  type BagLayout,
  listEntries,
  listJournals,
  toJournalPath,
  toLayout,
  toSegmentName,
  toSegmentPaths,
} from "../../disk/layout.ts";
import { readHolder } from "../../disk/lock_file.ts";
import { likeDirectory, makeLike } from "../../disk/ownership.ts";
import type { Digest } from "../../value/value.ts";
import { createParts, refuseFile, refuseLinkedDirectories, syncName } from "../bag_json.ts";
import { listUnfinished, listUnnamed } from "../fold/bag_editor.ts";
import type { Hdf5Environment } from "../hdf5/access.ts";
import {
  EMPTY_MANIFEST,
  FoldLock,
  type Manifest,
  readManifest,
  writeManifest,
} from "../manifest.ts";
import { writeLinkFile } from "../segment/link_file.ts";
import { PURPOSE, readTableHeader, ROW_BYTES, type Rows } from "../table/digest_table.ts";
import {
  type BackedUpBag,
  checkIsBackup,
  checkUnchanged,
  isWhole,
  refuseOverlap,
} from "./backup_directory.ts";
import { type BackedUpLog, type BackupState, writeBackupState } from "./backup_json.ts";
import { readId, writeId } from "./bag_id.ts";

/** What a backup is going to be. */
interface BackupAnnouncement {
  /** What the bag is known by, if it is. */
  readonly id: string | undefined;
  /** The generation of the bag's manifest. */
  readonly generation: number;
  /** The call log. */
  readonly log: BackedUpLog;
}

/** A directory that a backup is made in, which nobody else changes meanwhile. */
export class BackupTarget implements Disposable {
  /** The paths of the backup. */
  readonly layout: BagLayout;
  /** What makes files that are as the directory is. */
  readonly fileSystem: FileSystem;
  readonly #environment: Hdf5Environment;
  readonly #lock: FoldLock;
  readonly #bag: BackedUpBag;
  /** Segments that are complete, live or not, by what tells them from others. */
  readonly #segments = new Map<string, string>();
  #state: BackupState;
  #manifest: Manifest = EMPTY_MANIFEST;
  #nextSegment = 1;
  /** Whether the link file leads where it should. */
  #isLinked: boolean;

  private constructor(
    layout: BagLayout,
    environment: Hdf5Environment,
    lock: FoldLock,
    bag: BackedUpBag,
  ) {
    this.layout = layout;
    this.fileSystem = environment.fileSystem;
    this.#environment = environment;
    this.#lock = lock;
    this.#bag = bag;
    this.#state = this.#begin();
    if (this.isWhole || !isMissing(layout.manifest)) this.#manifest = readManifest(layout);
    if (this.isWhole) checkUnchanged(layout, this.#manifest, this.#state, bag);
    createParts(this.fileSystem, layout);
    const unnamed = this.#clear();
    for (const { name } of this.#manifest.segments) this.#know(name);
    for (const { segment } of unnamed) this.#know(segment);
    const numbers = listEntries(layout.segments).map(({ name }) => Number.parseInt(name));
    const last = numbers.filter(Number.isSafeInteger).reduce((a, b) => Math.max(a, b), 0);
    this.#nextSegment = Math.max(this.#manifest.nextSegment, last + 1);
    this.#isLinked = unnamed.length === 0 && !isMissing(layout.linkFile);
  }

  /**
   * Takes a directory for a backup, and makes it if it is missing.
   *
   * @param directory The directory, absolute.
   * @param environment What it stands on.
   * @throws {BagFormatError} If it is neither empty nor a backup of the bag.
   * @throws {QuiverError} If it lies in the bag, or somebody uses it.
   */
  static open(directory: string, bag: BackedUpBag, environment: Hdf5Environment): BackupTarget {
    const layout = toLayout(directory);
    const { fileSystem } = environment;
    refuseFile(layout);
    refuseLinkedDirectories(layout);
    refuseOverlap(bag.layout.root, directory);
    checkIsBackup(layout, bag);
    makeLike(fileSystem, directory, bag.layout.root);
    const owned = likeDirectory(fileSystem, directory);
    owned.makeDirectory(layout.locks);
    const lock = FoldLock.tryTake(owned, layout);
    if (lock === undefined) {
      throw new QuiverError(
        `Cannot back up into "${directory}": it is in use, "${layout.foldLock}" is locked by ` +
          `${readHolder(layout.foldLock)}; wait until that has ended`,
      );
    }
    try {
      return new BackupTarget(layout, { ...environment, fileSystem: owned }, lock, bag);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Whether the directory can be opened as a bag already. */
  get isWhole(): boolean {
    return isWhole(this.layout);
  }

  /** What is live in the backup. */
  get manifest(): Manifest {
    return this.#manifest;
  }

  /** Says what the directory is to be, before there is anything in it. */
  #begin(): BackupState {
    // Under the lock: another backup may have been faster.
    const known = checkIsBackup(this.layout, this.#bag);
    if (known !== undefined) return known;
    const { id, path, manifest } = this.#bag;
    const state = { ...toBag(id), path, generation: manifest.generation, logs: [] };
    writeBackupState(this.fileSystem, this.layout, state);
    return state;
  }

  #say(state: BackupState): void {
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return;
    writeBackupState(this.fileSystem, this.layout, state);
    this.#state = state;
  }

  /** Removes what a killed backup has not completed; what it has completed is used. */
  #clear(): { readonly segment: string }[] {
    const { complete = [], unfinished = [] } = Object.groupBy(
      listUnnamed(this.layout, this.#manifest),
      ({ complete }) => complete ? "complete" : "unfinished",
    );
    this.#remove([...listUnfinished(this.layout), ...unfinished.map(({ path }) => path)]);
    return complete;
  }

  #remove(paths: readonly string[]): void {
    for (const path of paths) removeIfThere(this.fileSystem, path);
  }

  #know(name: string): void {
    const mark = toSegmentMark(this.layout, name);
    if (mark !== undefined) this.#segments.set(mark, name);
  }

  /**
   * Finds a segment of the bag that is in the backup, by whatever name.
   *
   * @param mark What tells it from others.
   * @returns Its name in the backup.
   */
  find(mark: string): string | undefined {
    return this.#segments.get(mark);
  }

  /**
   * Chooses names for new segments: nobody who has the backup open can know them. They stay those of the
   * bag where they can.
   *
   * @param names The names in the bag.
   * @returns The names in the backup, in the same order.
   */
  chooseNames(names: readonly string[]): string[] {
    const chosen = names.map((name) => {
      const number = Math.max(this.#nextSegment, Number(name));
      this.#nextSegment = number + 1;
      return toSegmentName(number);
    });
    // Whoever finds them without a manifest that names them takes them for what was left over.
    if (this.isWhole) this.#switch({ ...this.#manifest, nextSegment: this.#nextSegment });
    return chosen;
  }

  /** Takes note of a segment that has been brought. */
  add(name: string): void {
    this.#know(name);
    this.#isLinked = false;
  }

  /**
   * Takes note of what the backup is going to be, before it is.
   *
   * @param next What the bag is known by, the generation of its manifest, and its log.
   */
  announce({ id, generation, log }: BackupAnnouncement): void {
    this.fileSystem.syncDirectory(this.layout.segments);
    this.fileSystem.syncDirectory(this.layout.journals);
    const before = this.isWhole ? this.#state.logs : [];
    const others = before.filter((known) => known.generation !== log.generation);
    const { path } = this.#bag;
    this.#say({ ...toBag(id), path, generation, logs: [...others, log] });
    if (id !== undefined && id !== readId(this.layout)) writeId(this.fileSystem, this.layout, id);
  }

  /**
   * Makes segments live beside those that are: what the log names so far, and what it is going to name.
   *
   * @param manifest What is going to be live.
   */
  async unite({ segments, sealed }: Manifest): Promise<void> {
    // What comes from now on may be of a newer version.
    this.#bringBagJson();
    const { segments: before, sealed: sealedBefore } = this.#manifest;
    const known = new Set(before.map(({ name }) => name));
    const united = [...before, ...segments.filter(({ name }) => !known.has(name))];
    if (united.length > before.length) await this.#link(united);
    this.#switch({
      ...this.#manifest,
      segments: united,
      sealed: { ...sealedBefore, ...sealed },
    });
  }

  /**
   * Makes segments live, and no others.
   *
   * @param manifest What is live.
   */
  async commit(manifest: Manifest): Promise<void> {
    const { segments } = manifest;
    // Those that are live no more are there yet: a link file that leads to them leads somewhere.
    if (!this.isWhole) await this.#link(segments);
    this.#switch({ ...manifest, nextSegment: this.#nextSegment });
    this.#bringBagJson();
  }

  /** What a backup can be opened with: the last thing that comes into a new one. */
  #bringBagJson(): void {
    const content = readWhole(this.#bag.layout.bagJson) ?? new Uint8Array();
    const known = readWhole(this.layout.bagJson);
    if (known?.length === content.length && known.every((byte, i) => byte === content[i])) return;
    replaceFile(this.fileSystem, this.layout.bagJson, [content]);
    this.fileSystem.syncDirectory(this.layout.root);
    syncName(this.fileSystem, this.layout.root);
  }

  /**
   * Removes what the bag has dropped.
   *
   * @param journals The names of the journals that stay.
   * @param log What the log is now.
   * @returns How many files were removed.
   */
  async tidy(journals: ReadonlySet<string>, log: BackedUpLog): Promise<number> {
    const unnamed = listUnnamed(this.layout, this.#manifest).map(({ path }) => path);
    if (unnamed.length > 0 || !this.#isLinked) {
      await this.#link(this.#manifest.segments);
      this.fileSystem.syncDirectory(this.layout.root);
    }
    const dropped = listJournals(this.layout).filter((name) => !journals.has(name))
      .map((name) => toJournalPath(this.layout, name));
    this.#remove([...unnamed, ...dropped]);
    this.#say({ ...this.#state, logs: [log] });
    return unnamed.length + dropped.length;
  }

  async #link(segments: Manifest["segments"]): Promise<void> {
    if (segments.length === 0 && isMissing(this.layout.linkFile)) return;
    const { fileSystem, layout } = this;
    const library = await this.#environment.loadLibrary();
    writeLinkFile({ fileSystem, layout, library }, segments);
    this.#isLinked = true;
  }

  #switch(next: Manifest): void {
    const generation = this.#manifest.generation + 1;
    if (isSame(next, this.#manifest) && !isMissing(this.layout.manifest)) return;
    this.#manifest = { ...next, generation };
    writeManifest(this.fileSystem, this.layout, this.#manifest);
  }

  /** Lets others use the directory. */
  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }
}

function toBag(id: string | undefined): Pick<BackupState, "bag"> {
  return id === undefined ? {} : { bag: id };
}

function isSame(one: Manifest, other: Manifest): boolean {
  const toText = (manifest: Manifest) =>
    JSON.stringify(Object.entries({ ...manifest, generation: 0 }).sort());
  return toText(one) === toText(other);
}

/**
 * Tells segments from others that have the same name: a backup that was opened as a bag may have made
 * some of its own.
 *
 * @returns What stands for its content: its length, and all that is said of its values. Two that have it in
 * common have the same values in the same places. Without a table there is none.
 */
export function toSegmentMark(layout: BagLayout, name: string): string | undefined {
  const [path, tablePath] = toSegmentPaths(layout, name);
  using file = openIfThere(path);
  using table = openIfThere(tablePath);
  if (file === undefined || table === undefined) return undefined;
  const header = readTableHeader(table, PURPOSE.values);
  const length = file.seekSync(0, Deno.SeekMode.End);
  if (header?.subject.length !== length) return undefined;
  // Rows in a segment end with a CRC-32 of themselves: that of all is the same whatever they say.
  const rows = digestRows(table, header);
  const others = header.others && digestRows(file, header.others);
  return [length, table.seekSync(0, Deno.SeekMode.End), rows, others].join();
}

function digestRows(file: Deno.FsFile, { begin, size }: Rows): Digest {
  const hash = createSha256();
  for (const piece of readPieces(file, begin, begin + size * ROW_BYTES)) hash.update(piece);
  return hash.digest("hex");
}
