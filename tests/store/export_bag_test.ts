// End-to-end: HDF5 files that stand on their own, written and read back, also by other tools.
import { Buffer } from "node:buffer";
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  BagCorruptError,
  cacheScope,
  currentScope,
  openBag,
  outputFile,
  QuiverError,
  task,
} from "@quiver/quiver";
import { Bag } from "../../src/cache/stored_cache.ts";
import { HDF5_ENVIRONMENT } from "../../src/bag/segment/hdf5_file.ts";
import { createBagView } from "../../src/store/browse/bag_view.ts";
import { exportBag } from "../../src/store/exchange/export_bag.ts";
import { openBagStores } from "../../src/store/open_stores.ts";
import { digestValue } from "../../src/value/digest/digest_value.ts";
import { FaultError, FaultyFileSystem } from "../bag/_faulty_file_system.ts";
import { Tool } from "../tools.ts";
import { listFiles, TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { Crate } from "../value/arbitrary_value.ts";
import { sameValue } from "../value/same_value.ts";
import { createRecord } from "./contract.ts";

const H5PY = Tool.find("python3-h5py");
const H5DUMP = Tool.find("h5dump");
const PYTABLES = Tool.find("python3-tables");
const NETCDF4 = Tool.find("python3-netcdf4");
const XARRAY = Tool.find("python3-xarray");

const KEYS = ["1".repeat(64), "2".repeat(64), "3".repeat(64)];

function createResult() {
  const cyclic: Record<string, unknown> = { n: 1 };
  cyclic.self = cyclic;
  const grid = { data: new Float32Array(3000).map((_, i) => i), shape: [30, 100] };
  return {
    n: 1.5,
    text: "é€",
    nul: "a\0b",
    flag: true,
    nothing: null,
    big: 12n,
    list: [1, 2, 3],
    matrix: [[1, 2], [3, 4], [5, 6]],
    names: ["a", "b"],
    mixed: [1, "two", { three: 3 }],
    map: new Map<unknown, unknown>([["a/b", 1], [3, "three"]]),
    cyclic,
    "": 5,
    ".": 6,
    grid,
    crate: Object.assign(new Crate(), { content: grid }),
    day: Temporal.PlainDate.from("2026-05-17"),
    tiny: { data: Int8Array.of(1, 2, 3, 4), shape: [2, 2] },
    half: new Float16Array([0.5, 1.5]),
    none: new Float64Array(0),
    error: new TypeError("bad"),
    date: new Date(0),
    deep: { est: new BigInt64Array(1000).fill(3n) },
  };
}

type Result = ReturnType<typeof createResult>;

async function fill(bag: Bag, value: Result): Promise<void> {
  const [one = "", two = "", three = ""] = KEYS;
  const result = await bag.putValue(value);
  const grid = await bag.putValue(value.grid);
  const args = [
    { name: "x", digest: "0".repeat(64), value: grid },
    { name: "callback", digest: "0".repeat(64) },
  ];
  await bag.putRecord({ ...createRecord(one, result, "f"), args });
  await bag.putRecord(createRecord(two, grid, "a/b"));
  await bag.putRecord(createRecord(three, "f".repeat(64), "lost"));
}

/** A bag with calls of two tasks, one of which has lost its result. */
async function withBag(
  use: (bag: Bag, directory: string, value: Result) => Promise<void>,
): Promise<void> {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(`${directory.path}/bag`, { fold: "manual" });
  const value = createResult();
  await fill(bag, value);
  await use(bag, directory.path, value);
}

Deno.test("Bag.exportHdf5() and importHdf5() carry calls and exact values to another bag", async () => {
  await withBag(async (bag, directory, value) => {
    const file = `${directory}/export.h5`;
    // Once out of the journal, and once out of a segment.
    for (const name of ["one", "two"]) {
      assertEquals(await bag.exportHdf5(file), { calls: 2, values: 4, skipped: 1 });
      await using other = await openBag(`${directory}/${name}`);
      assertEquals(await other.importHdf5(file), { calls: 2, known: 0, rejected: 0 });
      assertEquals(await other.importHdf5(file), { calls: 0, known: 2, rejected: 0 });
      const record = await other.record(KEYS[0] ?? "");
      assertEquals(record?.metadata, { tags: { project: "argon" } });
      assertEquals(record?.args.map(({ name }) => name), ["x", "callback"]);
      const found = await other.lookup(KEYS[0] ?? "");
      assert(found.hit && sameValue(found.value, value));
      assertEquals(await other.lookup(KEYS[1] ?? ""), { hit: true, value: value.grid });
      await bag.fold();
    }
  });
});

Deno.test("Bag.exportHdf5() writes the calls that a query means", async () => {
  await withBag(async (bag, directory) => {
    const file = `${directory}/export.h5`;
    const count = async (query: Parameters<Bag["exportHdf5"]>[1]) =>
      (await bag.exportHdf5(file, query)).calls;
    assertEquals(await count({ task: "f" }), 1);
    assertEquals(await count({ module: "file:///f.ts", version: 1 }), 2);
    assertEquals(await count({ tags: { project: "argon" } }), 2);
    assertEquals(await count({ tags: { project: "neon" } }), 0);
    assertEquals(await count((record) => record.key === KEYS[1]), 1);
    await using other = await openBag(`${directory}/other`);
    assertEquals(await other.importHdf5(new URL(`file://${file}`)), {
      calls: 1,
      known: 0,
      rejected: 0,
    });
    await assertRejects(() => count({ tusk: "f" } as unknown as object), TypeError, '"tusk"');
  });
});

const SCRIPT = `
import h5py, json, sys
f = h5py.File(sys.argv[1], "r")
assert json.loads(f.attrs["quiver"])["format"] == "quiver-export"
assert sorted(f["calls"]) == ["a~1b", "f"], list(f["calls"])
call = f["calls/f/" + "1" * 64]
assert call.attrs["task"] == "f" and call.attrs["version"] == 1 and call.attrs["duration"] == 1.5
assert call.attrs["started"] == "2023-11-14T22:13:20.000Z"
assert json.loads(call.attrs["metadata"]) == {"tags": {"project": "argon"}}
assert list(call["args"]) == ["x"] and call["args/x"].shape == (30, 100)
r = call["result"]
assert r["n"][()] == 1.5
assert r["text"].asstr()[()] == "é€"
assert bytes(r["nul"][...]) == b"a\\0b" and r["nul"].attrs["kind"] == "string"
assert r["flag"][()] == 1 and r["flag"].attrs["kind"] == "boolean"
assert r["nothing"].attrs["kind"] == "null"
assert r["big"][()] == 12
assert r["list"][...].tolist() == [1, 2, 3]
assert r["matrix"][...].tolist() == [[1, 2], [3, 4], [5, 6]]
assert r["names"].asstr()[...].tolist() == ["a", "b"]
assert r["mixed/2/three"][()] == 3
assert r["map/a~1b"][()] == 1 and r["map/~#1"].asstr()[()] == "three"
assert r["cyclic/self/self/n"][()] == 1
assert r["~e"][()] == 5 and r["~."][()] == 6
assert r["grid"].shape == (30, 100) and r["grid"].dtype == "<f4" and r["grid"][2, 3] == 203
assert r["grid"] == f["calls/a~1b/" + "2" * 64 + "/result"]
assert r["crate"].attrs["kind"] == "crate" and r["crate/content"] == r["grid"]
assert r["day"].asstr()[()] == "2026-05-17" and r["day"].attrs["kind"] == "Temporal"
assert r["tiny"][...].tolist() == [[1, 2], [3, 4]]
assert r["half"].attrs["kind"] == "Float16Array"
assert r["half"][...].view("<f2").tolist() == [0.5, 1.5]
assert r["error/message"].asstr()[()] == "bad"
assert r["date"].asstr()[()] == "1970-01-01T00:00:00.000Z"
assert r["deep/est"][...].tolist() == [3] * 1000
`;

Deno.test({
  ...H5PY.forTest("Bag.exportHdf5() writes groups and datasets that h5py reads"),
  fn: () =>
    withBag(async (bag, directory) => {
      await bag.exportHdf5(`${directory}/export.h5`);
      const { code, output } = H5PY.run("-c", SCRIPT, `${directory}/export.h5`);
      assertEquals(code, 0, output);
    }),
});

Deno.test({
  ...H5DUMP.forTest("Bag.exportHdf5() writes a file that h5dump goes through"),
  fn: () =>
    withBag(async (bag, directory) => {
      await bag.exportHdf5(`${directory}/export.h5`);
      const { code, output } = H5DUMP.run("-A", `${directory}/export.h5`);
      assertEquals(code, 0, output);
      assert(output.includes('GROUP "f"') && output.includes("( 30, 100 ) / ( 30, 100 )"));
    }),
});

const DAMAGE = `
import h5py, json, shutil, sys
import numpy as np
def change(**fields):
    return np.bytes_(json.dumps({**json.loads(c.attrs["record"]), **fields}))
def swap():
    one, two = list(f["values"])[:2]
    f.move("values/" + one, "values/x"); f.move("values/" + two, "values/" + one)
    f.move("values/x", "values/" + two)
for i, damage in enumerate(json.loads(sys.argv[2])):
    shutil.copy(sys.argv[1], f"{sys.argv[1]}.{i}")
    with h5py.File(f"{sys.argv[1]}.{i}", "r+") as f:
        c = f["calls/f/" + "1" * 64]
        exec(damage)
`;

Deno.test({
  ...H5PY.forTest(
    "Bag.importHdf5() refuses a file with any digest, record or format that is wrong",
  ),
  fn: () =>
    withBag(async (bag, directory) => {
      const file = `${directory}/export.h5`;
      await using other = await openBag(`${directory}/other`);
      const changes = {
        'del f.attrs["quiver"]': "it was not written by exportHdf5: use importDatasets",
        'f.attrs["quiver"] = "{}"': "its format cannot be read",
        'f.attrs["quiver"] = np.bytes_("{}")': 'does not say "quiver-export"',
        'del f["calls"]': "its list of tasks cannot be read",
        'c.attrs["record"] = np.bytes_("{")': "cannot be parsed",
        'c.attrs["record"] = change(key="4" * 64)': "no sound record",
        'c.attrs["record"] = change(result="../x")': "no sound record",
        'c.attrs["record"] = change(args=[{"name": 1}])': "no sound record",
        'c.attrs["record"] = change(result="e" * 64)': "is missing or damaged",
        'f["values"][list(f["values"])[0]][0] = 7': "cannot be read",
        "swap()": "the value",
        'f["packed"][5] += 1': "missing or damaged",
        'del f["packed"]': "has no values",
        'del f["values"]': "has no values",
      };
      await bag.exportHdf5(file);
      const { code, output } = H5PY.run("-c", DAMAGE, file, JSON.stringify(Object.keys(changes)));
      assertEquals(code, 0, output);
      for (const [i, [change, message]] of Object.entries(changes).entries()) {
        const damaged = `${file}.${i}`;
        const error = await assertRejects(
          () => other.importHdf5(damaged),
          BagCorruptError,
          message,
          change,
        );
        assertEquals(error.file, damaged);
        // Nothing at all was stored.
        assertEquals(await Array.fromAsync(other.list("")), [], change);
      }
    }),
});

Deno.test({
  ...H5PY.forTest("Bag.importHdf5() stores no piece of a file under the digest of another"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    const [one, two] = [new Uint8Array(5000).fill(1), new Uint8Array(6000).fill(2)];
    await using bag = await openBag(`${path}/bag`, { fold: "manual" });
    await cacheScope({ cache: bag, strict: true, outputs: path }, () => writeTwo(one, two));
    await bag.exportHdf5(`${path}/export.h5`);
    const { code, output } = H5PY.run("-c", SWAP, `${path}/export.h5`);
    assertEquals(code, 0, output);
    await using other = await openBag(`${path}/other`, { fold: "manual" });
    await assertRejects(() => other.importHdf5(`${path}/export.h5`), BagCorruptError);
    assertEquals(other.statistics().storage?.journals, 0);
    for (const bytes of [one, two]) {
      assertEquals(await other.value(digestValue(bytes)), { hit: false });
    }
  },
});

const SWAP = `
import h5py, sys
with h5py.File(sys.argv[1], "r+") as f:
    one, two = list(f["values"])
    f.move("values/" + one, "values/x"); f.move("values/" + two, "values/" + one)
    f.move("values/x", "values/" + two)
`;

const writeTwo = task(import.meta, (one: Uint8Array, two: Uint8Array) => {
  const { outputs } = currentScope();
  Deno.writeFileSync(`${outputs}/one`, one);
  Deno.writeFileSync(`${outputs}/two`, two);
  return [outputFile("one"), outputFile("two")];
}, { name: "writeTwo", ignore: ["one", "two"] });

/** Takes more into its key than its own code and arguments. */
const readAll = task(import.meta, (numbers: Float64Array) => toSum(numbers), {
  name: "readAll",
  inputs: [new URL(import.meta.url)],
  env: ["QUIVER_TEST_NAME"],
});

function toSum(numbers: Float64Array): number {
  return numbers.reduce((sum, n) => sum + n, 0);
}

Deno.test("Bag.importHdf5() takes in all that a record says, which is signed", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const options = { signingKey: "a key that is long enough", fold: "manual" } as const;
  await using bag = await openBag(`${path}/bag`, options);
  const numbers = new Float64Array(1000).fill(1);
  const call = (cache: Bag) =>
    cacheScope({ cache, strict: true }, async () => {
      const sum = readAll(numbers);
      return [await sum, sum.hit];
    });
  assertEquals(await call(bag), [1000, false]);
  const [record] = await Array.fromAsync(bag.records());
  assert(record?.parts !== undefined && record.reads !== undefined);
  await bag.exportHdf5(`${path}/whole.h5`);
  // The argument is lost, which costs its call nothing.
  await bag.close();
  for (const name of listFiles(`${path}/bag/journal`)) {
    const bytes = Buffer.from(Deno.readFileSync(`${path}/bag/journal/${name}`));
    const at = bytes.indexOf(new Uint8Array(numbers.buffer));
    if (at === -1) continue;
    bytes[at] = 1;
    Deno.writeFileSync(`${path}/bag/journal/${name}`, bytes);
  }
  await using damaged = await openBag(`${path}/bag`, options);
  await damaged.exportHdf5(`${path}/lost.h5`);
  for (const name of ["whole", "lost"]) {
    await using other = await openBag(`${path}/${name}`, options);
    const result = await other.importHdf5(`${path}/${name}.h5`);
    assertEquals(result, { calls: 1, known: 0, rejected: 0 });
    assertEquals(await call(other), [1000, true]);
    const [copy] = await Array.fromAsync(other.records());
    if (name === "whole") assertEquals(copy, record);
    else assertEquals(copy?.args[0]?.lost, record.args[0]?.value);
  }
});

