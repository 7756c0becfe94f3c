// A program whose one call waits for a command that never ends; says which process that is.
import { Executor } from "@quiver/quiver";
import { waitForCommand } from "./grace_tasks.ts";

await using executor = new Executor({ maxWorkers: 1, workerType: "process" });
const call = executor.submit(waitForCommand);
for await (const { message } of call.progress) console.log(message);
