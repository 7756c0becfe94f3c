/** Never ends its executor, whose processes leave when they have been idle for a while. */
import { Executor } from "@quiver/quiver";
import { double } from "./tasks.ts";

const executor = new Executor({ workerType: "process", maxWorkers: 1, idleTimeout: 20 });
console.log(await executor.submit(double, 21));
