import { BagCorruptError } from "../../base/errors.ts";
import { readFileClock } from "../../disk/file_clock.ts";
import {
  type FileHandles,
  type FileSystem,
  isMissing,
  removeIfThere,
  removeQuietly,
} from "../../disk/file_system.ts";
import {
  type BagLayout,
  listEntries,
  listJournals,
  listRoot,
  toSegmentName,
  toSegmentPath,
  toSegmentPaths,
} from "../../disk/layout.ts";
import { isNoRoom } from "../../disk/room.ts";
import { checkBag } from "../bag_json.ts";
import type { Hdf5Access, Hdf5Environment } from "../hdf5/access.ts";
import {
  type Manifest,
  readManifest,
  type SegmentEntry,
  toNextSegment,
  writeManifest,
} from "../manifest.ts";
import { writeLinkFile } from "../segment/link_file.ts";
import { rebuildIndexes } from "../segment/rebuild_index.ts";
import { sealSegment, type SegmentEnvironment } from "../segment/seal.ts";
import type { SegmentSource } from "../segment/segment_writer.ts";

/** How long a fold works before others may run, in milliseconds. */
const SLICE = 20;

/** Changes segments and the manifest. Whoever has one holds the fold's lock. */
export class BagEditor {
  /** The bag's paths. */
  readonly layout: BagLayout;
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** Where open files are kept. */
  readonly handles: FileHandles;
  readonly #environment: Hdf5Environment;
  readonly #pause = createPause();
  #library: Promise<Hdf5Access> | undefined;
  #manifest: Manifest;

  /**
   * Reads the manifest.
   *
   * @param environment What a fold needs.
   * @param handles Where open files are kept.
   */
  constructor(layout: BagLayout, environment: Hdf5Environment, handles: FileHandles) {
    this.layout = layout;
    this.fileSystem = environment.fileSystem;
    this.handles = handles;
    this.#environment = environment;
    this.#manifest = readManifest(layout);
  }

  /** What is live now. */
  get manifest(): Manifest {
    return this.#manifest;
  }

  /** The time by the clock that files get theirs from, in milliseconds since 1970. */
  readClock(): number {
    return readFileClock(this.fileSystem, this.layout);
  }

