// A program whose tasks leave executors behind that would keep their workers for ever.
import { Executor } from "@quiver/quiver";
import { leaveExecutor } from "./crew_tasks.ts";

await using executor = new Executor({ maxWorkers: 2, idleTimeout: Infinity });
const ids = await Promise.all([1, 2].map(() => executor.submit(leaveExecutor)));
console.log(ids.length === 2 ? "done" : ids);
