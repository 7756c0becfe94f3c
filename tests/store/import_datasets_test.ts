// End-to-end: arrays of HDF5 files that other programs have written, as values and as arguments.
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import {
  type Bag,
  BagCorruptError,
  cacheScope,
  Executor,
  openBag,
  QuiverError,
} from "@quiver/quiver";
import { type ImportDatasetsResult, rekey } from "@quiver/quiver/caches";
import { Tool } from "../tools.ts";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { sumRows } from "./testdata/dataset_tasks.ts";

const H5PY = Tool.find("python3-h5py");

/** Has h5py write a file: `f` is the file, `np` NumPy. */
function write(path: string, script: string): void {
  const program = `import h5py, sys\nimport numpy as np\nwith h5py.File(sys.argv[1], "w") as f:\n${
    script.trim().split("\n").map((line) => `    ${line}`).join("\n")
  }\n`;
  const { code, output } = H5PY.run("-c", program, path);
  assertEquals(code, 0, output);
}

/** A bag, and a file that h5py has written. */
function test(
  name: string,
  script: string,
  fn: (bag: Bag, file: string) => Promise<void>,
): void {
  Deno.test({
    ...H5PY.forTest(name),
    async fn() {
      using directory = new TemporaryDirectory();
      const file = `${directory.path}/theirs.h5`;
      write(file, script);
      await using bag = await openBag(`${directory.path}/bag`, { fold: "manual" });
      await fn(bag, file);
    },
  });
}

/** What was taken in, by path, as values. */
async function readAll(bag: Bag, { datasets }: ImportDatasetsResult): Promise<unknown> {
  const values = await Promise.all(datasets.map(async ({ path, digest, shape, dtype }) => {
    return [path, { dtype, shape, value: await bag.read(digest) }] as const;
  }));
  return Object.fromEntries(values);
}

const NUMBERS = `
for t in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"]:
    f["little " + t] = np.array([0, 1, 2, 100], "<" + t)
    f["big " + t] = np.array([0, 1, 2, 100], ">" + t)
f["least"] = np.array([-2**63, 2**63 - 1])
f["most"] = np.array([2**64 - 1], "u8")
f["special"] = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324])
for t in ["<c8", ">c8", "<c16", ">c16"]:
    f["complex " + t] = np.array([[1 + 2j], [3 - 4j]], t)
`;

test(
  "Bag.importDatasets() carries numbers of any type and byte order",
  NUMBERS,
  async (bag, file) => {
    const { datasets, skipped } = await bag.importDatasets(file);
    assertEquals(skipped, []);
    assertEquals(datasets.length, 29);
    const kinds = {
      i1: ["int8", Int8Array],
      i2: ["int16", Int16Array],
      i4: ["int32", Int32Array],
      u1: ["uint8", Uint8Array],
      u2: ["uint16", Uint16Array],
      u4: ["uint32", Uint32Array],
      f2: ["float16", Float16Array],
      f4: ["float32", Float32Array],
      f8: ["float64", Float64Array],
    } as const;
    const find = async (path: string) => {
      const found = datasets.find((dataset) => dataset.path === `/${path}`);
      assert(found !== undefined, path);
      return { ...found, value: await bag.read(found.digest) };
    };
    for (const [type, [dtype, Class]] of Object.entries(kinds)) {
      for (const order of ["little", "big"]) {
        const found = await find(`${order} ${type}`);
        assertEquals([found.dtype, found.shape, found.value], [dtype, [4], Class.of(0, 1, 2, 100)]);
      }
    }
    for (const order of ["little", "big"]) {
      assertEquals((await find(`${order} i8`)).value, BigInt64Array.of(0n, 1n, 2n, 100n));
      assertEquals((await find(`${order} u8`)).value, BigUint64Array.of(0n, 1n, 2n, 100n));
    }
    assertEquals((await find("least")).value, BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n));
    assertEquals((await find("most")).value, BigUint64Array.of(2n ** 64n - 1n));
    const { value } = await find("special");
    assertEquals(value, Float64Array.of(NaN, Infinity, -Infinity, -0, 5e-324));
    for (
      const [type, dtype, data] of [
        ["<c8", "complex64", Float32Array.of(1, 2, 3, -4)],
        [">c8", "complex64", Float32Array.of(1, 2, 3, -4)],
        ["<c16", "complex128", Float64Array.of(1, 2, 3, -4)],
        [">c16", "complex128", Float64Array.of(1, 2, 3, -4)],
      ] as const
    ) {
      const found = await find(`complex ${type}`);
      assertEquals([found.dtype, found.shape], [dtype, [2, 1]]);
      assertEquals(found.value, { data, shape: [2, 1, 2] });
    }
  },
);

