// End-to-end: files and environment variables that a task reads by name, and says so.
import {
  cacheScope,
  ChangedArgumentError,
  createMemoryCache,
  Executor,
  FileError,
  openBag,
  type Task,
  task,
} from "@quiver/quiver";
import { rekey } from "@quiver/quiver/caches";
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { Files } from "./_files.ts";

leaveNothing();

/** With it a program elsewhere finds the packages that Quiver needs. */
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;

/** A module with tasks, beside the file that they read. */
async function importTasks(files: Files): Promise<{
  readonly readTable: Task<[], string>;
  readonly readVariable: Task<[], string | undefined>;
  readonly changeTable: Task<[], number>;
  readonly callTable: Task<[], string>;
  readonly callOther: Task<[], string>;
  readonly writeTable: Task<[string], string>;
  readonly apply: Task<[Task<[], string>], string>;
}> {
  const code = `import { task } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url))};
const TABLE = new URL("./table.csv", import.meta.url);
const note = () => Deno.writeTextFileSync(${JSON.stringify(files.log)}, ".", { append: true });
export const readTable = task(import.meta, function readTable(): string {
  note();
  return Deno.readTextFileSync(TABLE);
}, { inputs: [TABLE] });
export const readVariable = task(import.meta, function readVariable(): string | undefined {
  note();
  return Deno.env.get("QUIVER_TEST_NAME");
}, { env: ["QUIVER_TEST_NAME"] });
export const changeTable = task(import.meta, function changeTable(): number {
  Deno.writeTextFileSync(TABLE, "more", { append: true });
  return 1;
}, { inputs: [TABLE] });
const helper = async () => (await readTable()) + (await readVariable() ?? "");
export const callTable = task(import.meta, async function callTable(): Promise<string> {
  note();
  return "called " + await helper();
});
export const callOther = task(import.meta, function callOther(): string {
  note();
  return "other";
});
export const writeTable = task(import.meta, async function writeTable(text: string): Promise<string> {
  Deno.writeTextFileSync(TABLE, text);
  return "written " + await readTable();
});
export const apply = task(import.meta, async function apply(
  read: () => Promise<string>,
): Promise<string> {
  note();
  return "applied " + await read();
});
`;
  const path = files.at("tasks.ts");
  await Deno.writeTextFile(path, code);
  return await import(`file://${path}`);
}

for (const workerType of WORKER_TYPES) {
  Deno.test(`${workerType}: a task's \`inputs\` count by content`, async () => {
    await using files = new Files();
    await using bag = await openBag(files.at("results.bag"));
    const { readTable, changeTable } = await importTasks(files);
    const table = files.at("table.csv");
    await cacheScope({ cache: bag }, async () => {
      await using executor = new Executor({ workerType, maxWorkers: 1 });
      for (const [text, runs] of [["one", 1], ["two", 2], ["one", 2]] as const) {
        Deno.writeTextFileSync(table, text);
        assertEquals(await executor.submit(readTable), text);
        assertEquals(await readTable(), text);
        assertEquals(files.runs, runs);
      }
      const error = await assertRejects(() => executor.submit(changeTable), ChangedArgumentError);
      assertEquals(error.path, "./table.csv");
      Deno.removeSync(table);
      await assertRejects(() => executor.submit(readTable), FileError, "there is no such file");
    });
  });

  Deno.test(`${workerType}: a task's \`env\` counts by value`, async () => {
    await using files = new Files();
    await using bag = await openBag(files.at("results.bag"));
    const { readVariable } = await importTasks(files);
    await cacheScope({ cache: bag }, async () => {
      for (const [value, runs] of [["one", 1], ["", 2], [undefined, 3], ["one", 3]] as const) {
        if (value === undefined) Deno.env.delete("QUIVER_TEST_NAME");
        else Deno.env.set("QUIVER_TEST_NAME", value);
        await using executor = new Executor({ workerType, maxWorkers: 1 });
        assertEquals(await executor.submit(readVariable), value);
        assertEquals(files.runs, runs);
      }
    });
    Deno.env.delete("QUIVER_TEST_NAME");
  });
}

for (const workerType of WORKER_TYPES) {
  Deno.test(`${workerType}: what a task reads counts for those that call it`, async () => {
    await using files = new Files();
    await using bag = await openBag(files.at("results.bag"));
    const { apply, callOther, callTable, readTable } = await importTasks(files);
    await cacheScope({ cache: bag }, async () => {
      await using executor = new Executor({ workerType, maxWorkers: 1 });
      for (const [text, runs] of [["one", 5], ["two", 8], ["one", 8]] as const) {
        Deno.writeTextFileSync(files.at("table.csv"), text);
        assertEquals(await executor.submit(callTable), `called ${text}`);
        assertEquals(await executor.submit(apply, readTable), `applied ${text}`);
        assertEquals(await executor.submit(callOther), "other");
        assertEquals(files.runs, runs);
      }
    });
  });
}

