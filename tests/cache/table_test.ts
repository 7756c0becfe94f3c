// contract: tables of calls: their columns, how they are printed, and the files that others read
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { cacheScope, createMemoryCache, Executor, type QuiverWarning, task } from "@quiver/quiver";
import { query, table } from "@quiver/quiver/caches";
import { grid, range } from "@quiver/quiver/sweeps";
import { parquetReadObjects } from "hyparquet";
import { Table } from "../../src/cache/table/table.ts";
import type { TableContent } from "../../src/cache/table/table_content.ts";
import { Tool } from "../tools.ts";
import { fill, toKey } from "./_records.ts";

const H5PY = Tool.find("python3-h5py");

const wave = task(
  import.meta,
  ({ rate, seed }: { rate: number; seed: number }) => ({
    height: rate * 10 + seed,
    orbit: { data: Float64Array.of(rate, seed, 0, 1, 2, 3), shape: [3, 2] },
    label: `${rate}`,
  }),
  { name: "wave" },
);

async function sweepWaves() {
  const cache = createMemoryCache();
  await using executor = new Executor({ workerType: "inline" });
  await cacheScope({ cache, strict: true, tags: { run: "friday" } }, async () => {
    await Array.fromAsync(executor.map(wave, grid({ rate: [0.5, 0.25], seed: range(3) })));
  });
  return cache;
}

function toTable(columns: readonly string[], ...rows: readonly (readonly unknown[])[]): Table {
  const content: TableContent = {
    columns,
    rows: rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]]))),
    results: columns.filter((name) => name.startsWith("result")),
    keys: rows.map((_, i) => `key${i}`),
  };
  return new Table(content);
}

Deno.test("table() has one row a call, and one column an axis of a sweep", async () => {
  const cache = await sweepWaves();
  const calls = query(cache, wave).sorted({ arg: "seed" }).sorted({ arg: "rate" });
  const all = await table(calls, { args: true, results: ["height", "none"] });
  assertEquals(all.columns, [
    ...["task", "rate", "seed", "height", "none", "run"],
    ...["started", "duration", "key", "module"],
  ]);
  assertEquals(all.length, 6);
  assertEquals(all.column("rate"), [0.25, 0.25, 0.25, 0.5, 0.5, 0.5]);
  assertEquals(all.column("height"), [2.5, 3.5, 4.5, 5, 6, 7]);
  assertEquals(all.column("none"), Array(6).fill(undefined));
  assertEquals([...all][0]?.run, "friday");
  assert(all.rows[0]?.started instanceof Date);
  assertThrows(
    () => all.column("hight"),
    RangeError,
    'no column "hight"; the columns are task, rate',
  );
  const some = await table(calls.take(1), { args: ["seed", "missing"], results: true });
  assertEquals(some.columns.slice(0, 5), ["task", "seed", "missing", "result", "run"]);
  assertEquals(some.column("result"), [{
    height: 2.5,
    orbit: { data: Float64Array.of(0.25, 0, 0, 1, 2, 3), shape: [3, 2] },
    label: "0.25",
  }]);
  assertEquals((await table(query(cache, { task: "none" }))).length, 0);
});

Deno.test("table() gives each column a name of its own", async () => {
  const cache = createMemoryCache();
  const clash = task(
    import.meta,
    (task: number, run: string, arg_task: number, p: { x: number }, q: { x: number }) => ({
      task,
      run,
      key: p.x + q.x,
      arg_task,
    }),
    { name: "clash", version: 2 },
  );
  await cacheScope({
    cache,
    strict: true,
    tags: { run: "tag", key: "k", host: "t" },
    metadata: { host: "m" },
  }, () => clash(1, "argument", 3, { x: 4 }, { x: 5 }));
  const all = await table(query(cache), { args: true, results: ["key", "run"] });
  const { started: _, duration: __, module: ___, key: ____, ...row } = all.rows[0] ?? {};
  assertEquals(row, {
    ...{ task: "clash", version: 2, run: "tag", tag_key: "k", host: "m", tag_host: "t" },
    ...{ arg_task: 1, arg_run: "argument", arg_arg_task: 3, "p.x": 4, "q.x": 5 },
    ...{ result_key: 9, result_run: "argument" },
  });
});

