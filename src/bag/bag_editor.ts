import {
  type FileHandles,
  type FileSystem,
  isMissing,
  removeIfThere,
} from "../disk/file_system.ts";
import { checkBag } from "./bag_json.ts";
import { writeFrontDoor } from "./front_door.ts";
import type { Hdf5Access } from "./hdf5_library.ts";
import {
  type BagLayout,
  listJournals,
  toSegmentIndexPath,
  toSegmentName,
  toSegmentPath,
} from "../disk/layout.ts";
import { type Manifest, readManifest, type SegmentEntry, writeManifest } from "./manifest.ts";
import { rebuildIndexes } from "./rebuild_index.ts";
import { removeUnfinished } from "./remove_unfinished.ts";
import { sealSegment } from "./seal_segment.ts";
import type { SegmentSource } from "./segment_writer.ts";

/** How long a fold works before others may run, in milliseconds. */
const SLICE = 20;

/** What a fold needs. */
export interface FoldEnvironment {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** Loads the HDF5 library; only called when there is something to write or read with it. */
  readonly loadLibrary: () => Promise<Hdf5Access>;
}

/** Changes segments and the manifest. Whoever has one holds the fold's lock. */
export class BagEditor {
  /** The bag's paths. */
  readonly layout: BagLayout;
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** Where open files are kept. */
  readonly handles: FileHandles;
  readonly #environment: FoldEnvironment;
  readonly #pause = createPause();
  #library: Promise<Hdf5Access> | undefined;
  #manifest: Manifest;

  /**
   * Reads the manifest.
   *
   * @param layout The bag's paths.
   * @param environment What a fold needs.
   * @param handles Where open files are kept.
   */
  constructor(layout: BagLayout, environment: FoldEnvironment, handles: FileHandles) {
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

  /**
   * Removes what a fold left that was killed, and makes again what follows from the segments.
   *
   * @param missing Whether a segment has no usable table.
   * @returns Whether there may be new tables.
   */
  async restore(missing: boolean): Promise<boolean> {
    const { segments } = this.#manifest;
    const openFrontDoor = () => this.#openFrontDoor(segments);
    await removeUnfinished(this.fileSystem, this.layout, this.#manifest, openFrontDoor);
    if (missing || (segments.length > 0 && isMissing(this.layout.frontDoor))) {
      const library = await this.#loadLibrary();
      const { fileSystem, layout } = this;
      rebuildIndexes({ fileSystem, layout, library }, this.#manifest, true);
    }
    return missing;
  }

  /**
   * Writes a segment that counts from the switch on that names it.
   *
   * @param sources What goes into it, each digest once.
   * @param newest When the last of them was put at the latest.
   * @returns The segment's entry for the manifest.
   */
  async seal(sources: readonly SegmentSource[], newest: number): Promise<SegmentEntry> {
    const { fileSystem, layout } = this;
    const library = await this.#loadLibrary();
    const environment = { fileSystem, layout, library, pause: this.#pause, ...checkBag(layout) };
    const name = toSegmentName(this.#manifest.nextSegment);
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
    if (isNew) await this.#openFrontDoor(segments);
    const last = Math.max(0, ...segments.map(({ name }) => Number(name)));
    const nextSegment = Math.max(this.#manifest.nextSegment, last + 1);
    await commit(() => this.switch({ ...change, segments, nextSegment }));
    if (!isNew) await this.#openFrontDoor(segments);
    for (const { name } of old) this.#removeSegment(name);
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
    this.#manifest = { ...next, sealed };
    writeManifest(this.fileSystem, this.layout, this.#manifest);
  }

  async #openFrontDoor(segments: readonly SegmentEntry[]): Promise<void> {
    const library = await this.#loadLibrary();
    const names = segments.map(({ name }) => name);
    writeFrontDoor(this.fileSystem, this.layout, library, names);
  }

  #removeSegment(name: string): void {
    for (const path of [toSegmentPath(this.layout, name), toSegmentIndexPath(this.layout, name)]) {
      this.handles.close(path);
      removeIfThere(this.fileSystem, path);
    }
  }

  #loadLibrary(): Promise<Hdf5Access> {
    this.#library ??= this.#environment.loadLibrary();
    return this.#library;
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
