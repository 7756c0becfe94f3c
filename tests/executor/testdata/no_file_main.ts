// The tests start this program so that it may open few files: for its first call there is none left.
import { Executor, type WorkerType } from "@quiver/quiver";
import { pause } from "./start_tasks.ts";

/** Opens all files that may be open. */
function openAll(): Deno.FsFile[] {
  const files: Deno.FsFile[] = [];
  try {
    for (;;) files.push(Deno.openSync("/dev/null"));
  } catch {
    return files;
  }
}

if (import.meta.main) {
  // The test names it.
  await using executor = new Executor({ maxWorkers: 1, workerType: Deno.args[0] as WorkerType });
  const files = openAll();
  const refused = await executor.submit(pause, 1).catch(String);
  for (const file of files) file.close();
  console.log(JSON.stringify([refused, await executor.submit(pause, 2)]));
}
