import { verifyBag, type VerifyReport, type VerifyStep } from "../../caches.ts";
import { type CommandModule, UsageError } from "../command.ts";
import { toCount, toSize } from "../format.ts";
import { findBag, note } from "../open_cache.ts";
import { printRows } from "../print_rows.ts";
import { toSafeLine } from "../safe_text.ts";
import { writeJson } from "../terminal.ts";

interface VerifyOptions {
  readonly repair?: boolean;
  readonly digests?: boolean;
  readonly signingKey?: string;
  readonly json?: boolean;
}

/** Checks a bag. */
export const command: CommandModule<VerifyOptions> = {
  takesCache: true,
  examples: [
    ["verify results.bag", "reads all of it, and ends with 1 if something is damaged"],
    ["verify results.bag --repair", "repairs it; damaged files are kept in quarantine/"],
  ],
  configure(command) {
    command
      .option("--repair", "repair what is damaged; calls without a whole result are forgotten")
      .option("--digests", "compute the digest of each value again, which takes longer")
      .option("--signing-key <variable>", "the environment variable with the key of a signed bag")
      .option("--json", "as one line of JSON");
  },
  async run(call) {
    const { terminal, options } = call;
    const { repair = false, digests = false, signingKey, json = false, quiet } = options;
    if (options.cache !== undefined) {
      throw new UsageError("Cannot verify a cache by its name: name a bag");
    }
    const shows = terminal.showsProgress && quiet !== true;
    const update = ({ name }: VerifyStep) => terminal.writeError(`checked ${name}\n`);
    const report = await verifyBag(findBag(call), {
      repair,
      digests,
      ...(signingKey !== undefined && { signingKey: { environment: signingKey } }),
      ...(shows && { progress: { update } }),
    });
    if (json) writeJson(terminal, JSON.stringify(report));
    else if (quiet !== true || !report.sound) terminal.write(describe(report));
    if (!json && quiet !== true) {
      printRows(terminal, COLUMNS, report.steps.map(toRow));
      if (!report.sound && !repair) note(call, "Repair it with --repair");
    }
    return report.sound ? 0 : 1;
  },
};

const right = true;
const COLUMNS = [
  { name: "step" },
  { name: "checked", right },
  { name: "size", right },
  { name: "unfinished", right },
  { name: "problems", right },
  { name: "repaired", right },
  { name: "quarantined", right },
];

function toRow(step: VerifyStep): string[] {
  const { name, checked, bytes, unfinished, problems, repaired, quarantined } = step;
  const toCell = (count: number) => count === 0 ? "" : String(count);
  return [
    name,
    String(checked),
    bytes === 0 ? "" : toSize(bytes),
    ...[unfinished, problems, repaired, quarantined].map(toCell),
  ];
}

function describe({ path, sound, missed, quarantine, steps }: VerifyReport): string {
  const findings = steps.flatMap(({ name, findings }) =>
    findings.map(({ file, offset, problem }) => {
      const place = offset === undefined ? file : `${file} at ${offset}`;
      return `${name}: ${toSafeLine(place)}: ${toSafeLine(problem)}\n`;
    })
  );
  const lost = missed === 0 ? "" : `; ${toCount(missed, "call")} will run again`;
  const kept = quarantine === undefined ? "" : `; what was damaged is in ${toSafeLine(quarantine)}`;
  return `${findings.join("")}${toSafeLine(path)} is ${
    sound ? "sound" : "unsound"
  }${lost}${kept}\n`;
}
