// end-to-end: files of a bag that claim to be more than they are: no memory, and a miss
import { assert, assertEquals } from "@std/assert";
import { crc32 } from "node:zlib";
import { PositionedFile } from "../../src/bag/hdf5/emscripten_fs.ts";
import { Hdf5Library } from "../../src/bag/hdf5/library.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import {
  ATTRIBUTE,
  checkRows,
  OLD_PACKED_ROW_BYTES,
  PACKED_COLUMNS,
} from "../../src/bag/segment/format.ts";
import { DISK, removeIfThere } from "../../src/disk/file_system.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { VALUE_KIND } from "../../src/value/value.ts";
import { listFiles, TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { readAll } from "./_attack.ts";
import { CALLS, createSmallBag, ENVIRONMENT, verify } from "./_small_bag.ts";

const [FIRST] = CALLS;

function hitsOf(reading: Awaited<ReturnType<typeof readAll>>): readonly number[] {
  if ("error" in reading) throw reading.error;
  return reading.hits;
}

/** What a row of `/packed_table` was before version 2. */
const OLD_COLUMNS = [
  ["digest", "A64"],
  ["offset", "<Q"],
  ["length", "<Q"],
  ["kind", "<I"],
  ["crc32", "<I"],
] as const;

function toOldRow(name: string, offset: bigint, length: bigint): Uint8Array<ArrayBuffer> {
  const row = new Uint8Array(OLD_PACKED_ROW_BYTES);
  new TextEncoder().encodeInto(name, row);
  const view = new DataView(row.buffer);
  view.setBigUint64(64, offset, true);
  view.setBigUint64(72, length, true);
  view.setUint32(80, VALUE_KIND.Uint8Array, true);
  return row;
}

function toPackedRow(name: string, offset: bigint, length: bigint): Uint8Array<ArrayBuffer> {
  const row = new Uint8Array(64);
  new TextEncoder().encodeInto(name.slice(0, 32), row);
  if (/^[0-9a-f]{64}$/.test(name)) row.setFromHex(name);
  const view = new DataView(row.buffer);
  view.setBigUint64(32, offset, true);
  view.setBigUint64(40, length, true);
  view.setUint32(48, VALUE_KIND.Uint8Array, true);
  checkRows(row);
  return row;
}

for (const version of [1, 2]) {
  const name =
    `a packed table of version ${version} that claims absurd places is believed in nothing`;
  Deno.test(name, () => checkAbsurdPlaces(version));
}

async function checkAbsurdPlaces(version: number): Promise<void> {
  assert(FIRST !== undefined);
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path, false);
  const library = await Hdf5Library.load();
  const digest = encodeValue(FIRST.result).digest;
  for (const name of [digest, "../".repeat(21) + "x", "\0".repeat(64)]) {
    for (
      const [offset, length] of [[0, 2 ** 40], [2 ** 40, 8], [2 ** 63, 2 ** 63], [0, 0]] as const
    ) {
      Deno.writeFileSync(`${directory.path}/segments/000001.h5`, new Uint8Array(0));
      removeIfThere(DISK, `${directory.path}/segments/000001.index`);
      using file = Deno.openSync(`${directory.path}/segments/000001.h5`, {
        read: true,
        write: true,
      });
      const output = library.create(new PositionedFile(DISK, file));
      output.createGroup("/values");
      output.createDataset("/packed", { type: "<B", count: 8, length: 8 }, [new Uint8Array(8)]);
      const row = version === 1
        ? toOldRow(name, BigInt(offset), BigInt(length))
        : toPackedRow(name, BigInt(offset), BigInt(length));
      const shape = {
        type: version === 1 ? OLD_COLUMNS : PACKED_COLUMNS,
        count: 1,
        length: row.length,
      };
      output.createDataset("/packed_table", shape, [row]);
      const about = { crc32: crc32(row), ...(version > 1 && { format: version }) };
      output.setAttribute("/packed_table", ATTRIBUTE, JSON.stringify(about));
      output.close();
      await using files = await openBagFiles(directory.path, { mode: "read" }, ENVIRONMENT);
      // Nothing at all has the checksum of nothing: an array without elements.
      const expected = name === digest && length === 0 ? 0 : undefined;
      assertEquals(files.values.load(digest)?.bytes.length, expected);
      const report = await verify(directory.path);
      assertEquals(report.sound, false);
    }
  }
}

for (
  const file of [
    "calls.jsonl",
    "calls.index",
    "segments/000001.index",
    "journal/0123456789abcdef-1",
  ]
) {
  const name = `a hole of 300 MB in ${file} takes no memory, and compaction leaves nothing of it`;
  Deno.test(name, async () => {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await createSmallBag(path, false);
    {
      await using files = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
      await files.compact({ full: true });
    }
    // Of a table not even the begin is there.
    const isLog = file === "calls.jsonl";
    const begin = isLog ? Deno.readFileSync(`${path}/${file}`) : new Uint8Array(64);
    Deno.writeFileSync(`${path}/${file}`, begin);
    Deno.truncateSync(`${path}/${file}`, begin.length + 300e6);
    Deno.writeTextFileSync(`${path}/${file}`, "\n", { append: true });
    const before = Deno.memoryUsage().rss;
    assertEquals(hitsOf(await readAll(path, CALLS, name)), [0, 1, 2]);
    await verify(path);
    {
      await using files = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
      await files.compact({ full: true });
      await files.fold();
    }
    assertEquals((await verify(path, { repair: true })).missed, 0);
    const growth = Deno.memoryUsage().rss - before;
    assert(growth < 150e6, `${growth} bytes more`);
    const size = listFiles(path).reduce(
      (sum, one) => sum + Deno.statSync(`${path}/${one}`).size,
      0,
    );
    assert(size < 1e6, `${size} bytes are left`);
    assertEquals(hitsOf(await readAll(path, CALLS, name)), [0, 1, 2]);
  });
}
