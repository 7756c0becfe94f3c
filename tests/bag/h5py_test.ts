// end-to-end: independent HDF5 tools read what a bag holds
import { assertEquals, assertStringIncludes } from "@std/assert";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { VALUE_KIND, type ValueKindName } from "../../src/value/value.ts";
import { Tool } from "../tools.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart } from "./_values.ts";

const H5PY = Tool.find("python3-h5py");
const H5DUMP = Tool.find("h5dump");

const ARRAYS = Object.keys(VALUE_KIND).filter((name): name is ValueKindName =>
  name !== "cbor" && name !== "graph"
);

const SCRIPT = `
import h5py, hashlib, json, sys
door = h5py.File(sys.argv[1] + "/values.h5", "r")
found = {}
for name, values in door["segments"].items():
    for digest, dataset in values.items():
        about = json.loads(dataset.attrs["quiver"])
        assert list(dataset.shape) == about["shape"], digest
        assert hashlib.sha256(dataset[...].tobytes()).hexdigest() == digest, digest
        assert dataset.chunks is None
        found[digest] = [about["kind"], dataset.dtype.str]
    file = values.file
    packed = file["packed"][...].tobytes()
    for row in file["packed_table"][...]:
        digest = row.tobytes()[:32].hex()
        content = packed[int(row["offset"]):int(row["offset"]) + int(row["length"])]
        assert hashlib.sha256(content).hexdigest() == digest, digest
        found[digest] = [int(row["kind"]), "packed"]
print(json.dumps(found))
`;

const DTYPES: Partial<Record<ValueKindName, string>> = {
  Int8Array: "|i1",
  Int16Array: "<i2",
  Uint16Array: "<u2",
  Int32Array: "<i4",
  Uint32Array: "<u4",
  Float16Array: "<u2",
  Float32Array: "<f4",
  Float64Array: "<f8",
  BigInt64Array: "<i8",
  BigUint64Array: "<u8",
};

async function createBag(path: string) {
  const arrays = ARRAYS.map((kind) => ({ kind, part: createPart(kind, 8192, kind) }));
  const small = [createPart("small", 100), createPart("short array", 64, "Float64Array")];
  await using bag = await openBagFiles(path, { fold: "manual" });
  for (const { part } of arrays) bag.values.putPart(part);
  for (const part of small) bag.values.putPart(part);
  await bag.fold();
  return { arrays, small };
}

Deno.test({
  ...H5PY.forTest("DiskBag.fold() writes arrays that h5py reads as typed datasets"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { arrays, small } = await createBag(directory.path);
    const { code, output } = H5PY.run("-c", SCRIPT, directory.path);
    assertEquals(code, 0, output);
    const expected = Object.fromEntries([
      ...arrays.map(({ kind, part }) => [part.digest, [kind, DTYPES[kind] ?? "|u1"]]),
      ...small.map((part) => [part.digest, [part.kind, "packed"]]),
    ]);
    assertEquals(JSON.parse(output), expected);
  },
});

Deno.test({
  ...H5DUMP.forTest("DiskBag.fold() writes a link file that h5dump follows"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { arrays } = await createBag(directory.path);
    const { code, output } = H5DUMP.run("-A", `${directory.path}/values.h5`);
    assertEquals(code, 0, output);
    for (const { part } of arrays) assertStringIncludes(output, part.digest);
    assertStringIncludes(output, "H5T_IEEE_F64LE");
  },
});
