// A program whose worker cannot tell whether it leaves.
import { configureDefaultContext, runInWorker } from "@quiver/quiver/workers";
import { echo, failToRetire } from "./context_tasks.ts";

await configureDefaultContext({ retire: failToRetire });
console.log(await runInWorker(echo, ["kept"]));