Deno.test("table() warns of what is not stored, and leaves its cell empty", async () => {
  const cache = createMemoryCache();
  const digest = "d".repeat(64);
  const result = await cache.putValue(7);
  await fill(cache, [{ result, args: [{ name: "n", digest }] }, { result: digest, args: [] }]);
  const warnings: string[] = [];
  const onWarning = ({ message }: QuiverWarning) => void warnings.push(message);
  const all = await table(query(cache, {}, { onWarning }), { args: true, results: true });
  assertEquals([all.column("n"), all.column("result")], [[undefined, undefined], [7, undefined]]);
  assertEquals(warnings.length, 1);
  assert(warnings[0]?.startsWith(`Cannot show all of 2 calls, first ${toKey(0)}`), warnings[0]);
  await assertRejects(() => table(cache as never), TypeError, "no selection of calls");
  await assertRejects(() => table(query(cache), { args: "n" as never }), TypeError, "`args`");
  await assertRejects(() => table(query(cache), { result: true } as never), TypeError, '"result"');
});

Deno.test("Table.toString() aligns columns, and is never wider than the terminal", () => {
  const all = toTable(
    ["name", "value", "note"],
    ["a", 1.23456789, "two\nlines\u001b[31m"],
    ["b\u4e16\u754c", -20, undefined],
    ["c", undefined, new Float64Array(9)],
  );
  assertEquals(
    all.toString({ width: 60 }),
    [
      "name     value  note",
      "─────  ───────  ───────────────",
      "a      1.23457  two lines [31m",
      "b\u4e16\u754c      -20",
      "c               Float64Array(9)",
    ].join("\n"),
  );
  assertEquals(Deno.inspect(all), all.toString());
  const wide = toTable(["first", "second", "third"], ["x".repeat(300), "y".repeat(50), { z: [1] }]);
  for (const width of [1, 5, 12, 30, 80]) {
    for (const line of wide.toString({ width }).split("\n")) {
      assert([...line].length <= width, `${width}: ${line}`);
    }
  }
  assertEquals(wide.toString({ width: 19 }).split("\n"), [
    "first      second",
    "─────────  ────────",
    "xxxxxxxx…  yyyyyyy…",
    "… 1 more column (t…",
  ]);
  const long = toTable(["n"], ...Array.from({ length: 100 }, (_, n) => [n]));
  assertEquals(long.toString({ rows: 2 }), " n\n─\n0\n1\n… 98 more rows".trimStart());
  assertEquals(long.toString({ rows: Infinity }).split("\n").length, 102);
  assertEquals(toTable(["n"]).toString(), "n\n─\n(no calls)");
  const rows = Array(200_000).fill({ n: 1 });
  const many = new Table({ columns: ["n"], rows, results: [], keys: [] });
  assertEquals(many.toString({ rows: Infinity }).length, 2 * (rows.length + 2) - 1);
  // So many columns take minutes where each is looked at for each that is left out.
  const broad = toTable(Array.from({ length: 100_000 }, (_, i) => `c${i}`), [1]);
  assert(broad.toString({ width: 30 }).endsWith("… 99992 more columns (c8, c9,…"));
  assertThrows(() => long.toString({ width: 0 }), RangeError, "`width`");
  assertThrows(() => long.toString({ length: 1 } as never), TypeError, '"length"');
});

const EXOTIC = toTable(
  ["plain", 'quo"ted', "kind"],
  ["a", "b,c", 1],
  ['say "hi"', "two\nlines", -0.5],
  ["", undefined, NaN],
  [" space", null, 12n],
  ["\u00e9\ud83d\ude00", { a: [1, undefined], b: new Date(0) }, true],
  ["end", new Map([["k", new Set([1])]]), Float32Array.of(0.5)],
  [new URL("https://a.b/c"), [Temporal.Instant.fromEpochMilliseconds(0)], /a+/g],
);

