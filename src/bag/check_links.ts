import { type BagLayout, listEntries } from "../disk/layout.ts";
import { StepReport } from "./step_report.ts";
import { toRelative, type VerifyContext } from "./verify_context.ts";

/**
 * Looks for what has the name of a file of the bag and is none: links, directories, pipes. The bag
 * never follows them. A repair moves the link itself, and what it leads to is left alone.
 *
 * @param context What all steps have in common.
 * @returns What was found.
 */
export function checkLinks(
  { layout, quarantine }: Pick<VerifyContext, "layout" | "quarantine">,
): StepReport {
  const report = new StepReport("links");
  for (const { path, isFile } of listOwn(layout)) {
    report.checked++;
    if (isFile) continue;
    report.find({ file: toRelative(layout, path), problem: "it is a link or no file at all" });
    if (quarantine === undefined) continue;
    quarantine.move(path);
    report.quarantined++;
    report.repaired++;
  }
  return report;
}

function listOwn(layout: BagLayout): { path: string; isFile: boolean }[] {
  const { root, segments, journals, leases, locks } = layout;
  const files = [
    layout.bagJson,
    layout.manifest,
    layout.callLog,
    layout.callIndex,
    layout.frontDoor,
    layout.foldLock,
    layout.callsLock,
  ];
  return [root, segments, journals, leases, locks].flatMap((directory) =>
    listEntries(directory)
      .map(({ name, isFile }) => ({ path: `${directory}/${name}`, isFile }))
      .filter(({ path }) => directory !== root && directory !== locks || files.includes(path))
  );
}
