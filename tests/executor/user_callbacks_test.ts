// end-to-end: what a user's callback throws, or rejects with, is a warning, and neither ends nor costs anything
import { assertEquals } from "@std/assert";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";

leaveNothing();

const PROGRAM = new URL("./testdata/throwing_callbacks.ts", import.meta.url);

const IN_CHUNKS = "progress of a map in chunks";

/** How a callback is given, and what is warned of then. */
const WARNINGS: { readonly [how: string]: readonly string[] } = {
  "progress of a map": ["Cannot tell who follows a map: its `start` threw; calls go on"],
  [IN_CHUNKS]: ["Cannot tell who follows a map: its `start` threw; calls go on"],
  "onDone": ['Cannot tell who follows "work": what `onDone` was given threw'],
  "output": ["Cannot tell who takes what tasks print: its `output` threw; calls go on"],
  "output in a strict scope": [
    "Cannot tell who takes what tasks print: its `output` threw; calls go on",
  ],
  "observer": ["Cannot tell the executor's observer: its `queued` threw; calls go on"],
  "onWarning of an executor": [
    "Cannot tell the executor's observer: its `queued` threw; calls go on",
    "`onWarning` threw when it was told of a warning",
    "Cannot tell who takes what tasks print: its `output` threw; calls go on",
  ],
  "onWarning of a scope": [
    'Cannot remember a call of "work": an argument has no digest; the call runs anyway',
    "`onWarning` threw when it was told of a warning",
  ],
  "validate of a task": [
    'Cannot validate a result of "judged": `validate` threw; the call runs',
  ],
  "progress of a check": [
    "Cannot tell who follows the check of a bag: its `update` threw; calls go on",
  ],
  "a permit that nobody needs": ["Cannot give a permit back that nobody needs any more"],
};

/** What a program is told once stays so to its end: two ways of which the same is said need two. */
const PROGRAMS = [
  Object.keys(WARNINGS).filter((how) => how !== IN_CHUNKS),
  [IN_CHUNKS],
];

/** What a program with such callbacks has warned of, by the way in which each was given. */
async function run(kind: string, way: string, hows: readonly string[]): Promise<unknown[]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", PROGRAM.href, kind, way, ...hows],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stderr);
  assertEquals([code, decoder.decode(stdout)], [0, "[[1,2,3],true]\n".repeat(hows.length)], text);
  return text.split(/^== /m).slice(1).map((part) => {
    const [how = "", ...lines] = part.split("\n");
    const warnings = lines.filter((line) => line.startsWith("Warning: "));
    const said = warnings.map((line) =>
      WARNINGS[how]?.find((warning) => line.startsWith(`Warning: ${warning}`)) ?? line
    );
    // Whichever of two was first.
    return [how, said.toSorted()];
  });
}

for (const kind of WORKER_TYPES) {
  // Where it runs does not matter to what a promise does.
  for (const way of kind === "inline" ? ["throw", "reject"] : ["throw"]) {
    Deno.test(`${kind}: callbacks that ${way} are warned of once each, and end nothing`, async () => {
      const found = await Promise.all(PROGRAMS.map((hows) => run(kind, way, hows)));
      const expected = PROGRAMS.map((hows) => hows.map((how) => [how, WARNINGS[how]?.toSorted()]));
      assertEquals(found, expected);
    });
  }
}
