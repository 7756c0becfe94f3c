// Makes calls on workers of its own and prints how each ended, as JSON. Arguments: the bag, how many
// workers, then calls: the task's name and its arguments, as JSON.
import { cacheScope, DeadlockError, Executor, openBag, type Task } from "@quiver/quiver";
import * as tasks from "./tasks.ts";

type AnyTask = Task<readonly unknown[], unknown>;

const [path = "", workers = "1", ...texts] = Deno.args;
await using bag = await openBag(path, { fold: "manual" });
await using executor = new Executor({ maxWorkers: Number(workers) });
await cacheScope({ cache: bag }, async () => {
  const made = texts.map((text): unknown[] => JSON.parse(text));
  const futures = made.map(([name, ...args]) =>
    executor.submit(Reflect.get(tasks, String(name)) as AnyTask, ...args)
  );
  for (const outcome of await Promise.allSettled(futures)) {
    const ended = outcome.status === "fulfilled"
      ? { value: outcome.value }
      : outcome.reason instanceof DeadlockError
      ? { deadlock: outcome.reason.message, cycle: outcome.reason.cycle }
      : { error: String(outcome.reason) };
    console.log(JSON.stringify(ended));
  }
});
