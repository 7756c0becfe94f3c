// End-to-end: results of code that was edited while the program runs are not those of its keys.
import { assert, assertEquals } from "@std/assert";
import { openFolder } from "./_ways.ts";

const FILES: { readonly [name: string]: string } = {
  "tasks.ts": `
    import { task } from "@quiver/quiver";
    import { factor } from "./helper.ts";
    export const times = task(import.meta, async function times(n: number) {
      const { extra } = await import("./late.ts");
      return n * factor() + 0 + extra;
    });
  `,
  "helper.ts": `
    import data from "./data.json" with { type: "json" };
    export const factor = (): number => 2 * data.one;
  `,
  "data.json": `{ "one": 1 }`,
  "late.ts": `export const extra = 0;`,
  "unrelated.ts": `export const other = 0;`,
  "waiting.ts": `
    import { task } from "@quiver/quiver";
    await globalThis.wait?.();
    export const add = task(import.meta, function add(n: number) { return n + 0; });
  `,
  "given.ts": `
    import { task } from "@quiver/quiver";
    export const given = task(import.meta, function given(n: number) { return n + 0; });
  `,
  "apply.ts": `
    import { task } from "@quiver/quiver";
    export const apply = task(import.meta, async function apply(n: number, to: (n: number) => unknown) {
      return await (to.given ?? to)(n);
    });
    export const applyItem = task(import.meta, async function applyItem(item: { n: number; to: (n: number) => unknown }) {
      return await item.given(item.n);
    });
  `,
};

interface Report {
  readonly before: readonly unknown[];
  readonly after: readonly unknown[];
  readonly known: readonly boolean[];
  readonly here: number;
  readonly warnings: readonly string[];
}

function edit(...args: string[]): Promise<Report> {
  return run("edited_program.ts", args);
}

async function run<R>(file: string, args: readonly string[]): Promise<R> {
  await using folder = await openFolder();
  for (const [name, text] of Object.entries(FILES)) {
    await Deno.writeTextFile(`${folder.path}/${name}`, text);
  }
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const program = new URL(`./testdata/${file}`, import.meta.url).href;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "-A", "--config", config, program, ...args],
    cwd: folder.path,
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(text !== "", new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

const EDITS: { readonly [file: string]: readonly [from: string, to: string, after: number] } = {
  "tasks.ts": ["+ 0", "+ 1000", 1004],
  "helper.ts": ["2 *", "200 *", 400],
  "data.json": ["1", "100", 400],
  "late.ts": ["0", "1000", 1004],
};

for (const type of ["web", "process"]) {
  for (const [file, [from, to, value]] of Object.entries(EDITS)) {
    const kind = file === "helper.ts" ? "memory" : "bag";
    Deno.test(`${type}: a result of an edited ${file} is not remembered in a ${kind}`, async () => {
      const { before, after, known, here, warnings } = await edit(type, kind, file, from, to);
      assertEquals(before, [2, [202]]);
      assertEquals(after[0], value);
      assertEquals(known, [true, false, false]);
      assertEquals(here, 4);
      assertEquals(warnings.length, 1, warnings.join("\n"));
      assert(warnings[0]?.includes(file) && warnings[0].includes("start the program again"));
    });
  }
}

Deno.test("web: an edit of a file that the task does not import changes nothing", async () => {
  const { after, known, warnings } = await edit("web", "bag", "unrelated.ts", "0", "1");
  assertEquals({ after, known, warnings }, {
    after: [4, [204]],
    known: [true, true, true],
    warnings: [],
  });
});

Deno.test("inline: the code of this isolate stays that of its keys", async () => {
  const { after, known, warnings } = await edit("inline", "bag", "helper.ts", "2 *", "200 *");
  assertEquals({ after, known, warnings }, {
    after: [4, [204]],
    known: [true, true, true],
    warnings: [],
  });
});

for (const type of ["web", "process"]) {
  for (const kind of ["bag", "memory"]) {
    Deno.test(`${type}, ${kind}: nor is one of a task whose argument is an edited task`, async () => {
      const report = await run<Omit<Report, "here" | "known"> & { readonly known: boolean[][] }>(
        "edited_argument.ts",
        [type, kind],
      );
      assertEquals(report.before, [1, 1, 1, 11]);
      assertEquals(report.after, [1002, 1002, 1002, 1012]);
      assertEquals(report.known, [[true, true, true, true], [false, false, false, false]]);
      assert(report.warnings.length > 0);
      assert(report.warnings.every((warning) => warning.includes("given.ts")));
    });
  }
}

for (const type of ["web", "process"]) {
  Deno.test(`${type}: nor is one of a module that was edited while it waited at its top level`, async () => {
    const { result, known, here, warnings } = await run<
      { result: number; known: boolean; here: number; warnings: string[] }
    >("edited_early.ts", [type]);
    assertEquals({ result, known, here }, { result: 1001, known: false, here: 1 });
    assertEquals(warnings.length, 1);
    assert(warnings[0]?.includes("waiting.ts"));
  });
}
