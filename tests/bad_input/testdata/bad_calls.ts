// Calls that cannot be made, or whose results cannot travel, each with what came of it.
import { cacheScope, createMemoryCache, Executor, openBag, task } from "@quiver/quiver";
import { lonely } from "./unimportable.ts";

class Solver {
  steps = 7;
}

const VALUES: { readonly [name: string]: () => unknown } = {
  function: () => ({ deep: [() => 1] }),
  symbol: () => [Symbol("s")],
  promise: () => ({ nested: new Map([["p", Promise.resolve(1)]]) }),
  weak: () => ({ weak: new WeakMap() }),
  getter: () => ({
    get broken(): never {
      throw new RangeError("thrown by a getter");
    },
  }),
  instance: () => ({ solver: new Solver() }),
};

export const take = task(import.meta, function take(_value: unknown): string {
  return "taken";
});

export const make = task(import.meta, function make(name: string): unknown {
  return VALUES[name]?.();
});

export const die = task(import.meta, async function die(how: string): Promise<void> {
  if (how === "exit") Deno.exit(0);
  if (how === "close") self.close();
  if (how === "timer") {
    setTimeout(() => {
      throw new Error("in a timer");
    });
  }
  if (how === "promise") void Promise.reject(new Error("in a promise"));
  await new Promise(() => {});
});

const gone = task(new URL("./gone.ts", import.meta.url).href, () => 1, { name: "gone" });
const hidden = task(new URL("./tasks.ts", import.meta.url).href, () => 1, { name: "hidden" });

async function tell(name: string, call: () => PromiseLike<unknown>): Promise<void> {
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  const ended = await cacheScope({ onWarning }, async () => {
    try {
      return { value: await call() };
    } catch (error) {
      const { name = "", message = "", path } = error as { [field: string]: string };
      return { name, message, path };
    }
  });
  console.log(JSON.stringify([name, { ...ended, ...(warnings.length > 0 && { warnings }) }]));
}

if (import.meta.main) {
  const [path = ""] = Deno.args;
  await using bag = await openBag(path);
  await using executor = new Executor({ maxWorkers: 1 });
  await cacheScope({ cache: bag }, async () => {
    for (const [name, create] of Object.entries(VALUES)) {
      await tell(`take ${name}`, () => executor.submit(take, create()));
      await tell(`make ${name}`, () => executor.submit(make, name));
    }
    await tell("contains instance", () => make.contains("instance"));
    for (const how of ["exit", "close", "timer", "promise"]) {
      await tell(`die ${how}`, () => executor.submit(die, how));
    }
    for (const task of [gone, hidden, lonely]) {
      await tell(`find ${task.address.name}`, () => executor.submit(task));
    }
    await tell("go on", () => executor.submit(take, "a string"));
  });
  await cacheScope({ cache: createMemoryCache() }, async () => {
    await tell("take instance here", () => take({ solver: new Solver() }));
    await tell("make instance here", () => make("instance"));
  });
}