const OTHERS = `
f["bool"] = np.array([[True, False], [False, True]])
f["yes"] = True
colours = {"RED": 0, "GREEN": 1, "BLUE": 500}
f.create_dataset("enum", data=[0, 1, 500], dtype=h5py.enum_dtype(colours, basetype="<i2"))
f.create_dataset("big enum", data=[0, 1, 500], dtype=h5py.enum_dtype(colours, basetype=">i4"))
f["fixed"] = np.array([b"abc", b"de"])
f["padded"] = np.array(["é€".encode(), b""]).astype(h5py.string_dtype("utf-8", 8))
f.create_dataset("texts", data=[["é€", ""], ["c", "d"], ["e", "f"]], dtype=h5py.string_dtype())
f["text"] = "hello"
f["half"] = 0.5
f["long"] = np.int64(2**60)
f["none"] = h5py.Empty("f4")
f.create_dataset("empty", shape=(0, 3), dtype="i2")
f.create_dataset("no texts", shape=(0,), dtype=h5py.string_dtype())
f.create_dataset("inner", shape=(2,), dtype=np.dtype(("f4", (3,))))
f.create_dataset("unwritten", shape=(100, 100), dtype="f8", chunks=(10, 10), fillvalue=7)
grid = np.arange(10000.).reshape(100, 100)
f.create_dataset("gzip", data=grid, chunks=(30, 70), compression="gzip", shuffle=True)
f.create_dataset("checked", data=grid, chunks=(100, 1), fletcher32=True)
f.create_dataset("scaled", data=np.arange(1000), scaleoffset=0)
f.create_dataset("resizable", data=grid, maxshape=(None, None))
`;

test(
  "Bag.importDatasets() carries booleans, texts, enumerations, and what is empty or in chunks",
  OTHERS,
  async (bag, file) => {
    const result = await bag.importDatasets(file);
    assertEquals(result.skipped, []);
    const data = Float64Array.from({ length: 10_000 }, (_, i) => i);
    const grid = { dtype: "float64", shape: [100, 100], value: { data, shape: [100, 100] } };
    assertEquals(await readAll(bag, result), {
      "/bool": {
        dtype: "bool",
        shape: [2, 2],
        value: { data: Uint8Array.of(1, 0, 0, 1), shape: [2, 2] },
      },
      "/yes": { dtype: "bool", shape: [], value: true },
      "/enum": { dtype: "int16", shape: [3], value: Int16Array.of(0, 1, 500) },
      "/big enum": { dtype: "int32", shape: [3], value: Int32Array.of(0, 1, 500) },
      "/fixed": { dtype: "str", shape: [2], value: ["abc", "de"] },
      "/padded": { dtype: "str", shape: [2], value: ["é€", ""] },
      "/texts": { dtype: "str", shape: [3, 2], value: [["é€", ""], ["c", "d"], ["e", "f"]] },
      "/text": { dtype: "str", shape: [], value: "hello" },
      "/half": { dtype: "float64", shape: [], value: 0.5 },
      "/long": { dtype: "int64", shape: [], value: 2n ** 60n },
      "/none": { dtype: "float32", shape: undefined, value: null },
      "/empty": {
        dtype: "int16",
        shape: [0, 3],
        value: { data: new Int16Array(0), shape: [0, 3] },
      },
      "/no texts": { dtype: "str", shape: [0], value: [] },
      "/inner": {
        dtype: "float32",
        shape: [2],
        value: { data: new Float32Array(6), shape: [2, 3] },
      },
      "/unwritten": {
        ...grid,
        value: { data: new Float64Array(10_000).fill(7), shape: [100, 100] },
      },
      "/gzip": grid,
      "/checked": grid,
      "/resizable": grid,
      "/scaled": {
        dtype: "int64",
        shape: [1000],
        value: BigInt64Array.from({ length: 1000 }, (_, i) => BigInt(i)),
      },
    });
    const members = result.datasets.filter((dataset) => dataset.members !== undefined);
    assertEquals(members.map(({ path, members }) => [path, members]), [
      ["/big enum", { RED: 0, GREEN: 1, BLUE: 500 }],
      ["/enum", { RED: 0, GREEN: 1, BLUE: 500 }],
    ]);
  },
);