Deno.test("Bag.importHdf5() refuses what is no HDF5 file, and a file cut at any place", async () => {
  await withBag(async (bag, directory) => {
    const file = `${directory}/export.h5`;
    await bag.exportHdf5(file);
    const bytes = await Deno.readFile(file);
    await using other = await openBag(`${directory}/other`);
    for (const share of [0, 0.001, 0.01, 0.1, 0.5, 0.9, 0.999]) {
      await Deno.writeFile(file, bytes.subarray(0, Math.floor(bytes.length * share)));
      await assertRejects(() => other.importHdf5(file), BagCorruptError);
    }
    await assertRejects(() => other.importHdf5(`${directory}/none.h5`), Deno.errors.NotFound);
  });
});

Deno.test("exportBag() leaves the old file or the new one, whichever step fails", async () => {
  using directory = new TemporaryDirectory();
  await using opened = await openBagStores(`${directory.path}/bag`);
  await using bag = new Bag(opened, () => {});
  await fill(bag, createResult());
  const file = `${directory.path}/export.h5`;
  for (const fault of ["error", "short", "stop"] as const) {
    await Deno.writeTextFile(file, "old");
    for (let at = 0;; at++) {
      const fileSystem = new FaultyFileSystem(fault, at);
      const exporting = exportBag(createBagView(opened), file, () => true, {}, {
        ...HDF5_ENVIRONMENT,
        fileSystem,
      });
      try {
        await exporting;
        if (!fileSystem.failed) break;
      } catch (error) {
        if (!(error instanceof FaultError)) throw error;
        const isOld = Deno.statSync(file).size === 3;
        if (!isOld) assertEquals((await bag.importHdf5(file)).known, 2, `${fault} ${at}`);
      }
    }
    assertEquals(await bag.importHdf5(file), { calls: 0, known: 2, rejected: 0 });
  }
});