Deno.test("Table.toCsv() quotes what has to be, and toJsonLines() loses nothing that JSON has", async () => {
  assertEquals(EXOTIC.toCsv().split("\n"), [
    'plain,"quo""ted",kind',
    'a,"b,c",1',
    '"say ""hi""","two',
    'lines",-0.5',
    '"",,NaN',
    '" space",,12',
    '\u00e9\ud83d\ude00,"{""a"":[1,null],""b"":""1970-01-01T00:00:00.000Z""}",true',
    'end,"[[""k"",[1]]]",[0.5]',
    'https://a.b/c,"[""1970-01-01T00:00:00Z""]",/a+/g',
    "",
  ]);
  const rows = EXOTIC.toJsonLines().trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(rows, [
    { plain: "a", 'quo"ted': "b,c", kind: 1 },
    { plain: 'say "hi"', 'quo"ted': "two\nlines", kind: -0.5 },
    { plain: "", 'quo"ted': null, kind: null },
    { plain: " space", 'quo"ted': null, kind: "12" },
    {
      plain: "\u00e9\ud83d\ude00",
      'quo"ted': { a: [1, null], b: "1970-01-01T00:00:00.000Z" },
      kind: true,
    },
    { plain: "end", 'quo"ted': [["k", [1]]], kind: [0.5] },
    { plain: "https://a.b/c", 'quo"ted': ["1970-01-01T00:00:00Z"], kind: "/a+/g" },
  ]);
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  assertEquals(toTable(["c"], [cycle]).toJsonLines(), '{"c":{"self":null}}\n');
  const path = await Deno.makeTempDir();
  await Deno.writeTextFile(`${path}/a.csv`, "what was there");
  await EXOTIC.writeCsv(`${path}/a.csv`);
  await EXOTIC.writeJsonLines(new URL(`file://${path}/a.jsonl`));
  assertEquals(await Deno.readTextFile(`${path}/a.csv`), EXOTIC.toCsv());
  assertEquals(await Deno.readTextFile(`${path}/a.jsonl`), EXOTIC.toJsonLines());
  await assertRejects(() => EXOTIC.writeCsv(`${path}/none/a.csv`), Deno.errors.NotFound);
  assertEquals(Array.from(Deno.readDirSync(path), ({ name }) => name).sort(), ["a.csv", "a.jsonl"]);
  await Deno.remove(path, { recursive: true });
});

Deno.test("Table.writeParquet() writes what a Parquet reader reads, with types", async () => {
  const path = await Deno.makeTempDir();
  const typed = toTable(
    ["int", "number", "text", "yes", "when", "mixed", "empty"],
    [1, 0.5, "a", true, new Date(1e12), 1, undefined],
    [2n ** 60n, NaN, "", false, undefined, "one", undefined],
    [undefined, -0, "\u00e9\ud83d\ude00", undefined, new Date(0), [1, 2], undefined],
  );
  await typed.writeParquet(`${path}/typed.parquet`);
  const read = async (name: string) => {
    const bytes = await Deno.readFile(`${path}/${name}`);
    return await parquetReadObjects({ file: bytes.buffer });
  };
  assertEquals(await read("typed.parquet"), [
    { int: 1n, number: 0.5, text: "a", yes: true, when: new Date(1e12), mixed: "1", empty: null },
    { int: 2n ** 60n, number: NaN, text: "", yes: false, when: null, mixed: "one", empty: null },
    {
      ...{ int: null, number: -0, text: "\u00e9\ud83d\ude00", yes: null },
      ...{ when: new Date(0), mixed: "[1,2]", empty: null },
    },
  ]);
  await EXOTIC.writeParquet(`${path}/exotic.parquet`);
  assertEquals((await read("exotic.parquet")).length, EXOTIC.length);
  await toTable(["none"]).writeParquet(`${path}/none.parquet`);
  assertEquals(await read("none.parquet"), []);
  await Deno.remove(path, { recursive: true });
});

const READ_GRID = `
import sys, json, h5py, numpy
with h5py.File(sys.argv[1]) as file:
    print(json.dumps({name: {
        "shape": data.shape, "type": str(data.dtype),
        "values": [x.decode() if isinstance(x, bytes) else str(x) for x in data[()].ravel().tolist()],
        "attributes": {k: v if isinstance(v, str) else float(v) for k, v in data.attrs.items()},
    } for name, data in file.items()}))
`;

