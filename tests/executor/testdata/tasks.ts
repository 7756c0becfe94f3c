// Tasks that the tests of the executor run on workers.
import { Executor, task } from "@quiver/quiver";

export const double = task(import.meta, function double(x: number): number {
  return 2 * x;
});

export const noop = task(import.meta, function noop(): void {});

/** Leaves a trace of each run in a directory, so that runs can be counted over processes. */
export const traced = task(
  import.meta,
  async function traced(
    x: number,
    directory: string,
  ): Promise<{ x: number; samples: Float64Array }> {
    await Deno.writeTextFile(`${directory}/${x}-${crypto.randomUUID()}`, "");
    return { x, samples: new Float64Array(2000).fill(x) };
  },
  { ignore: ["directory"] },
);

export const nested = task(
  import.meta,
  async function nested(x: number, directory: string): Promise<number> {
    const { samples } = await traced(x, directory);
    return samples.reduce((a, b) => a + b, 0);
  },
  { ignore: ["directory"], version: 1 },
);

/** Says that it has started, and ends when it is told to. */
export const gated = task(
  import.meta,
  async function gated(directory: string, name: string): Promise<string> {
    const go = `${directory}/${name}.go`;
    const watcher = Deno.watchFs(directory);
    await Deno.writeTextFile(`${directory}/${name}.started`, "");
    const exists = () => Deno.stat(go).then(() => true, () => false);
    if (!(await exists())) {
      for await (const _ of watcher) {
        if (await exists()) break;
      }
    } else watcher.close();
    return name;
  },
  { ignore: ["directory"] },
);

export class CustomError extends Error {
  override name = "CustomError";
  constructor(message: string, readonly code: number) {
    super(message, { cause: new RangeError("the cause") });
  }
}

export const fail = task(import.meta, function fail(how: "type" | "custom" | "text"): never {
  if (how === "type") throw new TypeError("of the wrong type");
  if (how === "custom") throw new CustomError("custom", 42);
  // deno-lint-ignore no-throw-literal
  throw "just text";
});

export const unclonable = task(import.meta, function unclonable(): unknown {
  return { deep: [{ callback: () => 1 }] };
});

export const die = task(import.meta, async function die(how: "close" | "exit" | "timer") {
  if (how === "close") self.close();
  if (how === "exit") Deno.exit(3);
  if (how === "timer") {
    setTimeout(() => {
      throw new Error("thrown in a timer");
    });
  }
  await new Promise(() => {});
});

export const nestedExecutor = task(
  import.meta,
  async function nestedExecutor(x: number): Promise<number> {
    await using executor = new Executor({ maxWorkers: 1 });
    return await executor.submit(double, x);
  },
);

export const whoAmI = task(import.meta, function whoAmI(): string {
  return self.name;
});

export const inner = task(import.meta, function inner(x: number): number {
  return x + 1;
});

export const outer = task(import.meta, async function outer(x: number): Promise<number> {
  return 10 * await inner(x);
});

/** Touches a file, and never ends. */
export const loop = task(import.meta, function loop(path: string): never {
  Deno.writeTextFileSync(path, "");
  for (;;);
});

export const surroundings = task(import.meta, function surroundings(): Record<string, unknown> {
  return {
    variable: Deno.env.get("QUIVER_TEST"),
    write: Deno.permissions.querySync({ name: "write" }).state,
    gc: typeof Reflect.get(globalThis, "gc"),
  };
});

export const sumOf = task(import.meta, function sumOf(samples: Float64Array): number {
  return samples.reduce((a, b) => a + b, 0);
});
