// The tests start this program so that it may open few files: not all of its workers can start.
import { Executor, type WorkerType } from "@quiver/quiver";
import { pause } from "./start_tasks.ts";

if (import.meta.main) {
  const warnings: string[] = [];
  await using executor = new Executor({
    maxWorkers: 40,
    // The test names it.
    workerType: Deno.args[0] as WorkerType,
    onWarning: ({ message, cause }) => warnings.push(`${message}: ${cause}`),
  });
  const calls = Array.from({ length: 300 }, (_, n) => executor.submit(pause, n));
  const results = await Promise.allSettled(calls);
  const failures = results.flatMap((result) =>
    result.status === "rejected" ? String(result.reason) : []
  );
  const { workers } = executor.statistics();
  console.log(JSON.stringify({ calls: results.length, failures, workers, warnings }));
}
