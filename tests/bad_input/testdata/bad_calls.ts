// Makes bad calls of one group and prints what came of each, then a good one.
import { cacheScope, Executor, openBag, type QuiverWarning } from "@quiver/quiver";
import { create, die, gone, hidden, make, take } from "./bad_tasks.ts";
import { lonely } from "./unimportable.ts";

const [group, path = ""] = Deno.args;
await using bag = await openBag(path);
await using executor = new Executor({ maxWorkers: 1 });

async function tell(call: () => PromiseLike<unknown>): Promise<void> {
  try {
    console.log(JSON.stringify(await call()));
  } catch (error) {
    console.log(String(error));
  }
}

function onWarning({ message, cause }: QuiverWarning): void {
  console.log(`${message}${cause instanceof Error ? `: ${cause.message}` : ""}`);
}

if (group === "arguments" || group === "results") {
  for (const kind of ["function", "symbol", "weak", "nested promise", "getter"]) {
    const call = () =>
      group === "results" ? executor.submit(make, kind) : executor.submit(take, create(kind));
    await tell(call);
  }
}
if (group === "instances") {
  await cacheScope({ cache: bag, onWarning }, async () => {
    await tell(() => take(create("instance")));
    await tell(() => make("instance"));
    await tell(() => executor.submit(make, "instance"));
    await tell(() => make.contains("instance"));
  });
}
if (group === "deaths") {
  for (const how of ["exit", "close", "timer", "promise"]) {
    await tell(() => executor.submit(die, how));
  }
}
if (group === "modules") {
  for (const task of [gone, hidden, lonely]) await tell(() => executor.submit(task));
}
await tell(() => executor.submit(take, "a string"));
