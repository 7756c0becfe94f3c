// end-to-end: thousands of calls with random faults, and what they leave behind in their program
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";
import type { StormEnd } from "./testdata/storm_main.ts";

leaveNothing();

/** What a storm may leave in the heap, in bytes; one worker that is kept is 30,000. */
const HEAP_LIMIT = 1e6;

async function runStorm(workerType: string, calls: number): Promise<StormEnd> {
  const main = new URL("./testdata/storm_main.ts", import.meta.url).href;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--v8-flags=--expose-gc", main, workerType, `${calls}`, "1"],
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(120_000),
  }).output();
  const decoder = new TextDecoder();
  assertEquals([code, decoder.decode(stderr)], [0, ""]);
  return JSON.parse(decoder.decode(stdout));
}

for (
  const [workerType, calls] of [["web", 10_000], ["process", 2000], ["inline", 10_000]] as const
) {
  Deno.test(`${workerType}: ${calls} calls of which 1 % fail all settle, and nothing is left`, async () => {
    const { endings, wrong, workers, heap, locks, children } = await runStorm(workerType, calls);
    assertEquals(wrong, []);
    assertEquals(Object.values(endings).reduce((sum, count) => sum + count), calls);
    const { value = 0, ...failures } = endings;
    assertGreater(value, 0.98 * calls);
    for (const ending of ["RangeError", "UnclonableError", "DeadlineError"]) {
      assert(failures[ending] !== undefined, `no call ended with ${ending}`);
    }
    assertEquals(failures["WorkerDiedError"] === undefined, workerType === "inline");
    assertEquals({ workers, locks, children }, { workers: 0, locks: [], children: [] });
    assertLess(heap, HEAP_LIMIT);
  });
}
