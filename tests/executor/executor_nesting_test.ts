// End-to-end: executors inside of tasks, how deep they go and how many workers they have together.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Executor, NestedExecutorError } from "@quiver/quiver";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import * as tasks from "./testdata/worker_count_tasks.ts";

leaveNothing();

for (const workerType of WORKER_TYPES) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  // executors 57
  test("Executor works in tasks of tasks, ten deep; the eleventh is refused", async () => {
    // A worker in a worker takes Deno a second to start: nine would take nine.
    await using executor = new Executor({ maxWorkers: 1, maxTotalWorkers: 1, workerType });
    assertEquals((await executor.submit(tasks.descend, 9)).length, 10);
    await assertRejects(
      () => executor.submit(tasks.descend, 10),
      NestedExecutorError,
      'Cannot submit "descend": 10 executors\' calls are around it',
    );
  });

  // executors 59
  test("Executor bounds the workers of all executors beneath it together", async () => {
    await using executor = new Executor({ maxWorkers: 2, maxTotalWorkers: 4, workerType });
    const calls = [1, 2].map(() => executor.submit(tasks.branch, 3, 2));
    const ids = (await Promise.all(calls)).flat();
    assertEquals(ids.length, 30);
    const workers = new Set(ids).size;
    // Two, and one beneath each of them; where none is left, calls run where they are made.
    assert(workers <= 4, `there were ${workers} workers`);
    if (workerType !== "inline") assert(workers > 2);
  });

  test("Executor leaves none for those beneath it when it may have no more than its own", async () => {
    await using executor = new Executor({ maxWorkers: 1, maxTotalWorkers: 1, workerType });
    assertEquals(new Set(await executor.submit(tasks.descend, 3)).size, 1);
  });

  test("Executor gives its workers back to the one above it", async () => {
    await using executor = new Executor({ maxWorkers: 1, maxTotalWorkers: 2, workerType });
    for (const _ of [1, 2]) {
      const ids = await executor.submit(tasks.descend, 1);
      // The nested one finds a worker each time, as the one before was given back.
      if (workerType !== "inline") assertEquals(new Set(ids).size, 2);
    }
  });
}

for (const workerType of WORKER_TYPES.filter((type) => type !== "inline")) {
  // executors 58
  Deno.test(`${workerType}: a program ends although a task left an executor with an idle worker behind`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--allow-read",
        ...(workerType === "process" ? ["--allow-write", "--allow-env", "--allow-run"] : []),
        new URL("./testdata/leaves_executors.ts", import.meta.url).href,
        workerType,
      ],
      env: { NO_COLOR: "1" },
    }).output();
    const decoder = new TextDecoder();
    assertEquals([code, decoder.decode(stdout), decoder.decode(stderr)], [0, "done\n", ""]);
  });
}
