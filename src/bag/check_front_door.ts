import { QuiverError } from "../base/errors.ts";
import { isMissing, openIfThere } from "../disk/file_system.ts";
import { PositionedFile } from "./_positioned_fs.ts";
import type { Hdf5Input } from "./hdf5_library.ts";
import { type BagLayout, toSegmentIndexPath, toSegmentPath } from "../disk/layout.ts";
import type { Manifest } from "./manifest.ts";
import { StepReport } from "./step_report.ts";
import type { VerifyContext } from "./verify_context.ts";

/** What `values.h5` says: of what is live, of what a killed fold left, or something that is wrong. */
type Door =
  | { readonly state: "sound" }
  | { readonly state: "unfinished" }
  | { readonly state: "wrong"; readonly problem: string };

/**
 * Checks that `values.h5` leads to the live segments and to no others.
 *
 * A program that is killed beside a switch of the manifest leaves a door that leads to segments of
 * the other side, which are whole, and there until the next fold removes them and makes the door anew.
 *
 * @param context What all steps have in common.
 * @param manifest What is live.
 * @returns What was found; whoever repairs writes it anew.
 */
export function checkFrontDoor(context: VerifyContext, manifest: Manifest): StepReport {
  const { layout, fileSystem, library, quarantine } = context;
  const report = new StepReport("front door");
  using file = openIfThere(layout.frontDoor);
  if (file === undefined && manifest.segments.length === 0) return report;
  report.checked++;
  const door: Door = file === undefined
    ? { state: "wrong", problem: "it is missing" }
    : readDoor(() => library.open(new PositionedFile(fileSystem, file)), layout, manifest);
  if (door.state === "unfinished") report.unfinished++;
  if (door.state !== "wrong") return report;
  report.find({ file: "values.h5", problem: door.problem });
  if (quarantine?.copy(layout.frontDoor)) report.quarantined++;
  return report;
}

function readDoor(open: () => Hdf5Input, layout: BagLayout, manifest: Manifest): Door {
  try {
    const input = open();
    try {
      return compareLinks(input, layout, manifest);
    } finally {
      input.close();
    }
  } catch (error) {
    if (error instanceof QuiverError || error instanceof RangeError) {
      return { state: "wrong", problem: "it cannot be read as HDF5" };
    }
    throw error;
  }
}

function compareLinks(input: Hdf5Input, layout: BagLayout, manifest: Manifest): Door {
  const names = input.names("/segments");
  for (const name of names) {
    const { file, target } = input.readExternalLink(`/segments/${name}`);
    if (file === `segments/${name}.h5` && target === "/values") continue;
    const problem = `it leads to "${target}" of "${file}" in place of segment ${name}`;
    return { state: "wrong", problem };
  }
  const live = new Set(manifest.segments.map(({ name }) => name));
  const others = names.filter((name) => !live.has(name));
  // Where the door could not be made anew, the table is what stays (`remove_unfinished.ts`).
  const gone = others.find((name) =>
    isMissing(toSegmentPath(layout, name)) && isMissing(toSegmentIndexPath(layout, name))
  );
  if (gone !== undefined) {
    return { state: "wrong", problem: `it leads to "${gone}", which is not live` };
  }
  if (others.length > 0) return { state: "unfinished" };
  const [missed] = live.difference(new Set(names));
  if (missed === undefined) return { state: "sound" };
  return { state: "wrong", problem: `it does not lead to segment ${missed}` };
}