const ATTRIBUTES = `
d = f.create_dataset("grid", data=np.arange(12, dtype="f4").reshape(3, 4))
d.attrs["units"] = "m/s"
d.attrs["scale"] = 0.1
d.attrs["count"] = 3
d.attrs["small"] = np.int16(-2)
d.attrs["valid"] = True
d.attrs["range"] = np.array([1, 2], ">f4")
d.attrs["names"] = ["x", "yé"]
d.attrs["nothing"] = h5py.Empty("f4")
d.attrs["empty"] = ""
d.attrs["z"] = 1 + 2j
d.attrs["__proto__"] = "own"
d.attrs["leads to"] = d.ref
d.attrs["table"] = np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")])
`;

test(
  "Bag.importDatasets() keeps attributes, and says which it does not",
  ATTRIBUTES,
  async (bag, file) => {
    const { datasets: [grid], skipped } = await bag.importDatasets(file, { path: "grid" });
    const expected = {
      units: "m/s",
      scale: 0.1,
      count: 3n,
      small: -2,
      valid: true,
      range: Float32Array.of(1, 2),
      names: ["x", "yé"],
      nothing: null,
      empty: "",
      z: Float64Array.of(1, 2),
      ["__proto__"]: "own",
    };
    assertEquals(grid?.attributes, expected);
    assertEquals(skipped.map(({ path, attribute }) => [path, attribute]), [
      ["/grid", "leads to"],
      ["/grid", "table"],
    ]);
    assertEquals(
      skipped[1]?.reason,
      'it is a table with the columns "a", "b", which is not carried; write each column as a dataset',
    );
    // In the bag, too: another program reads them as arguments of the call that stands for the import.
    const entries = await Array.fromAsync(bag.list("importDatasets"));
    assertEquals(entries.map(({ kind }) => kind), ["call"]);
    const key = entries[0]?.name ?? "";
    const [attributes, file_, result] = await Promise.all(
      ["attributes", "file", "dtype"].map(async (name) => {
        const record = await bag.record(key);
        return await bag.read(record?.args.find((argument) => argument.name === name)?.value ?? "");
      }),
    );
    assertEquals([attributes, file_, result], [expected, file, "float32"]);
    assertEquals((await bag.record(key))?.result, grid?.digest);
    // Its key follows from the record, as that of any call.
    assertEquals(await rekey(bag, { change: () => ({}) }), { moved: 0, unchanged: 1, unknown: 0 });
  },
);

const LINKS = `
f["a/x"] = np.arange(3)
f["a/b/y"] = np.arange(4)
f["a/again"] = f["a"]
f["a/b/root"] = f["/"]
f["a/hard"] = f["a/x"]
f["soft"] = h5py.SoftLink("/a/b/y")
f["soft group"] = h5py.SoftLink("/a/b")
f["dangling"] = h5py.SoftLink("/none")
f["round"] = h5py.SoftLink("/round")
f["there"] = h5py.ExternalLink("/etc/passwd", "/")
f["here"] = h5py.ExternalLink("theirs.h5", "/a")
f["by way of"] = h5py.SoftLink("/here/x")
f["type"] = np.dtype("i4")
f.create_group("zz").create_group("nothing")
`;

test(
  "Bag.importDatasets() goes through each group once, and follows no link to another file",
  LINKS,
  async (bag, file) => {
    const paths = async (path?: string) => {
      const { datasets, skipped } = await bag.importDatasets(
        file,
        path === undefined ? {} : { path },
      );
      return [datasets.map(({ path }) => path), skipped.map(({ path }) => path)];
    };
    assertEquals(await paths(), [
      ["/soft", "/a/hard", "/a/x", "/a/b/y"],
      ["/by way of", "/dangling", "/here", "/round", "/there"],
    ]);
    assertEquals(await paths("a/b"), [
      ["/a/b/y", "/a/b/root/soft", "/a/b/root/a/hard", "/a/b/root/a/x"],
      ["/by way of", "/dangling", "/here", "/round", "/there"].map((path) => `/a/b/root${path}`),
    ]);
    assertEquals(await paths("/a/b/y/"), [["/a/b/y"], []]);
    assertEquals(await paths("soft group"), await paths("soft group/"));
    assertEquals(await paths("zz"), [[], []]);
    const refusals = {
      "nowhere": 'there is no such dataset or group; "/" has "a", "by way of"',
      "a/nowhere/x":
        'Cannot import "/a/nowhere": there is no such dataset or group; "/a" has "again"',
      "a/x/y": '"/a/x" is no group',
      "zz/nothing/x": '"/zz/nothing" has nothing in it',
      "dangling": 'it is a link to "/none", which leads to nothing in the file',
      "here": 'Cannot import "/here": there is no such dataset or group; it is a link to the file',
      "here/x": 'it is a link to the file "theirs.h5", which is not followed',
      "by way of": 'it is a link to "/here/x", which leads to nothing in the file',
      "type": "it is neither",
    };
    for (const [path, message] of Object.entries(refusals)) {
      await assertRejects(() => bag.importDatasets(file, { path }), RangeError, message);
    }
  },
);

