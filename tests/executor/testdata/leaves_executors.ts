// A program whose tasks leave executors behind that would keep their workers for ever.
import { Executor, type WorkerType } from "@quiver/quiver";
import { leaveExecutor } from "./crew_tasks.ts";

const workerType = Deno.args[0] as WorkerType;
await using executor = new Executor({ maxWorkers: 2, workerType, idleTimeout: Infinity });
const ids = await Promise.all([1, 2].map(() => executor.submit(leaveExecutor, workerType)));
console.log(ids.length === 2 ? "done" : ids);
