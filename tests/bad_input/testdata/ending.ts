// A program that does not care for the end of what it began.
import { cacheScope, Executor, openBag, task } from "@quiver/quiver";
import { double } from "./tasks.ts";

export const parse = task(import.meta, function parse(text: string): number {
  if (Number.isNaN(Number(text))) throw new RangeError(`not a number: ${text}`);
  return Number(text);
});

if (import.meta.main) {
  const [ending, path = ""] = Deno.args;
  const bag = await openBag(path);
  const executor = new Executor({ maxWorkers: 1, idleTimeout: 1 });
  await cacheScope({ cache: bag }, async () => {
    await executor.submit(double, 1);
    if (ending === "fails") {
      executor.submit(parse, "one");
      await executor.submit(parse, "2");
    }
    if (ending === "cancels") {
      executor.submit(parse, "3").cancel();
      await executor.submit(parse, "4");
      console.log("went on");
    }
  });
}
