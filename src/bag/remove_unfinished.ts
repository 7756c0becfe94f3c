import { BagCorruptError } from "../base/errors.ts";
import { type FileSystem, isMissing, removeIfThere } from "../disk/file_system.ts";
import { type BagLayout, listEntries } from "../disk/layout.ts";
import type { Manifest } from "./manifest.ts";

const UNFINISHED_REGEXP = /^(bag\.json|manifest\.json|calls\.(index|jsonl)|values\.h5)\..*\.tmp$/;
const SEGMENT_FILE_REGEXP = /^(\d+)\.(?:h5|index)(\..*\.tmp)?$/;

/** A file in `segments/` that no manifest names. */
export interface UnnamedFile {
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
 * @param layout The bag's paths.
 * @returns The paths of files beside the segments that never got their name.
 */
export function listUnfinished(layout: BagLayout): string[] {
  return listEntries(layout.root)
    .filter((entry) => entry.isFile && UNFINISHED_REGEXP.test(entry.name))
    .map((entry) => `${layout.root}/${entry.name}`);
}

/**
 * Lists the files of segments that are not live: what a killed fold wrote before its switch or had
 * to remove after it. Files that are none of ours, links and directories are left out.
 *
 * @param layout The bag's paths.
 * @param manifest What is live.
 * @returns The files.
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
 * The front door may lead to them, so it is made anew while they are still there. On a full disk
 * that fails, and their space is given back all the same; their tables stay until the door is right,
 * and remind the next fold of it.
 *
 * @param fileSystem The seam.
 * @param layout The bag's paths.
 * @param manifest What is live.
 * @param openFrontDoor Makes the front door anew.
 * @throws {BagCorruptError} If there are segments that are newer than the manifest: then it is an old
 * copy, and what looks like left over may be all that there is of some values.
 */
export async function removeUnfinished(
  fileSystem: FileSystem,
  layout: BagLayout,
  manifest: Manifest,
  openFrontDoor: () => Promise<void>,
): Promise<void> {
  const unnamed = listUnnamed(layout, manifest);
  const newer = unnamed.find(({ segment }) => Number(segment) > manifest.nextSegment);
  if (newer !== undefined) {
    throw new BagCorruptError(
      `Cannot fold "${layout.root}": "${newer.path}" is newer than the manifest, which is an old ` +
        "copy; repair the bag with verifyBag(path, { repair: true })",
      layout.manifest,
      0,
    );
  }
  const remove = (paths: readonly string[]) => {
    for (const path of paths) removeIfThere(fileSystem, path);
  };
  const toPaths = (files: readonly UnnamedFile[]) => files.map(({ path }) => path);
  const complete = unnamed.filter(({ complete }) => complete);
  remove([...listUnfinished(layout), ...toPaths(unnamed.filter(({ complete }) => !complete))]);
  try {
    if (complete.length > 0 && !isMissing(layout.frontDoor)) await openFrontDoor();
  } finally {
    remove(toPaths(complete).filter((path) => path.endsWith(".h5")));
  }
  remove(toPaths(complete));
}
