// End-to-end: calls that wait for one another, in one isolate, on workers and in two processes.
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { cacheScope, createMemoryCache, DeadlockError, Executor, openBag } from "@quiver/quiver";
import { Folder } from "./_folder.ts";
import { Program } from "./_program.ts";
import { indirect, readRuns, ring, tolerant } from "./testdata/tasks.ts";

/** What `testdata/submit.ts` prints of a call. */
interface Ended {
  readonly value?: string;
  readonly deadlock?: string;
  readonly cycle?: readonly { readonly task: string; readonly key: string }[];
  readonly error?: string;
}

function submit(folder: Folder, workers: number, ...calls: unknown[][]): Program {
  const texts = calls.map((call) => JSON.stringify([...call, folder.traces]));
  return new Program("submit", [folder.bag, `${workers}`, ...texts]);
}

async function readEnded(...programs: Program[]): Promise<Ended[]> {
  const lines = await Promise.all(programs.map((program) => program.rest()));
  return lines.flat().map((line): Ended => JSON.parse(line));
}

Deno.test("DeadlockError tells calls of one isolate that they wait for one another", async () => {
  for (const size of [2, 5]) {
    using folder = new Folder();
    await cacheScope({ cache: createMemoryCache() }, async () => {
      const futures = Array.from({ length: size }, (_, n) => ring(n, size, folder.traces));
      const outcomes = await Promise.allSettled(futures);
      for (const outcome of outcomes) {
        assert(outcome.status === "rejected" && outcome.reason instanceof DeadlockError);
        assertEquals(outcome.reason.cycle.length, size);
        assertEquals(new Set(outcome.reason.cycle.map(({ key }) => key)).size, size);
      }
    });
  }
});

Deno.test("DeadlockError fails one call of a cycle, and the others go on", async () => {
  using folder = new Folder();
  await cacheScope({ cache: createMemoryCache() }, async () => {
    const results = await Promise.all([0, 1, 2].map((n) => tolerant(n, 3, folder.traces)));
    assertEquals(readRuns(folder.traces), ["tolerant,tolerant,tolerant"]);
    assertEquals(results.filter((result) => result.split(" ").length === 1).length, 1);
    assertEquals(results.map((result) => result.split(" ").length).sort(), [1, 2, 3]);
  });
});

Deno.test("DeadlockError names the calls of a recursion", async () => {
  using folder = new Folder();
  await cacheScope({ cache: createMemoryCache() }, async () => {
    const error = await assertRejects(() => ring(0, 1, folder.traces), DeadlockError);
    assertMatch(error.message, /"ring" \([0-9a-f]{8}\) → "ring"/);
    assertEquals(error.cycle.map(({ task }) => task), ["ring"]);
  });
});

Deno.test("DeadlockError tells calls on workers that they wait for one another", async () => {
  using folder = new Folder();
  await using bag = await openBag(folder.bag, { fold: "manual" });
  await using executor = new Executor({ maxWorkers: 3 });
  await cacheScope({ cache: bag, strict: true }, async () => {
    const futures = [0, 1, 2].map((n) => executor.submit(tolerant, n, 3, folder.traces));
    const lengths = (await Promise.all(futures)).map((result) => result.split(" ").length);
    assertEquals(lengths.sort(), [1, 2, 3]);
    assertEquals(readRuns(folder.traces), ["tolerant,tolerant,tolerant"]);
  });
});

Deno.test("DeadlockError tells calls in two processes that they wait for one another", async () => {
  using folder = new Folder();
  await using first = submit(folder, 1, ["ring", 0, 2]);
  await using second = submit(folder, 1, ["ring", 1, 2]);
  const ended = await readEnded(first, second);
  assertEquals(ended.length, 2);
  // Neither can end well: each needs the other. But each ends, and says why.
  for (const { deadlock, cycle } of ended) {
    assertMatch(deadlock ?? "", /"ring" \([0-9a-f]{8}\) → "ring" \([0-9a-f]{8}\) → "ring"/);
    assertEquals(cycle?.map(({ task }) => task), ["ring", "ring"]);
  }
});

Deno.test("DeadlockError fails one call of a cycle of five on the workers of two processes", async () => {
  using folder = new Folder();
  await using first = submit(folder, 3, ["tolerant", 0, 5], ["tolerant", 2, 5], ["tolerant", 4, 5]);
  await using second = submit(folder, 2, ["tolerant", 1, 5], ["tolerant", 3, 5]);
  const ended = await readEnded(first, second);
  const lengths = ended.map(({ value }) => value?.split(" ").length);
  assertEquals(lengths.sort(), [1, 2, 3, 4, 5]);
  assertEquals(readRuns(folder.traces), ["tolerant,tolerant,tolerant,tolerant,tolerant"]);
});

Deno.test("DeadlockError sees through calls that are computed inside others", async () => {
  using folder = new Folder();
  await using program = submit(folder, 1, ["indirect", 0]);
  await using bag = await openBag(folder.bag, { fold: "manual" });
  await cacheScope({ cache: bag }, async () => {
    const own = indirect(1, folder.traces);
    const [ended, outcome] = await Promise.all([readEnded(program), Promise.allSettled([own])]);
    assert(outcome[0].status === "rejected" && outcome[0].reason instanceof DeadlockError);
    assertEquals(ended.length, 1);
    assertMatch(ended[0]?.deadlock ?? "", /→ "/);
  });
});
