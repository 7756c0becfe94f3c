import { crc32 } from "node:zlib";
import { checkRows, readPackedRows } from "../../../src/bag/segment/format.ts";
import { SegmentTable } from "../../../src/bag/segment/segment_table.ts";
import {
  DigestTable,
  encodeRows,
  encodeTable,
  type OtherRows,
  PURPOSE,
  ROW_BYTES,
  type TableRow,
} from "../../../src/bag/table/digest_table.ts";
import { FileHandles } from "../../../src/disk/file_system.ts";
import { toLayout } from "../../../src/disk/layout.ts";
import { listFiles } from "../../bag/_temporary_directory.ts";
import { type HostileBag, read, SEGMENT, show, SIZES, write } from "./hostile_bag.ts";

const ROWS: Readonly<Record<string, (row: TableRow) => TableRow>> = Object.fromEntries([
  ...SIZES.flatMap((size): [string, (row: TableRow) => TableRow][] => [
    [`offsets of ${size}`, (row) => ({ ...row, offset: size })],
    [`lengths of ${size}`, (row) => ({ ...row, length: size })],
    [`offsets and lengths of ${size}`, (row) => ({ ...row, offset: size, length: size })],
  ]),
  ...[1, 2, 3, 0xffff_ffff].map((location): [string, (row: TableRow) => TableRow] => [
    `the place ${location}`,
    (row) => ({ ...row, location }),
  ]),
  ...[0, 2, 999, 0xffff_ffff].map((kind): [string, (row: TableRow) => TableRow] => [
    `the kind ${kind}`,
    (row) => ({ ...row, kind }),
  ]),
  ...[1, 9, 0xffff_ffff].map((details): [string, (row: TableRow) => TableRow] => [
    `details at ${details}`,
    (row) => ({ ...row, details }),
  ]),
]);

/** Reads the table of the one segment; its rows are also those that the segment itself has. */
export function readTable(path: string): { readonly own: DigestTable; readonly rows: TableRow[] } {
  using handles = new FileHandles();
  const rows = SegmentTable.read(toLayout(path), SEGMENT, handles)?.rows().toArray();
  const own = DigestTable.decode(read(path, `segments/${SEGMENT}.index`), PURPOSE.values);
  if (rows === undefined || own === undefined) throw new Error("Cannot find the segment's table");
  return { own, rows };
}

/** Changes what a table of version 2 says of the rows that are in the segment. */
function writeOthers(path: string, change: (others: OtherRows) => OtherRows): void {
  const { own } = readTable(path);
  if (own.others === undefined) throw new Error("Cannot find rows in the segment");
  const bytes = encodeTable(own.subject, own.rows().toArray(), change(own.others));
  write(path, `segments/${SEGMENT}.index`, bytes);
}

/** Changes the rows that are in the segment. */
function writePackedRows(path: string, change: (row: TableRow) => TableRow): void {
  writeOthers(path, (others) => {
    const segment = read(path, `segments/${SEGMENT}.h5`);
    const end = others.begin + others.size * ROW_BYTES;
    const old = readPackedRows(2, segment.subarray(others.begin, end));
    const rows = encodeRows(old.map(change).toArray());
    checkRows(rows);
    segment.set(rows, others.begin);
    write(path, `segments/${SEGMENT}.h5`, segment);
    return { ...others, crc: crc32(rows) };
  });
}

/** Tables of segments and calls that say other than what is there. */
export function* listTables(): Generator<HostileBag> {
  for (const [name, change] of Object.entries(ROWS)) {
    // What is read by a table is what the table says.
    const forged = name.startsWith("the kind");
    yield {
      name: `a table of a segment with ${name}`,
      forged,
      make(path) {
        const { own, rows } = readTable(path);
        write(path, `segments/${SEGMENT}.index`, encodeTable(own.subject, rows.map(change)));
      },
    };
    yield {
      name: `a segment whose own rows have ${name}`,
      forged,
      make: (path) => writePackedRows(path, change),
    };
    yield {
      name: `a table of calls with ${name}`,
      make(path) {
        const table = DigestTable.decode(read(path, "calls.index"), PURPOSE.calls);
        if (table === undefined) throw new Error("Cannot find the table of calls");
        write(path, "calls.index", encodeTable(table.subject, table.rows().map(change).toArray()));
      },
    };
  }
  for (const field of ["begin", "size", "payloads", "crc"] as const) {
    for (const size of field === "crc" ? [0] : SIZES) {
      yield {
        name: `a table of rows in the segment with ${field} ${size}`,
        make: (path) => writeOthers(path, (others) => ({ ...others, [field]: size })),
      };
    }
  }
  const subjects = SIZES.flatMap((length) => [
    { purpose: PURPOSE.calls, length, check: 0 },
    { purpose: PURPOSE.values, length, check: 0, damaged: 2 ** 32 - 1 },
  ]);
  for (const subject of subjects) {
    yield {
      name: `tables of ${show(subject)}`,
      make(path) {
        for (const file of listFiles(path).filter((one) => one.endsWith(".index"))) {
          write(path, file, encodeTable(subject, []));
        }
      },
    };
  }
  for (const size of SIZES.slice(2)) {
    yield {
      name: `tables of ${size} rows`,
      make(path) {
        for (const file of listFiles(path).filter((one) => one.endsWith(".index"))) {
          const content = read(path, file);
          const view = new DataView(content.buffer);
          view.setBigUint64(16, BigInt(size), true);
          const end = view.getUint32(8, true) === 2 ? 92 : 60;
          view.setUint32(end, crc32(content.subarray(0, end)), true);
          write(path, file, content);
        }
      },
    };
  }
}
