// contract: SCENARIOS.md names a test for each behaviour of our list, or the reason why there is none
import { assert } from "@std/assert";
import { testScenarios } from "../scenarios.ts";

const TESTS = new URL("../", import.meta.url);

/** The numbers of the list, in the groups about workers and executors. */
// deno-fmt-ignore
const NUMBERS = [
  1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23, 25, 26, 27, 29, 30, 31, 33, 34, 35,
  37, 38, 39, 41, 42, 43, 45, 46, 47, 49, 50, 51, 53, 54, 55, 57, 58, 59, 61, 62, 63, 65, 66, 67, 69,
  70, 71, 73, 74, 75,
];

testScenarios({ file: "executor/SCENARIOS.md", list: "executors", numbers: NUMBERS });

Deno.test("each test file that opens workers looks for what its tests leave", async () => {
  for (const room of ["executor", "worker"]) {
    for await (const { name } of Deno.readDir(new URL(`${room}/`, TESTS))) {
      const code = await Deno.readTextFile(new URL(`${room}/${name}`, TESTS)).catch(() => "");
      const opens = /new (Executor|Deno\.Command)\(|open\w*Worker\w*\(|testKinds\w*\(/.test(code);
      if (!name.endsWith("_test.ts") || !opens) continue;
      assert(code.includes("\nleaveNothing();\n"), `${room}/${name} does not call leaveNothing()`);
    }
  }
});
