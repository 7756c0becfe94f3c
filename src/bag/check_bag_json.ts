import { checkBag, isBagJsonReadable, writeBagJson } from "./bag_json.ts";
import { listJournals, listNames } from "../disk/layout.ts";
import { StepReport } from "./step_report.ts";
import type { VerifyContext } from "./verify_context.ts";

/**
 * Checks `bag.json`. Of a bag that lost it, all else is as in any other: a repair writes it anew, as
 * that of a bag without compression. Arrays that are compressed stay so, as each segment tells how
 * to read it; what is sealed from then on is not compressed.
 *
 * @param context What all steps have in common.
 * @returns What was found.
 * @throws {BagFormatError} If the directory is not a bag, or one that this version cannot use.
 */
export function checkBagJson(
  { layout, fileSystem, quarantine }: Pick<VerifyContext, "layout" | "fileSystem" | "quarantine">,
): StepReport {
  const report = new StepReport("bag.json");
  report.checked++;
  const names = listNames(layout.root);
  const isBag = names.includes("manifest.json") || listNames(layout.segments).length > 0 ||
    listJournals(layout).length > 0;
  if (!isBag || isBagJsonReadable(layout)) {
    checkBag(layout);
    return report;
  }
  report.find({ file: "bag.json", problem: "it is missing or damaged" });
  if (quarantine === undefined) return report;
  if (quarantine.copy(layout.bagJson)) report.quarantined++;
  writeBagJson(fileSystem, layout, {});
  checkBag(layout);
  report.repairAll();
  return report;
}
