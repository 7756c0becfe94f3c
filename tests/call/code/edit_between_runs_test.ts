// end-to-end: a helper is edited between two runs of a program, and the right calls run again
import { assertEquals } from "@std/assert";
import { apply, Projects } from "./_projects.ts";

const QUIVER = new URL("../../../mod.ts", import.meta.url).href;

const FILES = {
  "main.ts": `
import { cacheScope, Executor, openBag, task } from "${QUIVER}";
import { area } from "./area.ts";
import { length } from "./length.ts";

export const areas = task(import.meta, function areas(x: number): number {
  return area(x);
});
export const lengths = task(import.meta, function lengths(x: number): number {
  return length(x);
});
export const both = task(import.meta, async function both(x: number): Promise<number> {
  return await areas(x) + await lengths(x);
});

if (import.meta.main) {
  const [path = "", workerType = ""] = Deno.args;
  await using bag = await openBag(path, { fold: "manual" });
  await using executor = new Executor({ maxWorkers: 1, workerType: workerType as "web" });
  const told: Record<string, [unknown, boolean]> = {};
  await cacheScope({ cache: bag }, async () => {
    // What one calls is to be known already when it is called.
    for (const [name, task] of Object.entries({ areas, lengths, both })) {
      const call = executor.submit(task, 3);
      told[name] = [await call, !call.hit];
    }
  });
  console.log(JSON.stringify(told));
}
`,
  "area.ts": `
import { square } from "./square.ts";
export const area = (x: number): number => square(x);
`,
  "square.ts": `
export const square = (x: number): number => x * x;
export const unused = 1;
`,
  "length.ts": `export const length = (x: number): number => 4 * x;\n`,
};

for (const kind of ["inline", "web", "process"]) {
  Deno.test(`an edit has those calls run again that it may change, ${kind}`, async () => {
    using projects = new Projects();
    const folder = projects.add(FILES);
    /** The results, and which calls ran. */
    const run = async (): Promise<unknown> => {
      const args = [`${folder}/results.bag`, kind];
      return JSON.parse((await projects.run(`${folder}/main.ts`, ["-A"], args)).stdout);
    };
    assertEquals(await run(), { areas: [9, true], lengths: [12, true], both: [21, true] });
    assertEquals(await run(), { areas: [9, false], lengths: [12, false], both: [21, false] });
    apply(folder, { "square.ts": ["x * x", "x * x + 1"] });
    assertEquals(await run(), { areas: [10, true], lengths: [12, false], both: [22, true] });
    apply(folder, { "length.ts": ["4 * x", "5 * x"] });
    assertEquals(await run(), { areas: [10, false], lengths: [15, true], both: [25, true] });
    apply(folder, { "square.ts": ["unused = 1", "unused = 2"] });
    assertEquals(await run(), { areas: [10, false], lengths: [15, false], both: [25, false] });
    // What was computed before is known still.
    apply(folder, { "square.ts": ["x * x + 1", "x * x"], "length.ts": ["5 * x", "4 * x"] });
    assertEquals(await run(), { areas: [9, false], lengths: [12, false], both: [21, false] });
  });
}