  /**
   * Removes what a fold left that was killed, and makes again what follows from the segments.
   *
   * @param missing Whether a segment has no usable table.
   */
  async restore(missing: boolean): Promise<void> {
    const { segments } = this.#manifest;
    await removeUnfinished(this, () => this.#openLinkFile(segments));
    if (missing || (segments.length > 0 && isMissing(this.layout.linkFile))) {
      rebuildIndexes(await this.#toEnvironment(), this.#manifest, true);
    }
  }

  /**
   * Writes a segment that counts from the switch on that names it.
   *
   * @param sources What goes into it, each digest once.
   * @param newest When the last of them was put at the latest.
   * @returns The segment's entry for the manifest.
   */
  async seal(sources: readonly SegmentSource[], newest: number): Promise<SegmentEntry> {
    const features = checkBag(this.layout);
    const environment = { ...await this.#toEnvironment(), pause: this.#pause, ...features };
    const name = toSegmentName(toNextSegment(this.#manifest));
    return { ...await sealSegment(environment, name, sources), newest };
  }

  /**
   * Puts other segments in the place of the live ones, and removes those that are live no more.
   *
   * @param segments What is live from now on.
   * @param change What else changes in the manifest.
   * @param commit Runs the switch itself.
   */
  async replace(
    segments: readonly SegmentEntry[],
    change: Partial<Manifest> = {},
    commit: (doSwitch: () => void) => void | Promise<void> = (doSwitch) => doSwitch(),
  ): Promise<void> {
    const names = new Set(segments.map(({ name }) => name));
    const old = this.#manifest.segments.filter(({ name }) => !names.has(name));
    // Whoever is killed between door and switch leaves a segment that no manifest names, which tells
    // the next fold to make the door anew: a new one before, or else an old one after the switch.
    const isNew = segments.length > this.#manifest.segments.length - old.length;
    const nextSegment = toNextSegment({ ...this.#manifest, segments });
    try {
      if (isNew) await this.#openLinkFile(segments);
      await commit(() => this.switch({ ...change, segments, nextSegment }));
    } catch (error) {
      await this.#undo(segments);
      throw error;
    }
    const paths = old.flatMap(({ name }) => toSegmentPaths(this.layout, name));
    if (!isNew) await this.#followSegments(segments, paths);
    removeFiles(this, paths);
  }

  /** Removes new segments that were not made live, and what leads to them. */
  async #undo(segments: readonly SegmentEntry[]): Promise<void> {
    const { layout, fileSystem } = this;
    const before = this.#manifest.segments;
    const known = new Set(before.map(({ name }) => name));
    const added = segments.filter(({ name }) => !known.has(name));
    try {
      const live = new Set(readManifest(layout).segments.map(({ name }) => name));
      // The switch was the last that was done, or somebody else has made them live.
      if (added.length === 0 || added.some(({ name }) => live.has(name))) return;
      await this.#openLinkFile(before);
      removeFiles(this, added.flatMap(({ name }) => toSegmentPaths(layout, name)));
    } catch {
      // Without the tables the next fold makes the link file anew; the space comes back at once.
      for (const { name } of added) removeQuietly(fileSystem, toSegmentPath(layout, name));
    }
  }

  /** Has the link file lead to the live segments alone, where there is room for it; if not, it goes. */
  async #followSegments(segments: readonly SegmentEntry[], old: readonly string[]): Promise<void> {
    try {
      await this.#openLinkFile(segments);
    } catch (error) {
      if (!isNoRoom(error)) throw error;
      removeFiles(this, old);
      removeIfThere(this.fileSystem, this.layout.linkFile);
    }
  }

  /**
   * Makes another manifest the live one.
   *
   * @param change What changes in it.
   */
  switch(change: Partial<Manifest>): void {
    const there = new Set(listJournals(this.layout));
    const next = { ...this.#manifest, ...change, generation: this.#manifest.generation + 1 };
    const sealed = Object.fromEntries(
      Object.entries(next.sealed).filter(([name]) => there.has(name)),
    );
    const manifest = { ...next, sealed };
    const { fileSystem, layout } = this;
    try {
      writeManifest(fileSystem, layout, manifest);
    } catch (error) {
      if (!isNoRoom(error) || isMissing(layout.linkFile)) throw error;
      // It is made again of the segments, by the next who folds or opens the bag.
      removeIfThere(fileSystem, layout.linkFile);
      writeManifest(fileSystem, layout, manifest);
    }
    this.#manifest = manifest;
  }

  async #openLinkFile(segments: readonly SegmentEntry[]): Promise<void> {
    writeLinkFile(await this.#toEnvironment(), segments);
  }

  async #toEnvironment(): Promise<SegmentEnvironment> {
    this.#library ??= this.#environment.loadLibrary();
    return { fileSystem: this.fileSystem, layout: this.layout, library: await this.#library };
  }
}

/**
 * Removes files of segments that nothing names any more.
 *
 * @param bag Whose files they are.
 */
export function removeFiles(
  { fileSystem, handles }: Pick<BagEditor, "fileSystem" | "handles">,
  paths: readonly string[],
): void {
  for (const path of paths) {
    handles.close(path);
    removeIfThere(fileSystem, path);
  }
}

/**
 * Makes what gives way to others now and then: a worker that never does cannot be terminated.
 *
 * @returns What is called between two steps of work.
 */
export function createPause(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < SLICE) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    since = performance.now();
  };
}

const UNFINISHED_REGEXP =
  /^((?:bag|backup)\.json|id|manifest\.json|calls\.(index|jsonl)|values\.h5)\..*\.tmp$/;
const SEGMENT_FILE_REGEXP = /^(\d{1,14})\.(?:h5|index)(\..*\.tmp)?$/;

/** A file in `segments/` that no manifest names. */
interface UnnamedFile {
  /** The path. */
  readonly path: string;
  /** The name of its segment. */
  readonly segment: string;
  /** Whether it was complete. */
  readonly complete: boolean;
}

/**
 * Lists the files that a program left which was killed while it changed the bag.
 *
 * @returns The paths of files beside the segments that never got their name.
 */
export function listUnfinished(layout: BagLayout): string[] {
  return listRoot(layout.root)
    .filter((entry) => entry.isFile && UNFINISHED_REGEXP.test(entry.name))
    .map((entry) => `${layout.root}/${entry.name}`);
}

/**
 * Lists the files of segments that are not live: what a killed fold wrote before its switch or had
 * to remove after it. Files that are none of ours, links and directories are left out.
 *
 * @param manifest What is live.
 */
export function listUnnamed(layout: BagLayout, manifest: Manifest): UnnamedFile[] {
  const live = new Set(manifest.segments.flatMap(({ name }) => [`${name}.h5`, `${name}.index`]));
  return listEntries(layout.segments).flatMap(({ isFile, name }) => {
    const [, segment, unfinished] = SEGMENT_FILE_REGEXP.exec(name) ?? [];
    if (!isFile || segment === undefined || live.has(name)) return [];
    return [{ path: `${layout.segments}/${name}`, segment, complete: unfinished === undefined }];
  });
}

/**
 * Removes what a fold left that was killed. Its segments are those that no manifest names.
 *
 * The link file may lead to them, so it is made anew while they are still there. On a full disk
 * that fails, and their space is given back all the same; their tables stay until the door is right,
 * and remind the next fold of it.
 *
 * @param editor What is live.
 * @param openLinkFile Makes the link file anew.
 * @throws {BagCorruptError} If there are segments that are newer than the manifest: then it is an old
 * copy, and what looks like left over may be all that there is of some values.
 */
async function removeUnfinished(
  editor: BagEditor,
  openLinkFile: () => Promise<void>,
): Promise<void> {
  const { layout, manifest } = editor;
  const unnamed = listUnnamed(layout, manifest);
  const next = toNextSegment(manifest);
  const newer = unnamed.find(({ segment }) => Number(segment) > next);
  if (newer !== undefined) {
    throw new BagCorruptError(
      `Cannot fold "${layout.root}": "${newer.path}" is newer than the manifest, which is an old ` +
        "copy; repair the bag with verifyBag(path, { repair: true })",
      layout.manifest,
      0,
    );
  }
  const { complete = [], unfinished = [] } = Object.groupBy(
    unnamed,
    ({ complete }) => complete ? "complete" : "unfinished",
  );
  const paths = complete.map(({ path }) => path);
  removeFiles(editor, [...listUnfinished(layout), ...unfinished.map(({ path }) => path)]);
  try {
    if (paths.length > 0 && !isMissing(layout.linkFile)) await openLinkFile();
  } finally {
    removeFiles(editor, paths.filter((path) => path.endsWith(".h5")));
  }
  removeFiles(editor, paths);
}
