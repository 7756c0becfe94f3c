// A program whose tasks leave executors behind that would keep their workers for ever.
import { Executor } from "@quiver/quiver";
import { leaveExecutor } from "./worker_count_tasks.ts";

const workerType = Deno.args[0] === "process" ? "process" : "web";
await using executor = new Executor({ maxWorkers: 2, workerType, idleTimeout: Infinity });
const ids = await Promise.all([1, 2].map(() => executor.submit(leaveExecutor)));
console.log(ids.length === 2 ? "done" : ids);