const UNCARRIED = `
f["a"] = np.arange(3)
f.create_dataset("references", data=[f["a"].ref], dtype=h5py.ref_dtype)
f["opaque"] = np.array([b"ab", b"cd"], "V2")
f.create_dataset("ragged", shape=(2,), dtype=h5py.vlen_dtype("i4"))
f["table"] = np.array([(1, b"x")], [("n", "i4"), ("s", "S3")])
f["long"] = np.arange(3, dtype=np.longdouble)
f["latin"] = np.array(["é".encode("latin-1")])
f.create_dataset("lzf", data=np.arange(1000), compression="lzf")
layout = h5py.VirtualLayout((3,), "f4")
layout[:] = h5py.VirtualSource("other.h5", "x", shape=(3,))
f.create_virtual_dataset("virtual", layout)
f.create_dataset("elsewhere", shape=(3,), dtype="u1", external=[("/etc/passwd", 0, 3)])
f.create_dataset("absurd", shape=(10**7, 10**7), dtype="f8", chunks=(10, 10))
f.create_dataset("absurd texts", shape=(10**9,), dtype=h5py.string_dtype(), chunks=(10,))
`;

test("Bag.importDatasets() says of all that is not carried why", UNCARRIED, async (bag, file) => {
  const { datasets, skipped } = await bag.importDatasets(file);
  assertEquals(datasets.map(({ path }) => path), ["/a"]);
  const reasons = {
    "absurd": "it says that it has 800000000000000 bytes, more than a file of",
    "absurd texts": "it says that it has 4000000000 bytes",
    "elsewhere": "its elements lie in another file, which is not followed",
    "latin": "it has texts that are not in UTF-8",
    "long": "it has floating-point numbers of 16 bytes",
    "lzf": 'it is compressed with "lzf", which the HDF5 library here lacks',
    "opaque": "it has opaque bytes",
    "ragged": "it has sequences of different lengths",
    "references": "it has references, which lead to places in their file",
    "table": 'it is a table with the columns "n", "s"',
    "virtual": "it is virtual: its elements lie in other datasets",
  };
  assertEquals(skipped.map(({ path }) => path.slice(1)), Object.keys(reasons));
  for (const [path, reason] of Object.entries(reasons)) {
    assert(skipped.find((one) => one.path === `/${path}`)?.reason.startsWith(reason), path);
    // Asked for by name, it is an error.
    await assertRejects(
      () => bag.importDatasets(file, { path }),
      TypeError,
      `Cannot import "/${path}" of "${file}": ${reason}`,
    );
  }
  // A part of what is absurd is not.
  const part = { path: "absurd", ranges: [[10 ** 6, 10 ** 6 + 2], [5, 8]] as const };
  const { datasets: [corner] } = await bag.importDatasets(file, part);
  assertEquals(await bag.read(corner?.digest ?? ""), { data: new Float64Array(6), shape: [2, 3] });
});

const CUBE = `
f["cube"] = np.arange(24000.).reshape(20, 30, 40)
f["deep"] = np.arange(24000.).reshape(20, 30, 40).astype(">i4")
f["texts"] = np.array([["a", "b", "c"], ["d", "e", "f"]], dtype=h5py.string_dtype())
f["number"] = 1.5
`;