Deno.test("Bag.exportHdf5() replaces what a link leads to, as it was, and nothing in a bag", async () => {
  await withBag(async (bag, directory) => {
    const [link, target] = [`${directory}/link.h5`, `${directory}/there/target.h5`];
    Deno.mkdirSync(`${directory}/there`);
    Deno.writeTextFileSync(target, "old");
    Deno.chmodSync(target, 0o640);
    Deno.symlinkSync("there/target.h5", link);
    await bag.exportHdf5(link);
    assertEquals([Deno.lstatSync(link).isSymlink, (Deno.statSync(link).mode ?? 0) & 0o777], [
      true,
      0o640,
    ]);
    assertEquals((await bag.importHdf5(target)).known, 2);
    assertEquals(Array.from(Deno.readDirSync(`${directory}/there`), ({ name }) => name), [
      "target.h5",
    ]);
    await using other = await openBag(`${directory}/other`);
    const before = listFiles(directory);
    for (const path of [`${bag.path}/values.h5`, `${bag.path}/mine.h5`, `${other.path}/mine.h5`]) {
      const cache = path.startsWith(bag.path) ? bag.path : other.path;
      await assertRejects(
        () => bag.exportHdf5(path),
        QuiverError,
        `Cannot write "${path}": it lies in the cache "${Deno.realPathSync(cache)}"`,
      );
    }
    assertEquals(listFiles(directory), before);
  });
});

