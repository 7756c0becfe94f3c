// Makes calls in a bag, takes the right to write to it from itself, makes more, gets it back, and makes
// the rest; prints what came of each. Argument: the bag.
import { cacheScope, openBag, type QuiverWarning } from "@quiver/quiver";
import { samples } from "./tasks.ts";

const CALLS = 30;

const [path = ""] = Deno.args;

/** Lets the user write to all of the bag, or to nothing. */
function permit(directory: string, writes: boolean): void {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    if (isDirectory) permit(`${directory}/${name}`, writes);
    else Deno.chmodSync(`${directory}/${name}`, writes ? 0o644 : 0o444);
  }
  Deno.chmodSync(directory, writes ? 0o755 : 0o555);
}

{
  await using bag = await openBag(path, { journalBytes: 64 * 1024, fold: "manual" });
  const make = async (first: number) => {
    const report = { wrong: 0, warnings: new Set<string>(), fold: "", known: 0 };
    const onWarning = ({ message, cause }: QuiverWarning) => {
      const name = cause instanceof Error ? cause.name : "";
      report.warnings.add(`${message}: ${name}`);
    };
    await cacheScope({ cache: bag, onWarning }, async () => {
      for (let x = first; x < first + CALLS; x++) {
        const array = await samples(x);
        if (array.length !== 1000 || !array.every((sample) => sample === x)) report.wrong++;
      }
    });
    try {
      await bag.fold();
    } catch (error) {
      report.fold = String(error);
    }
    // Those of before are known all the while.
    for (let x = 0; x < first + CALLS; x++) {
      if (await bag.contains(await samples.digest(x))) report.known++;
    }
    console.log(JSON.stringify({ ...report, warnings: [...report.warnings] }));
  };
  await make(0);
  permit(path, false);
  await make(CALLS);
  permit(path, true);
  await make(0);
  await make(CALLS);
}
