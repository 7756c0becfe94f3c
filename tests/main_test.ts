// contract: all tests are run once, and none that fails is left out of the counts, or of the last lines
import { assert, assertEquals } from "@std/assert";
import { listRooms } from "./main.ts";
import {
  type Failure,
  FileTimes,
  listFailures,
  listFailuresOfLog,
  toBlock,
  toCounts,
  toReport,
} from "./test_output.ts";

function* listTests(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(`../${folder}`, import.meta.url))) {
    if (isDirectory) yield* listTests(`${folder}/${name}`);
    else if (name.endsWith("_test.ts")) yield `${folder}/${name}`;
  }
}

Deno.test("deno task test runs each file of tests in one room", () => {
  const rooms = listRooms();
  for (const file of listTests("tests")) {
    const places = rooms.filter(({ tests }) =>
      tests.some((test) => file === test || file.startsWith(`${test}/`))
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

/** What a `deno test` prints that fails in every way. */
const FAILING = {
  "fails_test.ts": `
    Deno.test("passes", () => {});
    Deno.test("fails: with a colon", () => {
      throw new RangeError("first line\\nsecond line", { cause: new Error("inner") });
    });
    Deno.test("has steps", async (t) => {
      await t.step("inner step", () => { throw new Error("of a step"); });
    });
    Deno.test({ name: "leaks", sanitizeOps: true, fn: () => void setTimeout(() => {}, 60_000) });
    Deno.test("prints => ./a.ts:3:4", () => {
      console.log("ok | 3 passed | 0 failed (3s)\\n\\n FAILURES \\n\\nnothing\\n");
      throw "text";
    });`,
  "load_test.ts": `Deno.test("never runs", () => {});\nthrow new Error("at load");`,
  "end_test.ts": `Deno.test.afterAll(() => { throw new Error("at the end"); });
    Deno.test("runs", () => {});`,
};

async function runDeno(folder: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: folder,
    env: { NO_COLOR: "1" },
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("deno task test and .ci/run name at their end whatever has failed, and why", async () => {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(FAILING)) {
      Deno.writeTextFileSync(`${folder}/${name}`, text);
    }
    const [output, unknown] = await Promise.all([
      runDeno(folder, "test", "--no-check", "--trace-leaks", ...Object.keys(FAILING)),
      runDeno(folder, "test", "nowhere_test.ts"),
    ]);
    const failures = listFailures("room", output);
    const has = (name: string, ...error: string[]) => {
      const failure = failures.find((failure) => failure.name === name);
      assertEquals(failure?.error.slice(0, error.length), error, name);
    };
    has("fails: with a colon", "error: RangeError: first line", "second line");
    has("has steps ... inner step", "error: Error: of a step");
    has("leaks", "error: Leaks detected:");
    has("prints => ./a.ts:3:4", 'error: "text"');
    has("./load_test.ts (uncaught error)", "error: (in promise) Error: at load");
    has("./end_test.ts (uncaught error)", "error: Error: at the end");
    assertEquals(failures.length, 6);
    const [missing] = listFailures("missing", unknown);
    assertEquals([missing?.room, missing?.name], ["missing", undefined]);
    assert(missing?.error[0]?.startsWith("error: "), unknown);

    // As `.ci/run` does, from the whole log of `deno task test`, and that of another run.
    const sound = "ok | 3 passed | 0 failed (1s)\n";
    const log = [
      toBlock("sound", { success: true, output: sound }),
      toBlock("room", { success: false, output }),
      toBlock("types", { success: false, output: "TS2322 [ERROR]: Type\n  not assignable\n" }),
      "== slowest: 0 files, in seconds\n\nFAILED | 4 passed | 7 failed (1s)\n",
    ].join("\n");
    const ofLog = listFailuresOfLog("log", log);
    assertEquals(ofLog, [...failures, {
      room: "types",
      name: undefined,
      error: ["TS2322 [ERROR]: Type", "not assignable"],
    }]);
    Deno.writeTextFileSync(`${folder}/deno task test`, log);
    Deno.writeTextFileSync(`${folder}/another run`, unknown);
    const program = new URL("test_output.ts", import.meta.url).href;
    const logs = ["deno task test", "another run"];
    const args = ["run", "--no-check", "--no-config", "--allow-read", program, ...logs];
    const [another] = listFailures("another run", unknown);
    assert(another !== undefined);
    assertEquals(await runDeno(folder, ...args), `${toReport([...ofLog, another])}\n`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("deno task test names failures in few lines, however many there are", () => {
  const list = (count: number): Failure[] =>
    Array.from({ length: count }, (_, index) => ({
      room: "room",
      name: `test ${index}`,
      error: Array.from({ length: 8 }, (_, line) => `line ${line}`),
    }));
  for (const count of [1, 2, 5, 12, 23, 24]) {
    const lines = toReport(list(count)).split("\n");
    const names = lines.filter((line) => line.startsWith("failed: room: test "));
    assertEquals([names.length, lines.length <= 24], [count, true]);
    assertEquals(lines[1], count <= 12 ? "  line 0" : "failed: room: test 1");
  }
  const many = toReport(list(200)).split("\n");
  assertEquals([many.length, many.at(-1)], [24, "failed: and 177 more"]);
});

Deno.test("deno task test counts the time of a file from the end of the file before", () => {
  const times = new FileTimes();
  const texts: [number, string][] = [
    [1000, "running 2 tests from ./tests/a_test.ts\none ... ok (1s)\n"],
    [3000, "two ... ok (2s)\n"],
    [3500, "running 1 test from ./tests/b_test.ts\n"],
    [7000, "three ... ok (3s)\n"],
    [7001, "ok | 3 passed | 0 failed (7s)\n"],
  ];
  for (const [time, text] of texts) times.read(text, time);
  assertEquals([...times.end()], [["tests/a_test.ts", 3], ["tests/b_test.ts", 4.001]]);
});