Deno.test("Bag.exportHdf5() clears away what a killed export has left", async () => {
  await withBag(async (bag, directory) => {
    await bag.fold();
    const place = `${directory}/exports`;
    Deno.mkdirSync(place);
    const program = new URL("./testdata/killed_export.ts", import.meta.url).pathname;
    for (const writes of ["0", "3"]) {
      const { signal } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--no-check", program, bag.path, `${place}/export.h5`, writes],
        stdout: "null",
        stderr: "null",
      }).output();
      assertEquals(signal, "SIGKILL");
      // Nothing but what is not finished: the second has cleared away what the first has left.
      assertEquals(listFiles(place).length, 1);
      assertMatch(listFiles(place)[0] ?? "", /^\.quiver-/);
    }
    await bag.exportHdf5(`${place}/export.h5`);
    assertEquals(listFiles(place), ["export.h5"]);
  });
});

const TEXTS = {
  ascii: "plain",
  other: "é€",
  empty: "",
  space: "ends with a space ",
  otherSpace: "é ends with a space ",
  names: ["a", "bé ", "", "a longer one"],
  none: [] as string[],
  // Of one length this would take a thousand times the space.
  uneven: ["x".repeat(10_000), ...Array.from({ length: 1000 }, (_, i) => `${i}`)],
  nested: { list: ["x", "y"] },
};

