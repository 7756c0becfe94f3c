// contract: SCENARIOS.md names a test for each behaviour of our lists, or the reason why there is none
import { testScenarios } from "./scenarios.ts";

/** The numbers of the list, in the groups about tasks, caches and stores. */
// deno-fmt-ignore
const FLECHE = [
  1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23, 25, 26, 27, 29, 30, 31, 33, 34, 35,
  37, 38, 39, 41, 42, 43, 45, 46, 47, 49, 50, 51, 53, 54, 55, 57, 58, 59,
];

testScenarios({ file: "SCENARIOS.md", list: "fleche", numbers: FLECHE });

/** The numbers of the list, in the group about caches of results. */
const EXECUTORS = [83, 85, 86, 87, 89, 90, 91];

testScenarios({ file: "SCENARIOS.md", list: "executors", numbers: EXECUTORS });
