// A program whose one call waits for a command that never ends; says which process that is. With an
// argument it gives the call up then, and says so when its worker is gone.
import { Executor } from "@quiver/quiver";
import { waitForCommand } from "./grace_tasks.ts";

await using executor = new Executor({ maxWorkers: 1, workerType: "process" });
const call = executor.with({ gracePeriod: 0 }).submit(waitForCommand);
for await (const { message } of call.progress) {
  console.log(message);
  if (Deno.args[0] === "give up") call.abort("enough");
}
await call.catch(() => {});
await executor.shutdown();
console.log("gone");