/** Exports the texts, each by its name, and gives the path of the file. */
async function withTexts(
  use: (file: string, bag: Bag, result: string) => Promise<void>,
  layout: "exact" | "plain" = "exact",
): Promise<void> {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(`${directory.path}/bag`, { fold: "manual" });
  const [key = ""] = KEYS;
  await bag.putRecord(createRecord(key, await bag.putValue(TEXTS), "f"));
  const file = `${directory.path}/texts.h5`;
  await bag.exportHdf5(file, {}, { layout });
  await use(file, bag, `/calls/f/${key}/result`);
}

for (const layout of ["exact", "plain"] as const) {
  Deno.test(`Bag.exportHdf5() writes texts that come back as they are (${layout})`, () =>
    withTexts(async (file, bag, result) => {
      const { datasets } = await bag.importDatasets(file, { path: result });
      const texts = await Promise.all(datasets.map(async ({ path, digest }) => {
        return [path.slice(result.length + 1), await bag.read(digest)] as const;
      }));
      const { none: _, nested, ...others } = TEXTS;
      assertEquals(Object.fromEntries(texts), { ...others, "nested/list": nested.list });
    }, layout));
}

const TABLES_SCRIPT = `
import json, sys, tables
with tables.open_file(sys.argv[1]) as f:
    def read(name):
        value = f.get_node(sys.argv[2] + "/" + name).read()
        return [v.decode() for v in value] if value.shape else value[()].decode().rstrip("\\0")
    for name, text in json.loads(sys.argv[3]).items():
        assert read(name) == text, (name, read(name))
    unread = [n._v_name for n in f.walk_nodes("/calls", "UnImplemented")]
    assert unread == ["uneven"], unread
`;

