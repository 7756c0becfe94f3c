// end-to-end: the commands of `quiver`, in this process
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cacheScope, closeCaches, openBag } from "@quiver/quiver";
import { query } from "@quiver/quiver/caches";
import { COMMANDS } from "../../src/cli/commands.ts";
import { fillBag, Folder, makeBag, quiver } from "./_cli.ts";
import { area, fail, wave } from "./testdata/tasks.ts";

const TASKS = new URL("./testdata/tasks.ts", import.meta.url).href;

/** One bag for all tests that only read it. */
const folder = new Folder();
await makeBag();
Deno.chdir(import.meta.dirname ?? ".");

Deno.test.beforeAll(() => Deno.chdir(folder.path));
Deno.test.afterAll(() => folder[Symbol.asyncDispose]());

/** The keys of calls, by task. */
async function keysOf(task: string, state: "done" | "failed" = "done"): Promise<string[]> {
  await using bag = await openBag("results.bag", { mode: "read" });
  return await Array.fromAsync(query(bag, { task, state }), ({ key }) => key);
}

Deno.test("quiver ls prints a table that fits the terminal, and all of it where there is none", async () => {
  for (const width of [40, 80, 200]) {
    const { code, out } = await quiver(["ls", "wave"], { width });
    assertEquals(code, 0);
    const lines = out.split("\n");
    assertEquals(lines.length, 5);
    for (const line of lines) assert([...line].length <= width, `${width}: ${line}`);
  }
  const narrow = await quiver(["ls", "wave"], { width: 40 });
  assertStringIncludes(narrow.err, "too narrow for ");
  const { out } = await quiver(["ls", "wave"]);
  assertMatch(out, /^key +rate +n +duration +started +run\n/);
  assertMatch(out, /\n[0-9a-f]{12} +0\.25 +1000 +\d.* friday\n/);
});

Deno.test("quiver ls filters, sorts, chooses columns and takes the first", async () => {
  const list = async (...args: string[]) => {
    const { out } = await quiver(["ls", "-c", "rate", "wave", ...args]);
    return out.split("\n").slice(1, -1);
  };
  assertEquals(await list("--arg", "rate>0.25"), ["0.5", "0.75"]);
  assertEquals(await list("--arg", "rate=0.5"), ["0.5"]);
  assertEquals(await list("--arg", "rate!=0.5"), ["0.25", "0.75"]);
  assertEquals(await list("--sort", "rate", "--reverse", "-n", "2"), ["0.75", "0.5"]);
  assertEquals(await list("--tag", "run=friday", "--after", "1h", "--task-version", "1"), [
    "0.25",
    "0.5",
    "0.75",
  ]);
  assertEquals(await list("--sort", "result.rate", "--reverse", "-n", "1"), ["0.75"]);
  const unsorted = await quiver(["ls", "wave", "--sort", "result.rat"]);
  assertEquals([unsorted.code, unsorted.out], [2, ""]);
  assertStringIncludes(unsorted.err, 'Cannot sort by "result.rat": no call has it; --args and');
  assertEquals((await quiver(["ls", "none", "--sort", "result.rat"])).code, 1);
  assertEquals(await list("--before", "2026-01-01"), []);
  assertEquals(await list("--longer", "1d"), []);
  const { out } = await quiver(["ls", "wave", "-c", "rate,result.rate,tag.run", "-n", "1"]);
  assertEquals(out, "rate  result.rate  run\n0.25  0.25         friday\n");
  const { out: failed } = await quiver(["ls", "--failed", "-c", "task,error"]);
  assertEquals(failed, "task  error\nfail  RangeError: no root of -1\\x1b[2J\\u{202e}\\nDone\n");
});

Deno.test("quiver ls --json gives records as they are, --csv what RFC 4180 says", async () => {
  await using bag = await openBag("results.bag", { mode: "read" });
  const records = await Array.fromAsync(query(bag, { task: "label" }));
  const { out: json } = await quiver(["ls", "label", "--json"], { width: 20 });
  assertEquals(json.split("\n").slice(0, -1).map((line) => JSON.parse(line)), records);
  const { out: full } = await quiver(["ls", "label", "--json", "--args", "--results"]);
  const { arguments: args, value } = JSON.parse(full);
  assertEquals([args, value], [{ text: "x\u202e\x1b[31m\ny" }, "red x\u202e\x1b[31m\ny"]);
  const { out: csv } = await quiver(["ls", "label", "-c", "text,version,task", "--csv"]);
  assertEquals(csv, 'text,version,task\n"x\u202e\x1b[31m\ny",,label\n');
  const { code, err } = await quiver(["ls", "--json", "--csv"]);
  assertEquals([code, err], [2, "quiver: Cannot use both --json and --csv\n"]);
});

