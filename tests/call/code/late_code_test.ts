// end-to-end: code that is imported while a task runs counts as it is, or the call is not remembered
import { assertEquals } from "@std/assert";
import { cacheScope, createMemoryCache, type Task } from "../../../mod.ts";
import { TemporaryDirectory } from "../../bag/_temporary_directory.ts";

const QUIVER = new URL("../../../mod.ts", import.meta.url).href;

/** What Deno loads when it is imported, and what it has loaded by then. */
const LATER = `new URL("./helper.ts", import.meta.url).href`;
const AHEAD = `"./helper.ts"`;

/** A task that imports a helper when it runs, in a folder of its own. */
class Program extends TemporaryDirectory {
  readonly #url = new URL(`file://${this.path}/tasks.ts`).href;

  constructor(specifier = LATER) {
    super();
    Deno.writeTextFileSync(
      `${this.path}/tasks.ts`,
      `import { task } from "${QUIVER}";
export const simulate = task(import.meta, async function simulate(x: number): Promise<number> {
  const { helper } = await import(${specifier});
  return helper(x);
});
export const apply = task(import.meta, async function apply(
  inner: (x: number) => Promise<number>,
  x: number,
): Promise<number> {
  return await inner(x);
});
`,
    );
    this.edit("x + 1");
  }

  edit(code: string): void {
    const text = `export const helper = (x: number): number => ${code};`;
    Deno.writeTextFileSync(`${this.path}/helper.ts`, text);
  }

  load(): Promise<{ simulate: Task<[number], number>; apply: Task<unknown[], number> }> {
    return import(this.#url);
  }

  /** Imports the helper as another part of the program would. */
  loadHelper(): Promise<unknown> {
    return import(new URL(`file://${this.path}/helper.ts`).href);
  }
}

Deno.test("what is imported later and was edited since its key was made is not remembered", async () => {
  using program = new Program();
  const { simulate, apply } = await program.load();
  const [cache, warnings] = [createMemoryCache(), [] as string[]];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await cacheScope({ cache, onWarning }, async () => {
    await simulate.digest(1);
    program.edit("x + 2");
    assertEquals([await simulate(1), await simulate.contains(1)], [3, false]);
    // A task that is an argument counts by its code, too.
    assertEquals([await apply(simulate, 1), await apply.contains(simulate, 1)], [3, false]);
  });
  assertEquals(warnings.length, 2);
  assertEquals(warnings.every((one) => /helper\.ts" has changed since their keys/.test(one)), true);
});

Deno.test("what was imported before it was edited counts as it was imported", async () => {
  using edited = new Program();
  using untouched = new Program();
  const [cache, warnings] = [createMemoryCache(), [] as string[]];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await cacheScope({ cache, onWarning }, async () => {
    for (const program of [edited, untouched]) {
      const { simulate } = await program.load();
      await program.loadHelper();
      if (program === edited) program.edit("x + 2");
      assertEquals([await simulate(1), await simulate.contains(1)], [2, true]);
    }
  });
  const records = await Array.fromAsync(cache.records());
  assertEquals(new Set(records.map(({ code }) => code)).size, 1);
  assertEquals(warnings, []);
});

Deno.test("what a literal imports was loaded with the module, and counts as that", async () => {
  using program = new Program(AHEAD);
  const { simulate } = await program.load();
  const [cache, warnings] = [createMemoryCache(), [] as string[]];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await cacheScope({ cache, onWarning }, async () => {
    const key = await simulate.digest(1);
    program.edit("x + 2");
    assertEquals([await simulate(1), await simulate.contains(1)], [2, true]);
    assertEquals(await simulate.digest(1), key);
  });
  assertEquals(warnings, []);
});

Deno.test("what a literal imports and was edited before the first key counts as loaded", async () => {
  using program = new Program(AHEAD);
  const { simulate } = await program.load();
  program.edit("x + 2");
  const cache = createMemoryCache();
  await cacheScope({ cache, strict: true }, async () => {
    assertEquals([await simulate(1), await simulate.contains(1)], [2, true]);
  });
});
