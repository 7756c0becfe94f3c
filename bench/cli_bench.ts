// How long does `quiver` take to start, and to list many calls? deno run --allow-all bench/cli_bench.ts [--calls=1000000]
import { openBag } from "@quiver/quiver";
import { type Claim, claimTime, printClaims } from "./_claims.ts";
import { compare, type Contender } from "./_compare.ts";
import { fillWithCalls } from "./_large_bag.ts";

const CONFIG = new URL("../deno.json", import.meta.url).pathname;
const PROGRAM = new URL("../src/cli.ts", import.meta.url).pathname;

/** Compares programs from their start to their first output, or to their end, by the clock. */
export async function run(calls: number): Promise<Claim[]> {
  const folder = await Deno.makeTempDir({ prefix: "quiver_cli_bench_" });
  try {
    const empty = `${folder}/empty.ts`;
    await Deno.writeTextFile(empty, `console.log("started");\n`);
    const bag = `${folder}/large.bag`;
    {
      await using opened = await openBag(bag);
      await fillWithCalls(opened, calls);
    }
    const starts = await compare("Start", [
      toContender("nothing (baseline)", [empty], "end"),
      toContender("quiver --help", [PROGRAM, "--help"], "end"),
      toContender("quiver ls, first line", [PROGRAM, "ls", bag], "first"),
    ], { calls: 1, rounds: 7 });
    const [start] = starts;
    const lists = await compare(`List ${calls.toLocaleString("en")} calls`, [
      toContender("quiver ls, one call (baseline)", [PROGRAM, "ls", bag, "--limit", "1"], "end"),
      toContender("quiver ls", [PROGRAM, "ls", bag], "end"),
      toContender("quiver ls --json", [PROGRAM, "ls", bag, "--json"], "end"),
    ], { calls: 1, rounds: 3 });
    return [
      claimTime({ text: "quiver --help", name: "quiver --help", measured: starts }, 150),
      claimTime(
        { text: "first line of quiver ls", name: "quiver ls, first line", measured: starts },
        150 + (start?.time ?? 0),
      ),
      claimTime(
        { text: "all lines of quiver ls", name: "quiver ls", measured: lists },
        (start?.time ?? 0) + calls * 0.015,
      ),
    ];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function toContender(name: string, args: readonly string[], until: "first" | "end"): Contender {
  return {
    name,
    run: async () => {
      const begun = performance.now();
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "--allow-all", "--no-check", "--config", CONFIG, ...args],
        stdout: "piped",
        stderr: "inherit",
      }).spawn();
      let time: number | undefined;
      for await (const _ of child.stdout) {
        time ??= performance.now() - begun;
        // Nobody reads on, which ends it.
        if (until === "first") break;
      }
      const { success } = await child.status;
      if (!success || time === undefined) throw new Error(`Cannot measure ${name}: it failed`);
      return until === "first" ? time : performance.now() - begun;
    },
  };
}

if (import.meta.main) {
  const given = Deno.args.map((arg) => /^--calls=(\d+)$/.exec(arg)?.[1]).find(Boolean);
  printClaims(await run(Number(given ?? 1_000_000)));
}
