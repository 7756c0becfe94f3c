// contract: all tests are run once, and none that fails is left out of the counts
import { assertEquals } from "@std/assert";
import { listRooms, toCounts } from "./main.ts";

function* listTests(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(`../${folder}`, import.meta.url))) {
    if (isDirectory) yield* listTests(`${folder}/${name}`);
    else if (name.endsWith("_test.ts")) yield `${folder}/${name}`;
  }
}

Deno.test("deno task test runs each file of tests in one room", () => {
  const rooms = listRooms();
  for (const file of listTests("tests")) {
    const places = rooms.filter(({ args }) =>
      args.some((arg) => file === arg || file.startsWith(`${arg}/`))
    );
    assertEquals(places.length, 1, `${file} is in ${places.map(({ name }) => name)}`);
  }
});

for (
  const [output, success, passed, failed, ignored] of [
    ["ok | 316 passed | 0 failed | 2 ignored (4m41s)\n", true, 316, 0, 2],
    ["ok | 3 passed (2 steps) | 0 failed | 1 filtered out (9ms)\n", true, 3, 0, 0],
    ["ok | 7 passed | 0 failed (1s)\nFAILED | 6 passed | 1 failed (1s)\n", false, 6, 1, 0],
    // Somebody has called Deno.exit(), or a module cannot be loaded.
    ["a test ... ", false, 0, 1, 0],
    ["ok | 7 passed | 0 failed (1s)\nerror: Leaks detected\n", false, 7, 1, 0],
  ] as const
) {
  Deno.test(`deno task test counts ${JSON.stringify(output)}`, () => {
    assertEquals(toCounts({ success, output }), { passed, failed, ignored });
  });
}
