// A program that gives a call up whose thread cannot be stopped, and ends all the same.
import { Executor } from "@quiver/quiver";
import { block } from "./signal_tasks.ts";

if (import.meta.main) {
  const executor = new Executor({ maxWorkers: 1 });
  const future = executor.submit(block, new SharedArrayBuffer(4));
  for await (const { message } of future.progress) if (message === "running") break;
  future.abort();
  await executor.shutdown();
  Deno.exit(7);
}
