import { type FileSystem, isMissing, openIfThere, removeIfThere } from "./_file_system.ts";
import type { RebuiltIndex } from "./background_fold.ts";
import type { FoldResult } from "./bag_files.ts";
import { checkBag } from "./bag_json.ts";
import { sealCalls } from "./call_table.ts";
import { FileHandles } from "./file_handles.ts";
import { FoldLock } from "./fold_lock.ts";
import { writeFrontDoor } from "./front_door.ts";
import type { Hdf5Access } from "./hdf5_library.ts";
import {
  type BagLayout,
  listNames,
  toJournalPath,
  toSegmentIndexPath,
  toSegmentPath,
} from "./layout.ts";
import { clearLeases } from "./lease_lock.ts";
import { type Manifest, readManifest, writeManifest } from "./manifest.ts";
import { countKept } from "./merge_plan.ts";
import { readMerged } from "./merged_segments.ts";
import { rebuildIndexes } from "./rebuild_index.ts";
import { SealedValues } from "./sealed_values.ts";
import { removeJournal } from "./remove_journal.ts";
import { sealSegment } from "./seal_segment.ts";
import { readSegmentIndex } from "./segment_index.ts";
import {
  readUnsealed,
  toBatches,
  type UnsealedBatch,
  type UnsealedValues,
} from "./unsealed_values.ts";

/** The payload that a fold puts into one segment, in bytes. */
const SEGMENT_BYTES = 64 * 1024 * 1024;

/** How long a fold works before others may run, in milliseconds. */
const SLICE = 20;

const SEGMENT_NAME_LENGTH = 6;
const UNFINISHED_REGEXP = /^(bag\.json|manifest\.json|calls\.index|values\.h5)\..*\.tmp$/;

/** What a fold needs. */
export interface FoldEnvironment {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** Loads the HDF5 library; only called when there is something to write or read with it. */
  readonly loadLibrary: () => Promise<Hdf5Access>;
}

/**
 * Moves all that journals hold into sealed segments. Killed anywhere, it loses nothing, and the
 * next one starts over: what it wrote counts from the moment when the manifest is replaced.
 *
 * @param layout The bag's paths.
 * @param environment What a fold needs.
 * @returns What was done, or `undefined` when another folds.
 */
export async function foldBag(
  layout: BagLayout,
  environment: FoldEnvironment,
): Promise<FoldResult | undefined> {
  using lock = FoldLock.tryTake(environment.fileSystem, layout);
  if (lock === undefined) return undefined;
  using handles = new FileHandles();
  return await new Fold(layout, environment, handles).run();
}

/**
 * Makes tables again that are missing or damaged, and the front door if it is missing.
 *
 * @param layout The bag's paths.
 * @param environment What a fold needs.
 * @param write Whether files are written.
 * @returns The tables.
 */
export async function rebuildBag(
  layout: BagLayout,
  environment: FoldEnvironment,
  write: boolean,
): Promise<RebuiltIndex[]> {
  const { fileSystem } = environment;
  using _lock = write ? await FoldLock.take(fileSystem, layout) : undefined;
  const library = await environment.loadLibrary();
  return rebuildIndexes({ fileSystem, layout, library }, readManifest(layout), write);
}

class Fold {
  readonly #layout: BagLayout;
  readonly #fileSystem: FileSystem;
  readonly #environment: FoldEnvironment;
  readonly #handles: FileHandles;
  readonly #pause = createPause();
  #library: Promise<Hdf5Access> | undefined;
  #manifest: Manifest;

  constructor(layout: BagLayout, environment: FoldEnvironment, handles: FileHandles) {
    this.#layout = layout;
    this.#fileSystem = environment.fileSystem;
    this.#environment = environment;
    this.#handles = handles;
    this.#manifest = readManifest(layout);
  }