Deno.test("every command takes a key or digest by its first four characters", async () => {
  const [first = "", second = ""] = await keysOf("wave");
  const [failed = ""] = await keysOf("fail", "failed");
  const calls: readonly (readonly [args: readonly string[], code: number])[] = [
    [["show", first.slice(0, 4)], 0],
    [["show", failed.slice(0, 5)], 0],
    [["show", first.slice(0, 6).toUpperCase()], 0],
    [["cat", `${first.slice(0, 4)}/ys/2`], 0],
    [["explain", first.slice(0, 4)], 0],
    [["diff", first.slice(0, 4), second.slice(0, 4)], 0],
    [["rerun", first.slice(0, 4), "--no-store", "--from", TASKS], 0],
    [["rm", first.slice(0, 4)], 2],
    [["show", first.slice(0, 3)], 1],
  ];
  for (const [args, code] of calls) {
    const ran = await quiver(args);
    assertEquals(ran.code, code, `${args.join(" ")}: ${ran.err}`);
  }
  const { out } = await quiver(["show", (await resultOf(first)).slice(0, 4)]);
  assertMatch(out, /^value .*\nis +\{ rate: 0\.25, ys: Float64Array\(1000\) \[/);
  assertMatch(out, /\nresult of +[0-9a-f]{12} +wave\n$/);
});

async function resultOf(key: string): Promise<string> {
  await using bag = await openBag("results.bag", { mode: "read" });
  return (await bag.record(key))?.result ?? "";
}

Deno.test("an ambiguous digest is refused with how many characters are needed", async () => {
  await using _ = new Folder();
  await using bag = await openBag("many.bag");
  // Among so many digests some begin alike.
  for (let n = 0; n < 2000; n++) await bag.putValue(n);
  const digests = await Promise.all(Array.from({ length: 2000 }, (_, n) => bag.putValue(n)));
  const twice = Map.groupBy(digests, (digest) => digest.slice(0, 4)).entries()
    .find(([, all]) => all.length > 1);
  const { code, err } = await quiver(["cat", twice?.[0] ?? ""]);
  assertEquals(code, 1);
  assertMatch(err, /: \d+ digests begin so; give the first \d+ characters of one\n$/);
});

Deno.test("quiver show tells what a call took, gave and was tagged with, and why it failed", async () => {
  const [key = ""] = await keysOf("wave");
  const { out } = await quiver(["show", key]);
  const shown = out.replaceAll(/ +(?=\S)/g, " ").split("\n");
  assertEquals(shown.slice(0, 4), [
    `call ${key}`,
    "task wave",
    "module @quiver/quiver/tests/cli/testdata/tasks.ts",
    "version 1",
  ]);
  assertMatch(shown[4] ?? "", /^started \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  assertMatch(shown[5] ?? "", /^took \d\S* (µs|ms|s)$/);
  assertMatch(shown[6] ?? "", /^ point [0-9a-f]{12} \{ rate: 0\.25, n: 1000 \}$/);
  const result = (await resultOf(key)).slice(0, 12);
  assertMatch(
    shown[7] ?? "",
    new RegExp(`^result ${result} \\{ rate: 0\\.25, ys: Float64Array\\(1000\\) `),
  );
  assertEquals(shown.slice(8), ['tag run "friday"', ""]);
  const [failed = ""] = await keysOf("fail", "failed");
  const { out: why } = await quiver(["show", failed]);
  assertMatch(
    why,
    /\nfailed +1 attempt\n\nRangeError: no root of -1\\x1b\[2J\\u\{202e\}\nDone\n +at /,
  );
  const { out: json } = await quiver(["show", key, "--json"]);
  assertEquals(JSON.parse(json).value.ys.$Float64Array.length, 1000);
});

Deno.test("quiver cat prints a value, a part of it, its bytes, and a text as it is where no terminal is", async () => {
  const [wave = ""] = await keysOf("wave");
  const [text = ""] = await keysOf("label");
  assertEquals((await quiver(["cat", `${wave}/ys/3`])).out, "0.75\n");
  assertEquals((await quiver(["cat", `${wave}/rate`, "--json"])).out, "0.25\n");
  assertEquals((await quiver(["cat", text])).out, "red x\u202e\x1b[31m\ny");
  assertEquals((await quiver(["cat", text], { width: 80 })).out, "red x\\u{202e}\\x1b[31m\ny\n");
  const raw = await quiver(["cat", `${wave}/rate`, "--raw"]);
  assertEquals([raw.code, raw.out], [1, ""]);
  const missing = await quiver(["cat", `${wave}/zs`]);
  assertEquals(missing.code, 1);
  assertStringIncludes(missing.err, "zs");
});

Deno.test("quiver diff tells in which arguments and results two calls differ", async () => {
  const [first = "", second = ""] = (await keysOf("wave")).map((key) => key.slice(0, 8));
  const { out, err } = await quiver(["diff", first, second, "-n", "3"]);
  assertEquals(
    out,
    `what                  ${first}  ${second}
arguments/point/rate  0.25      0.5
result/rate           0.25      0.5
result/ys/1           0.25      0.5
`,
  );
  assertStringIncludes(err, "more differences");
  assertEquals((await quiver(["diff", first, first])).err, "They do not differ\n");
  const { out: json } = await quiver(["diff", first, second, "--json", "-n", "1"]);
  const { was, is } = JSON.parse(json);
  assertEquals([was, is], [0.25, 0.5]);
});

Deno.test("quiver stats, du and failures tell of each task", async () => {
  const { out: stats } = await quiver(["stats", "--json"]);
  const counted = stats.split("\n").slice(0, -1).map((line) => JSON.parse(line));
  assertEquals(
    counted.map(({ task, calls, failed }) => [task, calls, failed]).sort(),
    [["area", 2, 0], ["fail", 0, 1], ["label", 1, 0], ["wave", 3, 0]],
  );
  const { out: du } = await quiver(["du"]);
  assertMatch(du, /^task +calls +values +size +shared\nwave +3 +9 +2\d\.\d KiB\n/);
  const { out: failures } = await quiver(["failures"]);
  assertMatch(failures, /\n[0-9a-f]{12} +fail +1 .* RangeError: no root of -1\\x1b\[2J/);
  assertEquals((await quiver(["failures", "wave"])).code, 1);
});

Deno.test("what anybody has put into a bag does nothing to a terminal", async () => {
  const [key = ""] = await keysOf("label");
  const [failed = ""] = await keysOf("fail", "failed");
  const calls = [
    ["ls", "--args", "--results"],
    ["ls", "label"],
    ["ls", "--json", "--args", "--results"],
    ["ls", "label", "--csv", "--results"],
    ["cat", key, "--json"],
    ["show", key, "--json"],
    ["ls", "--failed"],
    ["show", key],
    ["show", await resultOf(key)],
    ["show", failed],
    ["cat", key],
    ["explain", key],
    ["diff", key, (await keysOf("area"))[0] ?? ""],
    ["stats"],
    ["du"],
    ["failures"],
    ["tail", "--no-follow"],
    ["rm", "--failed"],
    ["rerun", failed, "--no-store", "--from", TASKS],
    ["ls", "\x1b[2Jno task\u202e"],
    ["ls", "--\x1b[2J"],
    ["\x1b[2Jls"],
    ["cat", "\x1b[2J"],
    ["ls", "--bag", "\x1b[2J"],
  ];
  for (const args of calls) {
    const { out, err } = await quiver(args, { width: 80, answer: "no" });
    const written = out + err;
    assertEquals(
      written.match(/[^\n\P{Cc}]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu),
      null,
      args.join(" "),
    );
    if (args[0] !== "cat" && args[0] !== "rerun" && !args.includes(failed)) {
      assert(!/^(?:Done|y)$/m.test(written), `${args.join(" ")} begins a line of its own`);
    }
  }
});

Deno.test("only a terminal gets colours, and only for what Quiver says", async () => {
  const plain = await quiver(["ls"], { width: 80 });
  const colored = await quiver(["ls"], { width: 80, color: true });
  assertEquals(plain.out.includes("\x1b"), false);
  assertEquals(colored.out.replace("\x1b[1m", "").replace("\x1b[22m", ""), plain.out);
  assertEquals(
    (await quiver(["ls", "--json"], { width: 80, color: true })).out.includes("\x1b"),
    false,
  );
});

Deno.test("the bag is the one that is named, the configuration's default, or the only one here", async () => {
  await using _ = new Folder();
  const none = await quiver(["ls"]);
  assertEquals(none.code, 2);
  assertStringIncludes(none.err, "no *.bag is here");
  assertEquals(Array.from(Deno.readDirSync("."), ({ name }) => name), ["quiver.json"]);
  await makeBag("one.bag");
  assertEquals((await quiver(["ls", "area"])).code, 0);
  await makeBag("elsewhere");
  await makeBag("two.bag");
  const many = await quiver(["ls"]);
  assertEquals([many.code, many.err.includes("here are one.bag, two.bag")], [2, true]);
  for (
    const args of [["ls", "two.bag"], ["ls", "area", "two.bag"], ["ls", "elsewhere"], [
      "ls",
      "-b",
      "elsewhere",
    ]]
  ) {
    assertEquals((await quiver(args)).code, 0, args.join(" "));
  }
  const missing = await quiver(["ls", "three.bag"]);
  assertEquals(missing.code, 2);
  assertStringIncludes(
    missing.err,
    `Cannot open "three.bag": there is none; here are one.bag, two.bag`,
  );
  const caches = { mine: { type: "bag", path: "later.bag" }, db: { type: "sqlite", path: "a.db" } };
  Deno.writeTextFileSync("quiver.json", JSON.stringify({ root: true, default: "mine", caches }));
  // A default that is not there yet is looked into, and not made.
  assertEquals((await quiver(["ls"])).code, 1);
  assertEquals(Array.from(Deno.readDirSync("."), ({ name }) => name).includes("later.bag"), false);
  await Deno.rename("two.bag", "later.bag");
  assertEquals((await quiver(["ls", "area"])).code, 0);
  const both = await quiver(["ls", "one.bag", "--cache", "mine"]);
  assertEquals(both.code, 2);
  const wrong = await quiver(["compact", "--cache", "nine", "--yes"]);
  assertStringIncludes(wrong.err, "the caches are mine, db");
});

Deno.test("exit codes are 0, 1 for nothing found or a failure, and 2 for a wrong call", async () => {
  const calls: readonly (readonly [args: readonly string[], code: number, says: string])[] = [
    [["--help"], 0, ""],
    [["help", "ls"], 0, ""],
    [["ls", "--help"], 0, ""],
    [[], 0, ""],
    [["ls", "nothing"], 1, `No call of the task "nothing": the tasks are area, label, wave`],
    [["ls", "--arg", "rate>9"], 1, "No such calls"],
    [["show", "00000000"], 1, "neither a value nor a call"],
    [["show", "nothex"], 1, "hexadecimal"],
    [["lss"], 2, "(Did you mean ls?)"],
    [["ls", "--limt", "3"], 2, "(Did you mean --limit?)"],
    [["ls", "a", "b"], 2, `unexpected operand "b"`],
    [["show"], 2, "missing operand <key>"],
    [["diff", "abcd"], 2, "missing operand <other>"],
    [["ls", "--limit", "many"], 2, "--limit"],
    [["ls", "--after", "yesterday"], 2, "a time is"],
    [["ls", "--longer", "3"], 2, "a length of time is"],
    [["ls", "--arg", ">3"], 2, "a condition is"],
    [["rm"], 2, "give keys"],
    [["completions", "tcsh"], 2, "the shells are bash, zsh, fish"],
    [["export", "calls.xyz"], 2, "say --hdf5"],
    [["explain", "area", "{1"], 2, "is no JSON"],
  ];
  for (const [args, code, says] of calls) {
    const ran = await quiver(args);
    assertEquals(ran.code, code, `quiver ${args.join(" ")}: ${ran.err}`);
    assertStringIncludes(ran.err, says, args.join(" "));
  }
  assertEquals((await quiver(["ls", "nothing", "--quiet"])).err, "");
});

Deno.test("the help of every command has an example, and the program's lists all", async () => {
  const { out } = await quiver(["--help"], { width: 80 });
  for (const { name, summary } of COMMANDS) {
    assertStringIncludes(out.replaceAll(/\s+/g, " "), `${name} ${summary}`);
    const { code, out: help } = await quiver(["help", name], { width: 80 });
    assertEquals(code, 0);
    assertMatch(help, new RegExp(`\nExamples:\n  quiver ${name}`));
    assertStringIncludes(
      help,
      "Exit codes: 0 done; 1 nothing found, unsound, or failed; 2 called wrongly.",
    );
    for (const line of help.split("\n")) assert(line.length <= 100, line);
  }
});

Deno.test("quiver rm says what it would forget and asks; it forgets nothing else", async () => {
  await using _ = new Folder();
  await makeBag();
  const left = async () => (await quiver(["ls", "-c", "task"])).out.split("\n").slice(1, -1).sort();
  const [key = ""] = await keysOf("area");
  const refused = await quiver(["rm", key]);
  assertEquals(refused.code, 2);
  assertStringIncludes(
    refused.err,
    `Forget 1 call of "results.bag"? Nobody can be asked here: say --yes`,
  );
  const no = await quiver(["rm", "--task", "wave"], { answer: "", width: 80 });
  assertEquals([no.code, no.asked], [1, ['Forget 3 calls of "results.bag"? [y/N] ']]);
  assertEquals(no.out.split("\n").length, 5);
  assertEquals((await left()).length, 6);
  assertEquals((await quiver(["rm", key], { answer: "y" })).code, 0);
  assertEquals(await left(), ["area", "label", "wave", "wave", "wave"]);
  assertEquals((await quiver(["rm", "--arg", "rate>=0.5", "--yes"])).code, 0);
  assertEquals(await left(), ["area", "label", "wave"]);
  assertEquals((await quiver(["rm", "--failed", "-y"])).code, 0);
  assertEquals((await quiver(["failures"])).code, 1);
  assertEquals(await left(), ["area", "label", "wave"]);
  assertEquals((await quiver(["rm", key, "--task", "area", "--yes"])).code, 2);
});

Deno.test("quiver rm leaves what it chooses by a tag to others that have used it", async () => {
  await using _ = new Folder();
  await makeBag();
  {
    await using cache = await openBag("results.bag", { fold: "manual" });
    await cacheScope({ cache, tags: { run: "monday" } }, () => wave({ rate: 0.5, n: 1000 }));
  }
  const rates = async (tag: string) =>
    (await quiver(["ls", "wave", "-c", "rate", "--tag", tag])).out.split("\n").slice(1, -1);
  const { err } = await quiver(["rm", "--tag", "run=friday", "--yes"]);
  assertStringIncludes(err, "1 call left to others that have used them, too\n2 calls forgotten");
  assertEquals([await rates("run=friday"), await rates("run=monday")], [[], ["0.5"]]);
  await quiver(["rm", "--tag", "run=monday", "--yes"]);
  assertEquals(await keysOf("wave"), []);
});

Deno.test("quiver gc and compact say what they would drop, ask, and drop it", async () => {
  await using _ = new Folder();
  await makeBag();
  assertEquals((await quiver(["gc"])).err, "There is nothing to drop\n");
  await quiver(["rm", "--task", "wave", "--yes"]);
  const told = await quiver(["gc", "--dry-run"]);
  assertMatch(
    told.out,
    /^Drop up to 9 values \(2\d\.\d KiB\) that no call of "results.bag" names\n$/,
  );
  assertEquals((await quiver(["gc"])).code, 2);
  const no = await quiver(["gc", "--grace", "0s"], { answer: "n" });
  assertEquals([no.code, no.asked.length], [1, 1]);
  assertStringIncludes(
    (await quiver(["gc", "--yes"])).err,
    "Dropped 0 values, 0 B; what is younger is kept",
  );
  // What was stored within the last second stays in any case.
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const done = await quiver(["compact", "--grace", "0s", "--yes"]);
  assertMatch(done.err, /\nDropped 9 values, 2\d\.\d KiB\n$/);
  assertEquals((await quiver(["gc"])).err, "There is nothing to drop\n");
  assertEquals((await quiver(["verify"])).code, 0);
});

Deno.test("quiver verify ends with 1 where something is damaged, and repairs it", async () => {
  await using _ = new Folder();
  await makeBag();
  const sound = await quiver(["verify"]);
  assertEquals(sound.code, 0);
  assertMatch(sound.out, /results\.bag is sound\nstep +checked/);
  Deno.writeTextFileSync("results.bag/manifest.json", "damaged\x1b[2J");
  const unsound = await quiver(["verify", "results.bag"]);
  assertEquals(unsound.code, 1);
  assertMatch(unsound.out, /manifest: .*manifest\.json/);
  assertEquals(unsound.out.includes("\x1b"), false);
  assertStringIncludes(unsound.err, "--repair");
  const repaired = await quiver(["verify", "results.bag", "--repair", "--json"]);
  assertEquals([repaired.code, JSON.parse(repaired.out).sound], [0, true]);
  assertEquals((await quiver(["verify", "--quiet"])).out, "");
});

Deno.test("what quiver export writes, quiver import and other programs read", async () => {
  await using _ = new Folder();
  await makeBag();
  const out = await quiver(["export", "waves.h5", "--task", "wave", "--arg", "rate<0.7"]);
  assertEquals([out.code, out.err], [0, 'Wrote 2 calls into "waves.h5"\n']);
  const taken = await quiver(["import", "other.bag", "waves.h5"]);
  assertEquals([taken.code, taken.err], [0, "2 new calls, 0 known already, 0 rejected\n"]);
  assertEquals(
    (await quiver(["ls", "other.bag", "-c", "rate", "--sort", "rate"])).out,
    "rate\n0.25\n0.5\n",
  );
  assertEquals((await quiver(["export", "results.bag", "calls.csv"])).code, 0);
  const csv = Deno.readTextFileSync("calls.csv");
  assertEquals(csv, (await quiver(["export", "results.bag", "-", "--csv"])).out);
  assertMatch(
    csv,
    /^key,task,rate,n,width,height,text,result,result\.rate,result\.ys,duration,started,run\n/,
  );
  const waves = await quiver(["export", "results.bag", "-", "--csv", "--task", "wave"]);
  assertMatch(waves.out, /^key,rate,n,result\.rate,result\.ys,duration,.*\n.*,0\.25,1000,0\.25,"{/);
  assertMatch(csv, /,area,,,1,3,,3,,,/);
  assertEquals((await quiver(["export", "results.bag", "calls.jsonl"])).code, 0);
  const lines = Deno.readTextFileSync("calls.jsonl").split("\n").slice(0, -1);
  assertEquals(
    lines.map((line) => JSON.parse(line).task).sort().join(),
    "area,area,label,wave,wave,wave",
  );
  assertEquals((await quiver(["export", "results.bag", "calls.parquet"])).code, 0);
  assertEquals(Deno.readTextFileSync("calls.parquet").slice(0, 4), "PAR1");
  const there = await quiver(["export", "results.bag", "calls.csv"]);
  assertEquals(there.code, 2);
  assertStringIncludes(there.err, 'Replace "calls.csv"? Nobody can be asked here');
  assertEquals((await quiver(["export", "results.bag", "calls.csv"], { answer: "yes" })).code, 0);
  // A file of the bag's own is none that may be replaced.
  const inside = await quiver(["export", "results.bag", "results.bag/calls.jsonl", "--yes"]);
  assertEquals(inside.code, 1);
  assertStringIncludes(inside.err, "it lies in the cache");
  assertEquals((await quiver(["export", "results.bag", "none.csv", "--task", "none"])).code, 1);
  assertEquals((await quiver(["export", "results.bag", "-", "--parquet"])).code, 2);
  const names = Array.from(Deno.readDirSync("."), ({ name }) => name).filter((name) =>
    !name.endsWith(".bag")
  );
  assertEquals(names.sort(), [
    "calls.csv",
    "calls.jsonl",
    "calls.parquet",
    "quiver.json",
    "waves.h5",
  ]);
  const arrays = await quiver([
    "import",
    "other.bag",
    "waves.h5",
    "--datasets",
    "--path",
    "/calls/wave",
  ]);
  assertEquals(arrays.code, 0);
  assertMatch(arrays.out, /float64 +1000 /);
});

Deno.test("quiver explain, accept and rerun import the task by its records, and say so", async () => {
  await using _ = new Folder();
  await makeBag();
  await closeCaches();
  const bag = `${Deno.cwd()}/results.bag`;
  const [key = "", other = ""] = await keysOf("area");
  const [labelled = ""] = await keysOf("label");
  const [failed = ""] = await keysOf("fail", "failed");
  const lost = await quiver(["explain", "area", "1", "3"]);
  assertEquals(lost.code, 1);
  assertStringIncludes(lost.err, "name the module with --from");
  // From within the project, its modules are found by their records.
  Deno.chdir(import.meta.dirname ?? ".");
  const known = await quiver(["explain", bag, "area", "1", "3"]);
  assertEquals([known.code, known.err], [0, `Importing ${TASKS}\n`]);
  assertMatch(known.out, /^"area" [0-9a-f]{8} is known/);
  const unknown = await quiver(["explain", bag, "area", "1", "4"]);
  assertMatch(unknown.out, /is not known.*\n +argument height: 3 → 4\n/);
  const run = await quiver(["rerun", bag, key]);
  assertEquals([run.code, run.out], [0, "3\n"]);
  assertMatch(run.err, /; the result is the same\n$/);
  const wrong = await quiver(["rerun", bag, failed, "--no-store"]);
  assertEquals([wrong.code, wrong.out], [1, ""]);
  assertStringIncludes(wrong.err, "no root of -1");
  const ignored = await quiver(["rerun", bag, labelled]);
  assertEquals(ignored.code, 1);
  assertStringIncludes(ignored.err, "arguments that do not count were not recorded");
  const accepted = await quiver(["accept", bag, "area", "--dry-run"]);
  assertStringIncludes(accepted.err, "0 results would hold for the present code");
  await using opened = await openBag(bag, { mode: "read" });
  assertEquals((await opened.record(other))?.metadata, { tags: {} });
});

Deno.test("quiver rerun keeps the tags of the call", async () => {
  await using _ = new Folder();
  await makeBag();
  const [key = ""] = await keysOf("wave");
  assertEquals((await quiver(["rerun", key, "--from", TASKS, "--json"])).code, 0);
  await using bag = await openBag("results.bag", { mode: "read" });
  assertEquals((await bag.record(key))?.metadata, { tags: { run: "friday" } });
});

Deno.test("quiver imports no module from elsewhere because a record names it", async () => {
  await using _ = new Folder();
  await using bag = await openBag("results.bag");
  await fillBag(bag);
  const record = await query(bag, area).first();
  assert(record !== undefined);
  await bag.putRecord({
    ...record,
    key: "f".repeat(64),
    task: "evil",
    module: "https://evil.example/a.ts",
  });
  const { code, err } = await quiver(["rerun", "f".repeat(64)]);
  assertEquals(code, 1);
  assertStringIncludes(err, "name it with --from if you trust it");
});

Deno.test("quiver tail shows the last calls and each new one, until it is interrupted", async () => {
  await using _ = new Folder();
  await makeBag();
  await using bag = await openBag("results.bag");
  let end = () => {};
  let written = "";
  const seen = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const running = quiver(["tail", "-n", "2"], {
    width: 200,
    onInterrupt: (stop) => end = stop,
    onWrite(text) {
      written += text;
      if (written.includes("label(")) begun.resolve();
      if (written.includes("area(9, 9)") && written.includes("fail(-2)")) seen.resolve();
    },
  });
  await begun.promise;
  await cacheScope({ cache: bag, keepFailures: true }, async () => {
    await area(9, 9);
    await fail(-2).catch(() => {});
  });
  await seen.promise;
  end();
  const { code, out } = await running;
  assertEquals(code, 0);
  const lines = out.split("\n").slice(0, -1).map((line) => line.slice(45));
  assertEquals(lines.slice(0, 2).map((line) => line.replace(/\(.*/, "")), ["area", "label"]);
  assertEquals(lines.slice(2).sort(), [
    "area(9, 9)",
    "fail(-2): RangeError: no root of -2\\x1b[2J\\u{202e}\\nDone",
  ]);
});

Deno.test("a broken pipe ends the command quietly", async () => {
  let err = "";
  const { runQuiver } = await import("@quiver/quiver/cli");
  const write = () => {
    throw new Deno.errors.BrokenPipe("nobody reads");
  };
  const writeError = (text: string) => void (err += text);
  for (
    const args of [
      ["ls"],
      ["ls", "--json"],
      ["ls", "--csv"],
      ["show", (await keysOf("wave"))[0] ?? ""],
      ["--help"],
      ["stats"],
    ]
  ) {
    const terminal = { width: undefined, color: false, showsProgress: false, write, writeError };
    assertEquals([await runQuiver(args, { terminal }), err], [0, ""], args.join(" "));
  }
});

Deno.test("quiver completions knows every command and its options", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, out } = await quiver(["completions", shell]);
    assertEquals(code, 0);
    for (const { name } of COMMANDS) assertMatch(out, new RegExp(`\\b${name}\\b`));
    for (const option of ["repair", "parquet", "sort"]) assertStringIncludes(out, option);
  }
});
