// Sweeps over a bag on a disk that gets full, makes room, and sweeps again, twice.
import { cacheScope, Executor, openBag, type QuiverWarning } from "@quiver/quiver";
import { samples } from "./tasks.ts";

interface Report {
  wrong: number;
  misses: number;
  readonly warnings: string[];
  thrown?: string;
}

const [disk = "", type = "inline"] = Deno.args;
const workerType = type === "web" ? "web" : "inline";
const filler = `${disk}/filler`;

async function sweep(report: Report): Promise<void> {
  await using bag = await openBag(`${disk}/bag`);
  await using executor = new Executor({ maxWorkers: 2, workerType });
  const onWarning = ({ message, cause }: QuiverWarning) => {
    const reason = cause instanceof Error ? `: ${cause.message}` : "";
    report.warnings.push(`${message}${reason}`.replace(/ \(os error.*/, ""));
  };
  await cacheScope({ cache: bag, onWarning }, async () => {
    const points = Array.from({ length: 40 }, (_, index) => index);
    const futures = points.map((x) => executor.submit(samples, x));
    for (const [x, future] of futures.entries()) {
      const array = await future;
      if (array.length !== 1000 || !array.every((sample) => sample === x)) report.wrong++;
    }
    report.misses = futures.filter(({ hit }) => !hit).length;
  });
}

async function tell(): Promise<void> {
  const report: Report = { wrong: 0, misses: 0, warnings: [] };
  try {
    await sweep(report);
  } catch (error) {
    report.thrown = String(error);
  }
  console.log(JSON.stringify(report));
}

await Deno.writeFile(filler, new Uint8Array(850_000));
await tell();
await Deno.remove(filler);
await tell();
await tell();