  async run(): Promise<FoldResult> {
    this.#clearUnfinished();
    await this.#rebuild();
    const sealed = new SealedValues(this.#layout, this.#handles);
    sealed.load(this.#manifest);
    const unsealed = readUnsealed(this.#layout, this.#handles, this.#manifest);
    let values = 0;
    let bytes = 0;
    const batches = toBatches(
      this.#layout,
      this.#handles,
      unsealed,
      SEGMENT_BYTES,
      (digest) => sealed.read(digest) !== undefined,
    );
    for (const batch of batches) {
      await this.#seal(batch);
      sealed.load(this.#manifest);
      values += batch.sources.length;
      bytes += batch.sources.reduce((sum, source) => sum + source.length, 0);
    }
    const journals = this.#removeJournals(unsealed);
    this.#sealCalls();
    clearLeases(this.#fileSystem, this.#layout);
    return { values, bytes, journals };
  }

  /** Removes what a fold left that was killed. Its segments are those that no manifest names. */
  #clearUnfinished(): void {
    const { root, segments } = this.#layout;
    const live = new Set(
      this.#manifest.segments.flatMap(({ name }) => [`${name}.h5`, `${name}.index`]),
    );
    for (const name of listNames(root)) {
      if (UNFINISHED_REGEXP.test(name)) removeIfThere(this.#fileSystem, `${root}/${name}`);
    }
    for (const name of listNames(segments)) {
      if (!live.has(name)) removeIfThere(this.#fileSystem, `${segments}/${name}`);
    }
  }

  async #rebuild(): Promise<void> {
    const missing = this.#manifest.segments.some(({ name }) =>
      readSegmentIndex(this.#layout, name) === undefined
    );
    const { segments } = this.#manifest;
    if (!missing && (segments.length === 0 || !isMissing(this.#layout.frontDoor))) return;
    const environment = {
      fileSystem: this.#fileSystem,
      layout: this.#layout,
      library: await this.#loadLibrary(),
    };
    rebuildIndexes(environment, this.#manifest, true);
  }

  async #seal({ sources, sealed }: UnsealedBatch): Promise<void> {
    const { segments, sealed: before } = this.#manifest;
    const ends = { ...before, ...Object.fromEntries(sealed) };
    if (sources.length === 0) {
      if (Object.entries(ends).some(([name, end]) => before[name] !== end)) {
        this.#switch({ sealed: ends });
      }
      return;
    }
    const bytes = sources.reduce((sum, source) => sum + source.length, 0);
    const kept = countKept(segments, bytes, sources.length);
    const merged = readMerged(this.#layout, this.#handles, segments.slice(kept), sources);
    const library = await this.#loadLibrary();
    const environment = {
      fileSystem: this.#fileSystem,
      layout: this.#layout,
      library,
      pause: this.#pause,
      ...checkBag(this.#layout),
    };
    const name = `${this.#manifest.nextSegment}`.padStart(SEGMENT_NAME_LENGTH, "0");
    const entry = await sealSegment(environment, name, [...merged.sources, ...sources]);
    const live = [...segments.slice(0, kept), ...merged.unreadable, entry];
    writeFrontDoor(this.#fileSystem, this.#layout, library, live.map((segment) => segment.name));
    this.#switch({
      segments: live,
      sealed: ends,
      nextSegment: this.#manifest.nextSegment + 1,
    });
    for (const old of merged.names) this.#removeSegment(old);
  }

  #switch(change: Partial<Manifest>): void {
    const there = new Set(listNames(this.#layout.journals));
    const next = { ...this.#manifest, ...change, generation: this.#manifest.generation + 1 };
    const sealed = Object.fromEntries(
      Object.entries(next.sealed).filter(([name]) => there.has(name)),
    );
    this.#manifest = { ...next, sealed };
    writeManifest(this.#fileSystem, this.#layout, this.#manifest);
  }

  #removeSegment(name: string): void {
    for (
      const path of [toSegmentPath(this.#layout, name), toSegmentIndexPath(this.#layout, name)]
    ) {
      this.#handles.close(path);
      removeIfThere(this.#fileSystem, path);
    }
  }

  #removeJournals(unsealed: UnsealedValues): number {
    let removed = 0;
    for (const [name, end] of unsealed.ends) {
      const path = toJournalPath(this.#layout, name);
      this.#handles.close(path);
      if (removeJournal(this.#fileSystem, path, end)) removed++;
    }
    return removed;
  }

  #sealCalls(): void {
    using log = openIfThere(this.#layout.callLog);
    if (log === undefined) return;
    sealCalls(this.#fileSystem, this.#layout, log, this.#manifest.logGeneration);
  }

  #loadLibrary(): Promise<Hdf5Access> {
    this.#library ??= this.#environment.loadLibrary();
    return this.#library;
  }
}

/** Makes what gives way to others now and then: a worker that never does cannot be terminated. */
function createPause(): () => Promise<void> {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < SLICE) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    since = performance.now();
  };
}