Deno.test({
  ...H5PY.forTest("Table.writeHdf5() writes arrays by axes that h5py reads, NaN where no call is"),
  async fn() {
    const path = await Deno.makeTempDir();
    const cache = await sweepWaves();
    await query(cache, { args: { seed: 1, rate: 0.5 } }).evict();
    const all = await table(query(cache), { args: true, results: ["height", "orbit"] });
    const written = await all.writeHdf5(`${path}/waves.h5`, { axes: ["rate", "seed"] });
    assertEquals(written, { shape: [2, 3], missing: 1 });
    const texts = toTable(["method", "result/x"], ["b", true], ["a", 2n], ["c", undefined]);
    await texts.writeHdf5(`${path}/texts.h5`, { axes: ["method"] });
    const read = (name: string) => {
      const { code, output } = H5PY.run("-c", READ_GRID, `${path}/${name}`);
      assertEquals(code, 0, output);
      return JSON.parse(output);
    };
    const dimensions = JSON.stringify(["rate", "seed"]);
    const attributes = { dimensions, missing: 1 };
    const { height, orbit, rate, seed } = read("waves.h5");
    assertEquals([rate.values, seed.values], [["0.25", "0.5"], ["0.0", "1.0", "2.0"]]);
    const values = ["2.5", "3.5", "4.5", "5.0", "nan", "7.0"];
    assertEquals(height, { shape: [2, 3], type: "float64", values, attributes });
    assertEquals(orbit.shape, [2, 3, 3, 2]);
    assertEquals(orbit.values.slice(6, 14), [
      "0.25",
      "1.0",
      "0.0",
      "1.0",
      "2.0",
      "3.0",
      "0.25",
      "2.0",
    ]);
    assertEquals(orbit.values.filter((value: string) => value === "nan").length, 6);
    const { method, "result~1x": result } = read("texts.h5");
    assertEquals([method.values, result.values], [["a", "b", "c"], ["2.0", "1.0", "nan"]]);
    await Deno.remove(path, { recursive: true });
  },
});

Deno.test("Table.writeHdf5() refuses what is no grid, by the calls", async () => {
  const path = await Deno.makeTempDir();
  const write = (own: Table, options: object) => () =>
    own.writeHdf5(`${path}/none.h5`, options as never);
  const twice = toTable(["a", "b", "result"], [1, 1, 1], [1, 2, 2], [1, 1, 3]);
  await assertRejects(write(twice, { axes: ["a", "b"] }), RangeError, "a 1, b 1: key0 and key2");
  await assertRejects(
    write(twice, { axes: ["a"] }),
    RangeError,
    "two calls have a 1: key0 and key1",
  );
  await assertRejects(write(twice, { axes: ["c"] }), RangeError, 'no column "c"');
  await assertRejects(write(twice, { axes: [] }), TypeError, "`axes` names");
  await assertRejects(write(twice, {}), TypeError, "`axes` names");
  await assertRejects(
    write(twice, { axes: ["a"], values: ["a"] }),
    RangeError,
    '"a" is there twice',
  );
  await assertRejects(write(toTable(["a"], [1]), { axes: ["a"] }), TypeError, "no results");
  await assertRejects(write(toTable(["a", "result"]), { axes: ["a"] }), RangeError, "no rows");
  for (const axis of [undefined, NaN, {}, [1], 2n ** 53n + 1n, "\ud800"]) {
    const own = toTable(["a", "result"], [1, 1], [axis, 1]);
    await assertRejects(write(own, { axes: ["a"] }), TypeError, '"a" of the call key1');
  }
  // What would be one value of the axis all the same.
  const values: [unknown, string][] = [["1", "texts"], [true, "booleans"], [new Date(1), "dates"]];
  for (const [other, kind] of values) {
    const mixed = toTable(["a", "b", "result"], [1, 1, 1], [other, 2, 1]);
    await assertRejects(write(mixed, { axes: ["a", "b"] }), TypeError, `numbers and ${kind}`);
  }
  for (const value of [2n ** 53n + 1n, BigInt64Array.of(1n, 2n ** 53n + 1n)]) {
    const large = toTable(["a", "result"], [1, value]);
    await assertRejects(write(large, { axes: ["a"] }), RangeError, "the integer 9007199254740993");
  }
  const text = toTable(["a", "result"], [1, 1], [2, "one"]);
  await assertRejects(write(text, { axes: ["a"] }), TypeError, '"result" of the call key1');
  const shapes = toTable(["a", "result"], [1, [1, 2]], [2, [1]]);
  await assertRejects(
    write(shapes, { axes: ["a"] }),
    TypeError,
    "has the shape [1], and that of key0 [2]",
  );
  const names = Array.from({ length: 6 }, (_, i) => `a${i}`);
  const large = toTable(
    [...names, "result"],
    ...Array.from({ length: 30 }, (_, i) => Array(7).fill(i)),
  );
  await assertRejects(write(large, { axes: names }), RangeError, "729000000 elements");
  assertEquals([...Deno.readDirSync(path)], []);
  await Deno.remove(path, { recursive: true });
});