test(
  "Bag.importDatasets() takes a part of a dataset in, and refuses what is none",
  CUBE,
  async (bag, file) => {
    const load = async (path: string, ranges: readonly (readonly [number, number])[]) => {
      const { datasets: [dataset] } = await bag.importDatasets(file, { path, ranges });
      return { shape: dataset?.shape, value: await bag.read(dataset?.digest ?? "") };
    };
    for (const [path, Class] of [["cube", Float64Array], ["deep", Int32Array]] as const) {
      for (const ranges of [[[3, 5]], [[3, 4], [7, 9]], [[0, 20], [1, 2], [39, 40]]] as const) {
        const [[a, b] = [0, 20], [c, d] = [0, 30], [e, g] = [0, 40]]: readonly (readonly [
          number,
          number,
        ])[] = ranges;
        const expected: number[] = [];
        for (let i = a; i < b; i++) {
          for (let j = c; j < d; j++) {
            for (let k = e; k < g; k++) {
              expected.push(1200 * i + 40 * j + k);
            }
          }
        }
        const shape = [b - a, d - c, g - e];
        const value = { data: Class.from(expected), shape };
        assertEquals(await load(path, ranges), { shape, value });
      }
    }
    assertEquals((await load("texts", [[1, 2], [0, 2]])).value, [["d", "e"]]);
    assertEquals((await load("cube", [[2, 2]])).value, {
      data: new Float64Array(0),
      shape: [0, 30, 40],
    });
    await assertRejects(() => load("cube", [[0, 21]]), RangeError, "is not within [0, 20]");
    await assertRejects(() => load("number", [[0, 1]]), RangeError, "it has 0 dimensions");
    await assertRejects(() => load("/", [[0, 1]]), TypeError, "it is a group; name a dataset");
    for (const ranges of [[[2, 1]], [[-1, 1]], [[0.5, 1]], [[1]], [1], "x"]) {
      await assertRejects(() => load("cube", ranges as [number, number][]), TypeError, "ranges");
    }
    await assertRejects(
      () => bag.importDatasets(file, { paths: "cube" } as object),
      TypeError,
      "paths",
    );
  },
);

const LARGE = `
f.create_dataset("large", shape=(10000, 1000), dtype="f4", chunks=(500, 1000), compression="gzip")
for i in range(0, 10000, 500):
    f["large"][i:i + 500] = np.repeat(np.arange(i, i + 500, dtype="f4")[:, None], 1000, axis=1)
f["small"] = f["large"][:20, :20]
`;

test(
  "Bag.importDatasets() reads a large dataset in pieces, and slices of it later",
  LARGE,
  async (bag, file) => {
    const { datasets: [large] } = await bag.importDatasets(file, { path: "large" });
    assert(large !== undefined);
    const check = async () => {
      assertEquals(await bag.slice(large.digest, [[1234, 1236], [7, 9]]), {
        data: Float32Array.of(1234, 1234, 1235, 1235),
        shape: [2, 2],
      });
    };
    await check();
    await bag.fold();
    await check();
    // The value is the one that it would be in memory, and is not stored again.
    const value = await bag.read(large.digest);
    assertEquals(await bag.putValue(value), large.digest);
    const { bytes } = bag.statistics().storage ?? {};
    const { datasets: [again] } = await bag.importDatasets(file, { path: "large" });
    assertEquals(again, large);
    assertEquals(bag.statistics().storage?.bytes, bytes);
    assert((await bag.verify({ digests: true })).sound);
  },
);

const HUGE = `
plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
space = h5py.h5s.create_simple((3, 2**27))
h5py.h5d.create(f.id, b"huge", h5py.h5t.IEEE_F64LE, space, plist)
f["huge"][0, :3] = [1, 2, 3]
f["huge"][2, -2000:] = np.arange(2000)
`;

test(
  "Bag.importDatasets() takes parts of what is larger than any value",
  HUGE,
  async (bag, file) => {
    const { datasets, skipped } = await bag.importDatasets(file);
    assertEquals(datasets, []);
    assertEquals(skipped, [{
      path: "/huge",
      reason:
        "it has 3221225472 bytes, and a value has 2147483647 at the most; import parts of it " +
        "with `ranges`",
    }]);
    for (
      const [ranges, expected] of [
        [[[0, 1], [0, 4]], [1, 2, 3, 0]],
        [[[1, 2], [0, 2]], [0, 0]],
        [[[2, 3], [2 ** 27 - 1000, 2 ** 27]], Array.from({ length: 1000 }, (_, i) => 1000 + i)],
      ] as const
    ) {
      const { datasets: [part] } = await bag.importDatasets(file, { path: "huge", ranges });
      const data = Float64Array.from(expected);
      assertEquals(await bag.read(part?.digest ?? ""), { data, shape: [1, data.length] });
    }
  },
);

