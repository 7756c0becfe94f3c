// end-to-end: thousands of calls with random faults, and what they leave behind in their program
import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";
import { together } from "../together.ts";
import type { StormEnd } from "./testdata/storm_main.ts";

leaveNothing();

/** What a storm may leave in the heap, in bytes; one worker that is kept is 30,000. */
const HEAP_LIMIT = 1e6;

async function runStorm(
  workerType: string,
  calls: number,
  { stops = 0, busy = 0 } = {},
): Promise<StormEnd> {
  const main = new URL("./testdata/storm_main.ts", import.meta.url).href;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--v8-flags=--expose-gc",
      main,
      ...[workerType, calls, 1, stops, busy].map(String),
    ],
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(300_000),
  }).output();
  const decoder = new TextDecoder();
  assertEquals([code, decoder.decode(stderr)], [0, ""]);
  return JSON.parse(decoder.decode(stdout));
}

/** A storm without anything else, after which nothing is left. */
function calm(workerType: string, calls: number) {
  return async () => {
    const { endings, wrong, workers, heap, locks, children } = await runStorm(workerType, calls);
    assertEquals(wrong, []);
    assertEquals(Object.values(endings).reduce((sum, count) => sum + count), calls);
    const { value = 0, left = 0, ...failures } = endings;
    assertGreater(value + left, 0.98 * calls);
    for (const ending of ["RangeError", "UnclonableError", "DeadlineError"]) {
      assert(failures[ending] !== undefined, `no call ended with ${ending}`);
    }
    assertEquals(failures["WorkerDiedError"] === undefined, workerType === "inline");
    assertEquals({ workers, locks, children }, { workers: 0, locks: [], children: [] });
    assertLess(heap, HEAP_LIMIT);
  };
}

/** A storm while workers stop and the main thread is busy, which is rest most of the time. */
function rough(workerType: string) {
  return async () => {
    const limits = { stops: 2, busy: 4 };
    const { endings, wrong, workers, locks, children } = await runStorm(workerType, 2000, limits);
    assertEquals(wrong, []);
    assertEquals(Object.values(endings).reduce((sum, count) => sum + count), 2000);
    assertEquals({ workers, locks, children }, { workers: 0, locks: [], children: [] });
  };
}

// Elsewhere it cannot be told whether a number is still that of an own process.
const roughOnes = Deno.build.os === "linux"
  ? {
    "web, while workers stop": rough("web"),
    "process, while workers stop": rough("process"),
  }
  : {};

Deno.test("thousands of calls of which 1 % fail all settle, and nothing is left", () =>
  together({
    "web": calm("web", 10_000),
    "process": calm("process", 2000),
    "inline": calm("inline", 10_000),
    ...roughOnes,
  }));
