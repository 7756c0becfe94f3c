// end-to-end: how many modules one call passes, which whoever wants to know what it does must read.
import { assert } from "@std/assert";

/** The rooms that decide whether, where and when a body runs. Beneath them values are kept and read. */
const DECIDE = ["executor", "task", "scope", "worker", "cache"];

/**
 * How many modules a call passes at most when all is warm, by cache and by what happens to it: of the
 * rooms that decide, and of all. Do not raise these lightly: a way that grows by a module has got
 * one more step that a reader must follow.
 */
const MOST: { readonly [cache: string]: { readonly [way: string]: readonly [number, number] } } = {
  memory: {
    "hit": [9, 18],
    "hit of submit()": [12, 21],
    "miss here": [11, 25],
    "miss on a worker": [41, 56],
  },
  bag: {
    "hit": [9, 20],
    "hit of submit()": [12, 23],
    "miss here": [11, 42],
    "miss on a worker": [40, 73],
  },
};

type Ways = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

async function readWays(): Promise<Ways> {
  // In a process of its own: whoever runs these tests may count by the same profiler.
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-check", "--allow-all"],
      new URL("testdata/way_of_a_call.ts", import.meta.url).href,
    ],
  }).output();
  const decoder = new TextDecoder();
  assert(code === 0, decoder.decode(stderr));
  return JSON.parse(decoder.decode(stdout));
}

Deno.test("a call passes few modules, here and on a warm web worker", async () => {
  const ways = await readWays();
  for (const [cache, bounds] of Object.entries(MOST)) {
    for (const [way, [mostDeciding, most]] of Object.entries(bounds)) {
      const modules = ways[cache]?.[way] ?? [];
      const deciding = modules.filter((module) => DECIDE.includes(module.split("/")[0] ?? ""));
      const text = `${way}, ${cache}: ${deciding.length} of ${modules.length}\n${
        modules.join("\n")
      }`;
      assert(modules.length > 0, `${way}, ${cache}: the way was not seen`);
      assert(deciding.length <= mostDeciding && modules.length <= most, text);
    }
  }
});