test(
  "what Bag.importDatasets() gives counts as an argument by its value, here and on workers",
  CUBE,
  async (bag, file) => {
    const { datasets: [cube] } = await bag.importDatasets(file, { path: "cube" });
    assert(cube !== undefined);
    await cacheScope({ cache: bag }, async () => {
      for (const workerType of ["inline", "web", "process"] as const) {
        await using executor = new Executor({ maxWorkers: 1, workerType });
        const rows = { inline: 1, web: 2, process: 3 }[workerType];
        const expected = (1200 * rows) * (1200 * rows - 1) / 2;
        const first = executor.submit(sumRows, cube.digest, rows);
        assertEquals([await first, first.hit], [expected, false]);
        const second = executor.submit(sumRows, cube.digest, rows);
        assertEquals([await second, second.hit], [expected, true]);
      }
    });
    // Nothing that a call may still read is garbage.
    await bag.gc({ gracePeriod: 0 });
    await bag.compact({ gracePeriod: 0 });
    const known = await bag.slice(cube.digest, [[0, 1], [0, 1], [0, 2]]);
    assertEquals(known, { data: Float64Array.of(0, 1), shape: [1, 1, 2] });
    // Once it is forgotten, it is.
    await bag.evict({ task: "importDatasets" });
    await bag.gc({ gracePeriod: 0 });
    await assertRejects(() => bag.read(cube.digest), QuiverError, "is not in the bag");
  },
);

test(
  "Bag.importDatasets() refuses a bag that is only read, or closed, and stores nothing",
  CUBE,
  async (bag, file) => {
    const { path } = bag;
    {
      await using other = await openBag(path, { mode: "read" });
      await assertRejects(
        () => other.importDatasets(file),
        QuiverError,
        'opened with mode: "read"',
      );
    }
    await bag.close();
    await assertRejects(() => bag.importDatasets(file), QuiverError, "it is closed");
    await using again = await openBag(path);
    assertEquals(await Array.fromAsync(again.list("")), []);
  },
);

test(
  "a signed bag gives what it has imported to those only who have its key",
  CUBE,
  async (_, file) => {
    using directory = new TemporaryDirectory();
    await using bag = await openBag(directory.path, { signingKey: "k".repeat(32), fold: "manual" });
    const { datasets: [cube] } = await bag.importDatasets(file, { path: "cube" });
    assertEquals(await bag.slice(cube?.digest ?? "", [[1, 2], [0, 1], [0, 1]]), {
      data: Float64Array.of(1200),
      shape: [1, 1, 1],
    });
    assertEquals((await Array.fromAsync(bag.list(""))).map(({ name }) => name), ["importDatasets"]);
  },
);

test(
  "Bag.importDatasets() says of files that are cut, damaged or none what they are",
  OTHERS,
  async (bag, file) => {
    const directory = file.slice(0, file.lastIndexOf("/"));
    const bytes = Deno.readFileSync(file);
    for (const share of [0.01, 0.1, 0.5, 0.9, 0.999]) {
      Deno.writeFileSync(
        `${directory}/cut.h5`,
        bytes.subarray(0, Math.floor(bytes.length * share)),
      );
      await assertRejects(
        () => bag.importDatasets(`${directory}/cut.h5`),
        BagCorruptError,
        'cut.h5": it is damaged or cut short',
      );
    }
    Deno.writeTextFileSync(`${directory}/text.h5`, "x".repeat(5000));
    for (const load of [bag.importDatasets.bind(bag), bag.importHdf5.bind(bag)]) {
      await assertRejects(
        () => load(`${directory}/text.h5`),
        BagCorruptError,
        "it is no HDF5 file",
      );
      await assertRejects(() => load(`${directory}/none.h5`), Deno.errors.NotFound);
      await assertRejects(() => load(directory), QuiverError, "it is a directory");
    }
    await assertRejects(
      () => bag.importHdf5(file),
      BagCorruptError,
      `Cannot import "${file}": it was not written by exportHdf5: use importDatasets`,
    );
    // Behind what somebody has put before it, and by a link.
    const block = `${directory}/block.h5`;
    const script =
      'import h5py, sys\nh5py.File(sys.argv[1], "w", userblock_size=1024)["half"] = 0.5';
    assertEquals(H5PY.run("-c", script, block).code, 0);
    const { datasets: [half] } = await bag.importDatasets(block);
    assertEquals(await bag.read(half?.digest ?? ""), 0.5);
    Deno.symlinkSync(file, `${directory}/link.h5`);
    assertEquals(
      (await bag.importDatasets(`${directory}/link.h5`, { path: "half" })).datasets.length,
      1,
    );
    assertEquals(
      (await bag.importDatasets(new URL(`file://${file}`), { path: "half" })).datasets.length,
      1,
    );
  },
);

