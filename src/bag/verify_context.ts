import type { FileHandles, FileSystem } from "../disk/file_system.ts";
import type { Hdf5Access } from "./hdf5_library.ts";
import type { BagLayout } from "../disk/layout.ts";
import type { Quarantine } from "./quarantine.ts";
import type { StepReport } from "./step_report.ts";

/** What all steps of a check have in common. */
export interface VerifyContext {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** The bag's paths. */
  readonly layout: BagLayout;
  /** The HDF5 library. */
  readonly library: Hdf5Access;
  /** Where open files are kept. */
  readonly handles: FileHandles;
  /** Where damaged files go, if they are to be put aside at all. */
  readonly quarantine: Quarantine | undefined;
  /** Called between two things that are checked; throws when the check is to end. */
  readonly pause: (step: StepReport) => Promise<void>;
}

/**
 * Names a file as findings do.
 *
 * @param layout The bag's paths.
 * @param path The file's path.
 * @returns The path relative to the bag.
 */
export function toRelative(layout: BagLayout, path: string): string {
  return path.slice(layout.root.length + 1);
}
