// A program that closes nothing: its calls end though nobody awaits them, and then it ends itself.
import { openWorkerContext, runInWorker } from "@quiver/quiver/workers";
import { echo, leaveTrace } from "./context_tasks.ts";

const [directory = ""] = Deno.args;

openWorkerContext({ idleTimeout: 0 }).run(leaveTrace, [directory, "context"]);
for (const name of ["a", "b", "c", "d"]) runInWorker(leaveTrace, [directory, name]);
console.log(await runInWorker(echo, ["the last line of the program"]));
