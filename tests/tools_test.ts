// contract: whatever tests use beside Deno is found in one file, can be hidden, and is in the README
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { HIDING_VARIABLE, Tool, TOOL_NAMES } from "./tools.ts";

const ROOT = new URL("../", import.meta.url);

/** Code that starts a program, or may start one, that is not Deno. */
const STARTS = [
  /\bDeno\s*\.\s*Command\b(?!\s*\(\s*Deno\.execPath\(\)\s*,)/,
  /\bDeno\s*\.\s*(?:run|spawn\w*)\b/,
  /\bDeno\s*\[/,
  // As in `const { Command } = Deno`.
  /\bCommand\b[^(){};=]*\}\s*=\s*Deno\b/,
  /\bnode:child_process\b|(?:from|import\(|require\()\s*["']child_process\b/,
  /\bsubprocess\b|\bos\s*\.\s*(?:system|popen|exec\w*|spawn\w*|posix_spawn\w*)\b/,
];

/** The places of a text that start a program which is not Deno. */
function findStarts(text: string): string[] {
  // As the type of something a command is none that somebody starts.
  const code = text.replaceAll(/: Deno\.Command\b(?!\s*\()/g, ": Started");
  return STARTS.flatMap((pattern) => code.match(pattern)?.[0] ?? []);
}

async function* readFiles(directory: URL): AsyncGenerator<{ path: string; text: string }> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const url = new URL(isDirectory ? `${name}/` : name, directory);
    if (isDirectory) yield* readFiles(url);
    else if (/\.(?:[cm]?[jt]sx?|py|sh)$/.test(name)) {
      yield { path: url.href.slice(ROOT.href.length), text: await Deno.readTextFile(url) };
    }
  }
}

Deno.test("no file of the tests but tools.ts starts a program that is not Deno", async () => {
  const wrong: string[] = [];
  let starting = 0;
  for (const folder of ["tests/", "examples/"]) {
    for await (const { path, text } of readFiles(new URL(folder, ROOT))) {
      if (path === "tests/tools.ts" || path === "tests/tools_test.ts") continue;
      if (text.includes("Deno.execPath()")) starting++;
      wrong.push(...findStarts(text).map((start) => `${path}: ${start}`));
    }
  }
  assertEquals(wrong, [], "find the tool by Tool.find(name) of tests/tools.ts");
  assertGreater(starting, 20);
});

for (
  const text of [
    'new Deno.Command("/usr/bin/python3", { args })',
    "new Deno.Command(command, { args })",
    "new Deno\n  .Command(\n    program,\n  )",
    'new Deno.Command(Deno.execPath() + "/../python3", { args })',
    "const Program = Deno.Command;",
    "const { Command } = Deno;",
    "const { Command: Program, execPath } = Deno;",
    'new Deno["Command"]("python3")',
    'import { spawn } from "node:child_process";',
    'import { spawn } from "child_process";',
    'Deno.spawn("python3", [])',
    'Deno.run({ cmd: ["python3"] })',
    "import subprocess",
    'os.system("h5dump")',
  ]
) {
  Deno.test(`the search for programs that tests start finds ${JSON.stringify(text)}`, () => {
    assertEquals(findStarts(text).length, 1);
  });
}

for (
  const text of [
    "new Deno.Command(Deno.execPath(), { args })",
    "new Deno.Command(\n  Deno.execPath(),\n  { args },\n)",
    "function toCommand(args: string[]): Deno.Command {",
  ]
) {
  Deno.test(`the search for programs that tests start passes over ${JSON.stringify(text)}`, () => {
    assertEquals(findStarts(text), []);
  });
}

Deno.test("Tool.find() finds nothing while the variable hides all tools", async () => {
  const code = `import { Tool, TOOL_NAMES } from ${
    JSON.stringify(new URL("tests/tools.ts", ROOT).href)
  };
    console.log(TOOL_NAMES.filter((name) => Tool.find(name).found).length, TOOL_NAMES.length);`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    env: { [HIDING_VARIABLE]: "1", NO_COLOR: "1" },
  }).output();
  assertEquals(new TextDecoder().decode(stdout), `0 ${TOOL_NAMES.length}\n`);
});

for (const name of TOOL_NAMES) {
  Deno.test(`Tool.forTest() has a test ignored by name without ${name}`, () => {
    const tool = Tool.find(name);
    const { name: text, ignore } = tool.forTest("it works");
    assertEquals(ignore, !tool.found);
    if (tool.found) return assertEquals(text, "it works");
    assert(/^it works \(ignored: there is no .+\)$/.test(text), text);
    assertThrows(() => tool.run(), Error, "Cannot run a tool: there is no ");
  });
}

Deno.test("README.md says of each tool which tests need it", async () => {
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  const rows = readme.split("\n").filter((line) => line.startsWith("| "));
  const named = rows.flatMap((row) => (row.split("|")[1] ?? "").match(/`[^`]+`/g) ?? []);
  assertEquals(TOOL_NAMES.filter((name) => !named.includes(`\`${name}\``)), []);
  assert(readme.includes(`${HIDING_VARIABLE}=1`), `it does not name ${HIDING_VARIABLE}`);
});
