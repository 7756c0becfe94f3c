import { QuiverError } from "../errors.ts";
import { openIfThere } from "./_file_system.ts";
import { PositionedFile } from "./_positioned_fs.ts";
import type { Hdf5Input } from "./hdf5_library.ts";
import type { Manifest } from "./manifest.ts";
import { StepReport } from "./step_report.ts";
import type { VerifyContext } from "./verify_context.ts";

/**
 * Checks that `values.h5` leads to the live segments and to no others.
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
  const problem = file === undefined
    ? "it is missing"
    : findProblem(() => library.open(new PositionedFile(fileSystem, file)), manifest);
  if (problem === undefined) return report;
  report.find({ file: "values.h5", problem });
  if (quarantine?.copy(layout.frontDoor)) report.quarantined++;
  return report;
}

function findProblem(open: () => Hdf5Input, manifest: Manifest): string | undefined {
  try {
    const input = open();
    try {
      return findWrongLink(input, manifest);
    } finally {
      input.close();
    }
  } catch (error) {
    if (error instanceof QuiverError || error instanceof RangeError) {
      return "it cannot be read as HDF5";
    }
    throw error;
  }
}

function findWrongLink(input: Hdf5Input, manifest: Manifest): string | undefined {
  const names = new Set(input.names("/segments"));
  for (const { name } of manifest.segments) {
    if (!names.delete(name)) return `it does not lead to segment ${name}`;
    const { file, target } = input.readExternalLink(`/segments/${name}`);
    if (file !== `segments/${name}.h5` || target !== "/values") {
      return `it leads to "${target}" of "${file}" in place of segment ${name}`;
    }
  }
  const [other] = names;
  return other === undefined ? undefined : `it leads to "${other}", which is not live`;
}
