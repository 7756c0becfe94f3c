// Contract: every test that a guide names is there: for a promise of the bag, or a feature of other caches.
import { assert, assertEquals, assertGreater } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

async function* readTests(directory: URL): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) yield* readTests(new URL(`${name}/`, directory));
    else if (name.endsWith(".ts")) yield await Deno.readTextFile(new URL(name, directory));
  }
}

Deno.test("promises.md names tests that exist for each promise of the bag", async () => {
  const guide = await Deno.readTextFile(new URL("examples/guides/promises.md", ROOT));
  const promises = guide.split("\n- ").slice(1);
  assertGreater(promises.length, 10);
  const code = (await Array.fromAsync(readTests(new URL("tests/", ROOT)))).join("\n");
  for (const promise of promises) {
    const names = Array.from(
      promise.matchAll(/`([^`]+)`/gs),
      ([, name = ""]) => name.replaceAll(/\s+/g, " "),
    )
      .filter((name) => name.includes(" ") && !name.startsWith("durability:"));
    assert(names.length > 0, `no test is named for: ${promise}`);
    assertEquals(names.filter((name) => !code.includes(name)), []);
  }
});

/** The cells of each row of a guide's tables, without the rows that name columns. */
function listRows(guide: string): string[][] {
  const lines = guide.split("\n").filter((line) => line.startsWith("| "));
  const isRule = (line = "") => /^\|( -+ \|)+$/.test(line);
  return lines.filter((line, index) => !isRule(line) && !isRule(lines[index + 1]))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

/** The tests that a cell names, as a file and a name behind it, which has backticks where it needs two. */
function listNamedTests(cell: string): { readonly file: string; readonly name: string }[] {
  const named = cell.matchAll(/`([\w/]+\.ts)` (`{1,2}) ?(.+?) ?\2(?!`)/g);
  return Array.from(named, ([, file = "", , name = ""]) => ({ file, name }));
}

Deno.test("coming_from.md names tests that exist for each feature, or says that it is missing", async () => {
  const rows = listRows(await Deno.readTextFile(new URL("examples/guides/coming_from.md", ROOT)));
  assertGreater(rows.length, 90);
  const faults: string[] = [];
  for (const row of rows) {
    const [here = "", shown = ""] = row.slice(-2);
    const tests = listNamedTests(shown);
    const isMissing = here.includes("**missing**");
    if (tests.length === 0 && !(isMissing && shown === "–")) faults.push(`no test: ${row[0]}`);
    for (const { file, name } of tests) {
      const code = await Deno.readTextFile(new URL(`tests/${file}`, ROOT));
      const isThere = [`"${name}"`, `\`${name}\``].some((text) => code.includes(text));
      if (!isThere) faults.push(`${file} has no test of that name: ${name}`);
    }
  }
  assertEquals(faults, []);
});

Deno.test("listRows() and listNamedTests() see what is named", () => {
  const table = "| a | b |\n| --- | --- |\n| `x` | `a/b_test.ts` `c d`, `e.ts` `` `f` g `` |\n";
  const [[, cell = ""] = [], ...others] = listRows(table);
  assertEquals(others, []);
  const [one, two] = [{ file: "a/b_test.ts", name: "c d" }, { file: "e.ts", name: "`f` g" }];
  assertEquals(listNamedTests(cell), [one, two]);
});