Deno.test({
  ...PYTABLES.forTest("Bag.exportHdf5() writes texts that PyTables reads, where one length does"),
  fn: () =>
    withTexts((file, _, result) => {
      const { ascii, other, empty, space, otherSpace, names } = TEXTS;
      const expected = { ascii, other, empty, space, otherSpace, names };
      const { code, output } = PYTABLES.run(
        "-W",
        "ignore",
        "-c",
        TABLES_SCRIPT,
        file,
        result,
        JSON.stringify(expected),
      );
      assertEquals(code, 0, output);
      return Promise.resolve();
    }),
});

/** Exports a bag without links, and has a program look at it. */
function checkPlain(tool: Tool, script: string): Promise<void> {
  return withBag(async (bag, directory, value) => {
    const file = `${directory}/plain.h5`;
    assertEquals((await bag.exportHdf5(file, {}, { layout: "plain" })).calls, 2);
    const { code, output } = tool.run("-c", script, file);
    assertEquals(code, 0, output);
    const result = `/calls/f/${KEYS[0]}/result`;
    const { datasets: [grid] } = await bag.importDatasets(file, { path: `${result}/grid` });
    assertEquals(await bag.read(grid?.digest ?? ""), value.grid);
    await assertRejects(() => bag.importHdf5(file), BagCorruptError, "use importDatasets");
  });
}

Deno.test({
  ...H5PY.forTest('Bag.exportHdf5() with layout: "plain" writes no link, and all that is there'),
  fn: () =>
    checkPlain(
      H5PY,
      `
import h5py, sys
f = h5py.File(sys.argv[1], "r")
assert list(f) == ["calls"], list(f)
seen = set()
def look(group):
    for name in group:
        assert type(group.get(name, getlink=True)) is h5py.HardLink, name
        assert group[name].id not in seen, name
        seen.add(group[name].id)
        if isinstance(group[name], h5py.Group): look(group[name])
look(f)
r = f["calls/f/" + "1" * 64 + "/result"]
assert r["grid"].shape == (30, 100) and r["grid"].dtype == "<f4" and r["grid"][2, 3] == 203
assert f["calls/a~1b/" + "2" * 64 + "/result"][2, 3] == 203
assert r["deep/est"][...].tolist() == [3] * 1000
assert r["cyclic/n"][()] == 1
assert r["cyclic/self"].attrs["omitted"] == "the object that it is in"
`,
    ),
});

Deno.test({
  ...NETCDF4.forTest('Bag.exportHdf5() with layout: "plain" writes a file that netCDF4 reads'),
  fn: () =>
    checkPlain(
      NETCDF4,
      `
import netCDF4, sys
with netCDF4.Dataset(sys.argv[1]) as d:
    r = d["calls/f/" + "1" * 64 + "/result"]
    assert r["grid"].shape == (30, 100) and r["grid"][2, 3] == 203
    assert r["names"][...].tolist() == ["a", "b"] and r["text"][...] == "é€"
    def look(group):
        for variable in group.variables.values(): variable[...]
        for inner in group.groups.values(): look(inner)
    look(d)
`,
    ),
});

Deno.test({
  ...XARRAY.forTest('Bag.exportHdf5() with layout: "plain" writes a file that xarray reads'),
  fn: () =>
    checkPlain(
      XARRAY,
      `
import sys, xarray
with xarray.open_dataset(sys.argv[1], group="/calls/f/" + "1" * 64 + "/result", engine="netcdf4") as d:
    assert d["grid"].shape == (30, 100) and float(d["grid"][2, 3]) == 203
    assert d["names"].values.tolist() == ["a", "b"]
`,
    ),
});
