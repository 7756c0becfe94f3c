// contract: what `quiver` prints is `testdata/golden.txt`, which running this file writes anew
import { assertEquals } from "@std/assert";
import { openBag } from "@quiver/quiver";
import { query } from "@quiver/quiver/caches";
import { fillBag, Folder, quiver, toStable } from "./_cli.ts";

const GOLDEN = new URL("./testdata/golden.txt", import.meta.url);

const CALLS = [
  ["--help"],
  ["help", "rm"],
  ["ls"],
  ["ls", "wave", "--results"],
  ["ls", "nothing"],
  ["stats"],
  ["du"],
  ["tail", "--no-follow"],
  ["rm", "--task", "area"],
  ["gc"],
  ["lss"],
];

/** A moment that looks the same in every time zone. */
const STARTED = new Date(2026, 0, 2, 3, 4, 5).getTime();

async function print(): Promise<string> {
  await using _ = new Folder();
  {
    await using bag = await openBag("results.bag", { fold: "manual" });
    await fillBag(bag);
    await query(bag, { state: "failed" }).evict();
    // With times and durations that are always the same.
    const records = await Array.fromAsync(query(bag));
    for (const [index, record] of records.entries()) {
      await bag.putRecord({ ...record, started: STARTED + 1000 * index, duration: 10 ** index });
    }
  }
  const printed: string[] = [];
  for (const args of CALLS) {
    for (const width of [80, 200, undefined]) {
      const { code, out, err } = await quiver(
        args,
        width === undefined ? {} : { width, answer: "n" },
      );
      printed.push(`$ quiver ${args.join(" ")} (${width ?? "no terminal"}; ${code})\n${out}${err}`);
    }
  }
  return toStable(printed.join("\n"));
}

if (import.meta.main) await Deno.writeTextFile(GOLDEN, await print());

Deno.test("quiver prints what it did before, at 80 and 200 columns and without a terminal", async () => {
  assertEquals(await print(), await Deno.readTextFile(GOLDEN));
});