test(
  "Bag.importDatasets() of a file with any byte changed gives arrays or a clear error",
  `
f.create_dataset("a", data=np.arange(600.).reshape(20, 30), chunks=(7, 9), compression="gzip")
f.create_dataset("b", data=["x", "yy"], dtype=h5py.string_dtype())
f["c/d"] = np.array([1, 2], ">i2")
f["c/d"].attrs["units"] = "m"
`,
  async (bag, file) => {
    const bytes = Deno.readFileSync(file);
    let [right, wrong] = [0, 0];
    for (let at = 0; at < bytes.length; at += 37) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8)) ^ 0x80;
      Deno.writeFileSync(file, damaged);
      try {
        await bag.importDatasets(file);
        right++;
      } catch (error) {
        wrong++;
        const clear = error instanceof QuiverError || error instanceof RangeError;
        assert(clear, `byte ${at}: ${Deno.inspect(error)}`);
      }
    }
    assert(right > 0 && wrong > 0);
  },
);

const DTYPES = ["i1", "<i2", ">i2", "<u4", ">u8", "<f4", ">f8", "<f2", ">c16", "?"];
const SCRIPT = `
import h5py, json, sys
import numpy as np
rng = np.random.default_rng(int(sys.argv[3]))
about = {}
with h5py.File(sys.argv[1], "w") as f:
    for i, (dtype, shape, chunked) in enumerate(json.loads(sys.argv[2])):
        size = int(np.prod(shape))
        a = np.frombuffer(rng.bytes(size * 16), "u1")[:size * np.dtype(dtype).itemsize]
        a = (a % 2).astype("?") if dtype == "?" else np.ascontiguousarray(a).view(dtype)
        a = a.reshape(shape)
        how = {"chunks": tuple(max(1, n // 2) for n in shape), "compression": "gzip"} if chunked and size else {}
        d = f.create_dataset(f"g{i % 3}/d{i}", data=a, **how)
        d.attrs["i"] = i
        about[f"/g{i % 3}/d{i}"] = a.astype(np.dtype(dtype).newbyteorder("<")).tobytes().hex()
print(json.dumps(about))
`;

/** What an array of any kind holds, as it would be in a file. */
function toHex(value: unknown): string {
  const data = typeof value === "object" && value !== null && "data" in value ? value.data : value;
  assert(ArrayBuffer.isView(data));
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).toHex();
}

Deno.test({
  ...H5PY.forTest("Bag.importDatasets() gives what h5py has written, whatever that is"),
  async fn() {
    using directory = new TemporaryDirectory();
    await using bag = await openBag(`${directory.path}/bag`, { fold: "manual" });
    const file = `${directory.path}/random.h5`;
    const dataset = fc.tuple(
      fc.constantFrom(...DTYPES),
      fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 3 }),
      fc.boolean(),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(dataset, { minLength: 8, maxLength: 12 }),
        fc.nat(),
        async (datasets, seed) => {
          const { code, output } = H5PY.run(
            "-c",
            SCRIPT,
            file,
            JSON.stringify(datasets),
            `${seed}`,
          );
          assertEquals(code, 0, output);
          const written: { [path: string]: string } = JSON.parse(output);
          const imported = await bag.importDatasets(file);
          assertEquals(imported.skipped, []);
          assertEquals(imported.datasets.length, datasets.length);
          for (const { path, digest, shape, attributes } of imported.datasets) {
            const value = await bag.read(digest);
            assertEquals(toHex(value), written[path], path);
            const [, lengths] = datasets[Number(attributes.i)] ?? [];
            assertEquals([...shape ?? []], lengths, path);
            const ranges = (lengths ?? []).map((n) => [n >> 2, n - (n >> 2)] as const);
            const part = await bag.slice(digest, ranges);
            const { datasets: [again] } = await bag.importDatasets(file, { path, ranges });
            assertEquals(toHex(await bag.read(again?.digest ?? "")), toHex(part), path);
          }
        },
      ),
      { numRuns: 6 },
    );
  },
});
