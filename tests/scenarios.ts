import { assert, assertEquals } from "@std/assert";

const TESTS = new URL("./", import.meta.url);

/** Which numbers a file of behaviours has to name. */
export interface ScenarioList {
  /** The file, within the folder of tests. */
  readonly file: string;
  /** The name of the list; an entry that begins with a number alone is of it, too. */
  readonly list: string;
  /** The numbers, in their order. */
  readonly numbers: readonly number[];
}

interface Scenario {
  readonly number: number;
  readonly text: string;
  readonly tests: readonly { readonly file: string; readonly name: string }[];
}

async function readScenarios({ file, list }: ScenarioList): Promise<Scenario[]> {
  const text = await Deno.readTextFile(new URL(file, TESTS));
  const entries = text.split("\n- **").slice(1).map((entry) => {
    const [lines = ""] = entry.split("\n\n");
    const [words = "", ...tests] = lines.replaceAll(/\s+/g, " ").split(" - `");
    const [, name = list, number = ""] = /^(?:(\w+) )?(\d+)\*\*/.exec(words) ?? [];
    return {
      list: name,
      number: Number(number),
      text: words,
      tests: tests.map((test) => {
        const [file = "", ...name] = test.split("`: ");
        return { file, name: name.join("`: ").trim() };
      }),
    };
  });
  return entries.filter((entry) => entry.list === list);
}

/** The tests of a file that show a behaviour: what follows each comment with its number. */
function shown(code: string, list: string, number: number): string[] {
  return code.split(/^ *\/\/ (?=(?:executors|fleche) \d)/m).slice(1).filter((part) => {
    const [line = ""] = part.split("\n");
    const [, numbers = ""] = new RegExp(`${list} ([\\d, ]+)`).exec(line) ?? [];
    return numbers.split(", ").map(Number).includes(number);
  });
}

/** Registers the tests that a file names each number once, with tests that exist or a reason. */
export function testScenarios(scenarios: ScenarioList): void {
  const { file, list, numbers } = scenarios;
  Deno.test(`${file} has each number of ${list} once`, async () => {
    assertEquals((await readScenarios(scenarios)).map(({ number }) => number), numbers);
  });

  Deno.test(`${file} names tests of ${list} that exist, or a reason`, async () => {
    for (const { number, text, tests } of await readScenarios(scenarios)) {
      assert(tests.length > 0 || text.includes("Does not translate: "), `nothing shows ${number}`);
      for (const { file, name } of tests) {
        const code = await Deno.readTextFile(new URL(file, TESTS));
        const named = shown(code, list, number).some((part) => part.slice(0, 500).includes(name));
        assert(named, `${file} has no test for ${list} ${number} that is named: ${name}`);
      }
    }
  });
}