Deno.test("what a task reads may be written by those that call it", async () => {
  await using files = new Files();
  const cache = createMemoryCache();
  const { callTable, writeTable } = await importTasks(files);
  await cacheScope({ cache, strict: true }, async () => {
    assertEquals(await writeTable("one"), "written one");
    assertEquals(await writeTable("two"), "written two");
    assertEquals(await callTable(), "called two");
    const record = await cache.record(await callTable.digest());
    assertEquals(record?.reads?.map(({ kind, name }) => [kind, name]), [
      ["file", "./table.csv"],
      ["env", "QUIVER_TEST_NAME"],
    ]);
    assertEquals(Object.keys(record?.reads?.[0] ?? {}).sort(), ["digest", "kind", "name"]);
    assertEquals(await rekey(cache), { moved: 0, unchanged: 6, unknown: 0 });
    Deno.removeSync(files.at("table.csv"));
    // The task that reads it says so, and only where it runs.
    await assertRejects(() => callTable(), FileError, "there is no such file");
  });
});

Deno.test("a process with another environment does not give the result of this one", async () => {
  await using files = new Files();
  await using bag = await openBag(files.at("results.bag"));
  const { readVariable } = await importTasks(files);
  await cacheScope({ cache: bag }, async () => {
    const env = { QUIVER_TEST_NAME: "theirs" };
    await using executor = new Executor({ workerType: "process", maxWorkers: 1, env });
    const error = await assertRejects(
      () => executor.submit(readVariable),
      ChangedArgumentError,
      "has another value where the body runs",
    );
    assertEquals(error.path, "QUIVER_TEST_NAME");
    assertEquals(await readVariable.contains(), false);
  });
  assertEquals(files.runs, 0);
});

Deno.test("what a task reads by name stands in its records, and moves with its calls", async () => {
  await using files = new Files();
  const cache = createMemoryCache();
  const { readTable } = await importTasks(files);
  Deno.writeTextFileSync(files.at("table.csv"), "one");
  await cacheScope({ cache }, async () => {
    assertEquals(await readTable(), "one");
    const key = await readTable.digest();
    const record = await cache.record(key);
    assertEquals(record?.reads?.map(({ kind, name }) => [kind, name]), [["file", "./table.csv"]]);
    assertEquals(Object.keys(record?.reads?.[0] ?? {}).sort(), ["digest", "kind", "name"]);
    assertEquals(await rekey(cache), { moved: 0, unchanged: 1, unknown: 0 });
    const [there, back] = [() => ({ task: "renamed" }), () => ({ task: "readTable" })];
    for (const change of [there, back]) {
      assertEquals(await rekey(cache, { change }), { moved: 1, unchanged: 0, unknown: 0 });
    }
    assertEquals((await cache.record(key))?.key, key);
    assertEquals(await readTable(), "one");
    assertEquals(files.runs, 1);
  });
});

Deno.test("explain() names the file and the variable that made a call run again", async () => {
  await using files = new Files();
  const { readTable } = await importTasks(files);
  await cacheScope({ cache: createMemoryCache() }, async () => {
    for (const text of ["one", "two"]) {
      Deno.writeTextFileSync(files.at("table.csv"), text);
      await readTable();
    }
    Deno.writeTextFileSync(files.at("table.csv"), "three");
    const explained = await readTable.explain();
    const names = explained.reasons.map((reason) => reason.kind === "read" && reason.name);
    assertEquals([explained.hit, names], [false, ["./table.csv"]]);
    assert(String(explained).includes("file ./table.csv: "), String(explained));
  });
});

Deno.test("where an input lies does not count, but which of two it is does", async () => {
  await using files = new Files();
  const [one, two] = [files.writeOld("one", "1"), files.writeOld("two", "2")];
  Deno.copyFileSync(one, files.at("copy"));
  // Read anew each time, as a program on another machine does.
  const digest = async (...names: readonly string[]) => {
    const code = `import { task } from ${JSON.stringify(new URL("../../mod.ts", import.meta.url))};
      const read = task("file:///tasks.ts", () => 0, { name: "read", code: "none", inputs: ${
      JSON.stringify(names)
    } });
      console.log(await read.digest());`;
    const path = files.at("program.ts");
    await Deno.writeTextFile(path, code);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", `--config=${CONFIG}`, "--allow-read", path],
    }).output();
    const text = new TextDecoder().decode(stdout).trim();
    assertEquals(text.length, 64, text);
    return text;
  };
  assertEquals(await digest(one, two), await digest(files.at("copy"), two));
  assertNotEquals(await digest(one, two), await digest(two, one));
  assertNotEquals(await digest(one), await digest(one, one));
});

Deno.test("task() refuses `inputs` and `env` that name nothing", () => {
  const fn = () => 0;
  const define = (options: object) => task("data:,", fn, { name: "wrong", ...options });
  for (const inputs of ["table.csv", [1], [""], {}]) {
    assertThrows(() => define({ inputs }), TypeError, "`inputs`");
  }
  assertThrows(
    () => define({ inputs: [new URL("https://example.com/a")] }),
    TypeError,
    "no file of this machine",
  );
  for (const env of ["HOME", [1], [""]]) assertThrows(() => define({ env }), TypeError, "`env`");
});

Deno.test("an environment variable that may not be read is an error that names the flag", async () => {
  const program = `
    import { cacheScope, createMemoryCache, task } from ${
    JSON.stringify(new URL("../../mod.ts", import.meta.url))
  };
    const read = task(import.meta, () => 1, { name: "read", env: ["HOME"] });
    await cacheScope({ cache: createMemoryCache() }, () => read());`;
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(path, program);
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", `--config=${CONFIG}`, "--allow-read", path],
  }).output();
  const text = new TextDecoder().decode(stderr);
  assertEquals(success, false);
  assert(text.includes("--allow-env"), text);
  assert(text.includes('"HOME"'), text);
  await Deno.remove(path);
});
