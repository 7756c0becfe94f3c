// contract: SCENARIOS.md names a test for each behaviour of our list, or the reason why there is none
import { assert, assertEquals } from "@std/assert";

const TESTS = new URL("../", import.meta.url);

/** The numbers of the list, in the groups about workers and executors. */
// deno-fmt-ignore
const NUMBERS = [
  1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23, 25, 26, 27, 29, 30, 31, 33, 34, 35,
  37, 38, 39, 41, 42, 43, 45, 46, 47, 49, 50, 51, 53, 54, 55, 57, 58, 59, 61, 62, 63, 65, 66, 67, 69,
  70, 71, 73, 74, 75,
];

interface Scenario {
  readonly number: number;
  readonly text: string;
  readonly tests: readonly { readonly file: string; readonly name: string }[];
}

async function readScenarios(): Promise<Scenario[]> {
  const text = await Deno.readTextFile(new URL("executor/SCENARIOS.md", TESTS));
  return text.split("\n- **").slice(1).map((entry) => {
    const [lines = ""] = entry.split("\n\n");
    const [words = "", ...tests] = lines.replaceAll(/\s+/g, " ").split(" - `");
    return {
      number: Number.parseInt(words),
      text: words,
      tests: tests.map((test) => {
        const [file = "", ...name] = test.split("`: ");
        return { file, name: name.join("`: ").trim() };
      }),
    };
  });
}

/** The tests of a file that show a behaviour: what follows each comment with its number. */
function shown(code: string, number: number): string[] {
  return code.split("// executors ").slice(1).filter((part) => {
    const [numbers = ""] = part.split("\n");
    return numbers.split(", ").map(Number).includes(number);
  });
}

Deno.test("SCENARIOS.md has each number of the list once", async () => {
  assertEquals((await readScenarios()).map(({ number }) => number), NUMBERS);
});

Deno.test("SCENARIOS.md names tests that exist, or a reason", async () => {
  for (const { number, text, tests } of await readScenarios()) {
    assert(tests.length > 0 || text.includes("Does not translate: "), `nothing shows ${number}`);
    for (const { file, name } of tests) {
      const code = await Deno.readTextFile(new URL(file, TESTS));
      const named = shown(code, number).some((part) => part.slice(0, 500).includes(name));
      assert(named, `${file} has no test for ${number} that is named: ${name}`);
    }
  }
});

Deno.test("each test file that opens workers looks for what its tests leave", async () => {
  for (const room of ["executor", "worker"]) {
    for await (const { name } of Deno.readDir(new URL(`${room}/`, TESTS))) {
      const code = await Deno.readTextFile(new URL(`${room}/${name}`, TESTS)).catch(() => "");
      const opens = /new (Executor|Deno\.Command)\(|open\w*Worker\w*\(|testKinds\(/.test(code);
      if (!name.endsWith("_test.ts") || !opens) continue;
      assert(code.includes("\nleaveNothing();\n"), `${room}/${name} does not call leaveNothing()`);
    }
  }
});
