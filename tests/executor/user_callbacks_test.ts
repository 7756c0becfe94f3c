// end-to-end: what a user's callback throws, or rejects with, is a warning, and neither ends nor costs anything
import { assertEquals } from "@std/assert";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";

leaveNothing();

const PROGRAM = new URL("./testdata/throwing_callbacks.ts", import.meta.url);

/** How a callback is given, and what is warned of then. */
const WARNINGS: { readonly [how: string]: readonly string[] } = {
  "progress of a map": ["Cannot tell who follows a map: its `start` threw; calls go on"],
  "progress of a map in chunks": ["Cannot tell who follows a map: its `start` threw; calls go on"],
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

for (const kind of WORKER_TYPES) {
  for (const [how, warnings] of Object.entries(WARNINGS)) {
    Deno.test(`${kind}: ${how} that throws or rejects is warned of once, and ends nothing`, async () => {
      // Where it runs does not matter to what a promise does.
      const ways = kind === "inline" ? ["throw", "reject"] : ["throw"];
      const runs = ways.map(async (way) => {
        const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: ["run", "--allow-all", "--no-check", PROGRAM.href, kind, how, way],
          env: { NO_COLOR: "1" },
        }).output();
        const decoder = new TextDecoder();
        const text = decoder.decode(stderr);
        const found = text.split("\n").filter((line) => line.startsWith("Warning: "));
        const said = found.map((line) =>
          warnings.find((warning) => line.startsWith(`Warning: ${warning}`)) ?? line
        );
        // Whichever of two was first.
        return [code, decoder.decode(stdout), said.toSorted(), code === 0 ? "" : text];
      });
      const expected = [0, "[[1,2,3],true]\n", warnings.toSorted(), ""];
      assertEquals(await Promise.all(runs), ways.map(() => expected));
    });
  }
}
