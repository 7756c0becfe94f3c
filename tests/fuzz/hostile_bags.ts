import { crc32 } from "node:zlib";
import type { Hdf5Output } from "../../src/bag/hdf5/access.ts";
import { PositionedFile } from "../../src/bag/hdf5/emscripten_fs.ts";
import { ATTRIBUTE, checkRows, readPackedRows } from "../../src/bag/segment/format.ts";
import { DISK, FileHandles } from "../../src/disk/file_system.ts";
import { encodeHeader, encodeShape, HEADER_BYTES } from "../../src/bag/journal/journal_format.ts";
import { EMPTY_MANIFEST, type Manifest, readManifest } from "../../src/bag/manifest.ts";
import { SegmentTable } from "../../src/bag/segment/segment_table.ts";
import {
  DigestTable,
  encodeRows,
  encodeTable,
  type OtherRows,
  PURPOSE,
  ROW_BYTES,
  type TableRow,
  toViewed,
} from "../../src/bag/table/digest_table.ts";
import { readLog } from "../../src/bag/verify/read_log.ts";
import { encodeCallLine, encodeCheckedLine } from "../../src/disk/checked_line.ts";
import { toLayout } from "../../src/disk/layout.ts";
import { toCbor } from "../../src/value/codec/cbor.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { VALUE_KIND } from "../../src/value/value.ts";
import { loadHdf5Library } from "../bag/_inline_fold_runner.ts";
import { listFiles } from "../bag/_temporary_directory.ts";
import { concatenate } from "./_mutations.ts";
import { compute, COUNT, type Losses, toResult } from "./survive.ts";

/** A bag of which something is other than any writer makes it, with right checksums. */
export interface HostileBag extends Losses {
  readonly name: string;
  /** Makes the bag so. */
  readonly make: (path: string) => void | Promise<void>;
}

const ENCODER = new TextEncoder();
const HEX = "a".repeat(64);

function read(path: string, file: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(`${path}/${file}`);
}

function write(path: string, file: string, content: string | Uint8Array, append = false): void {
  const bytes = typeof content === "string" ? ENCODER.encode(content) : content;
  Deno.writeFileSync(`${path}/${file}`, bytes, { append });
}

// --- Records -------------------------------------------------------------------------------------

function nest(depth: number): unknown {
  return JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);
}

const TEXTS = [
  "",
  "__proto__",
  "constructor",
  "../../x",
  "\ud800",
  "\0",
  "x".repeat(1e6),
  "\u202e~0/",
];
const NUMBERS = [-1, 1e308, 2 ** 53, 0.5, -0];
const OTHERS = [null, true, [], {}, [null], { length: 2 ** 32 }, nest(150)];
const ANYTHING: readonly unknown[] = [...TEXTS, ...NUMBERS, ...OTHERS];

const DIGESTS: readonly unknown[] = [
  ...ANYTHING,
  HEX.slice(1),
  HEX.toUpperCase(),
  `${HEX}\n`,
  "/".repeat(64),
  HEX,
];

const FIELDS: Readonly<Record<string, readonly unknown[]>> = {
  result: DIGESTS,
  args: [
    ...ANYTHING,
    ...DIGESTS.map((value) => [{ name: "n", position: 0, digest: HEX, value }]),
    ...DIGESTS.map((digest) => [{ name: "n", position: 0, digest }]),
    ...ANYTHING.map((name) => [{ name, position: 0, digest: HEX }]),
    ...ANYTHING.map((position) => [{ name: "n", position, digest: HEX }]),
    ...DIGESTS.map((lost) => [{ name: "n", position: 0, digest: HEX, lost }]),
    Array.from({ length: 30_000 }, () => ({ name: "n", position: 0, digest: HEX, value: HEX })),
  ],
  module: ANYTHING,
  task: ANYTHING,
  metadata: [...ANYTHING, ...ANYTHING.map((tags) => ({ tags })), { tags: { a: nest(100) } }],
  started: ANYTHING,
  duration: ANYTHING,
  version: ANYTHING,
  scheme: ANYTHING,
  code: ANYTHING,
  parts: [...ANYTHING, [5], ["x"], [{}]],
  reads: [...ANYTHING, [5], [{ kind: "x", name: "n", digest: HEX }], [{ kind: "env", name: 5 }]],
  ignored: [...ANYTHING, ["...-1"], [-1], [1e9], ["x"]],
  signature: ANYTHING,
};

async function toRecord(path: string): Promise<{ key: string; record: Record<string, unknown> }> {
  const key = await compute.digest(0);
  using log = Deno.openSync(`${path}/calls.jsonl`);
  let record: Readonly<Record<string, unknown>> = {};
  readLog(log, log.statSync().size, {
    visit(line, content = {}) {
      if (line.key === key) record = content;
    },
    skip: () => [],
  });
  if (record.key !== key) throw new Error("Cannot find the record");
  return { key, record };
}

function* listRecords(): Generator<HostileBag> {
  for (const [field, values] of Object.entries(FIELDS)) {
    for (const value of values) {
      yield {
        name: `a record with ${field} ${show(value)}`,
        calls: [0],
        async make(path) {
          const { key, record } = await toRecord(path);
          write(path, "calls.jsonl", encodeCallLine(key, { ...record, [field]: value }), true);
        },
      };
    }
    yield {
      name: `a record without ${field}`,
      calls: [0],
      async make(path) {
        const { key, record: { [field]: _, ...others } } = await toRecord(path);
        write(path, "calls.jsonl", encodeCallLine(key, others), true);
      },
    };
  }
}

/** What a header and a short record that refers to it may say other than any writer. */
const HEADERS: Readonly<Record<string, readonly unknown[]>> = {
  args: [
    ...ANYTHING,
    [],
    ...ANYTHING.map((name) => [{ name, position: 0 }]),
    ...ANYTHING.map((position) => [{ name: "n", position }]),
    [{ name: "n", digest: HEX, value: HEX }],
    Array.from({ length: 30_000 }, () => ({ name: "n" })),
  ],
  ...Object.fromEntries(
    ["key", "call", "head", "result", "crc", "evict"].map((name) => [name, [HEX, ...ANYTHING]]),
  ),
  module: ANYTHING,
  task: ANYTHING,
  metadata: ANYTHING,
};

const SHORT: Readonly<Record<string, readonly unknown[]>> = {
  args: [...ANYTHING, [], [""], [{ digest: "" }], ...DIGESTS.map((digest) => [{ digest }])],
  result: DIGESTS,
  key: [HEX, ...ANYTHING],
  module: ANYTHING,
  metadata: ANYTHING,
};

/** Lines of a header and a short record, with right names and checksums. */
async function writeShort(
  path: string,
  header: Record<string, unknown>,
  own: Record<string, unknown>,
  toName = (name: string) => name,
): Promise<void> {
  const { key, record } = await toRecord(path);
  const { args: _, result, started, duration, key: __, ...common } = record;
  const args = [{ name: "n", position: 0 }];
  const text = JSON.stringify({ ...common, args, ...header }).slice(1, -1);
  const named = new Uint8Array(await crypto.subtle.digest("SHA-256", ENCODER.encode(`{${text}}`)));
  const name = toName(named.subarray(0, 12).toBase64({ alphabet: "base64url" }));
  const digest = (hex: unknown) => Uint8Array.fromHex(String(hex)).toBase64(URL_SAFE);
  const content = { args: [digest(HEX)], result: digest(result), started, duration, ...own };
  const short = `{"call":"${digest(key)}","head":"${name}",${JSON.stringify(content).slice(1, -1)}`;
  write(path, "calls.jsonl", encodeCheckedLine(`{"head":"${name}",${text}`), true);
  write(path, "calls.jsonl", encodeCheckedLine(short), true);
}

const URL_SAFE = { alphabet: "base64url", omitPadding: true } as const;

function* listShortRecords(): Generator<HostileBag> {
  for (const [field, values] of Object.entries(HEADERS)) {
    for (const value of values) {
      yield {
        name: `a header with ${field} ${show(value)}`,
        calls: [0],
        make: (path) => writeShort(path, { [field]: value }, {}),
      };
    }
  }
  for (const [field, values] of Object.entries(SHORT)) {
    for (const value of values) {
      yield {
        name: `a short record with ${field} ${show(value)}`,
        calls: [0],
        make: (path) => writeShort(path, {}, { [field]: value }),
      };
    }
  }
  for (const name of ["A".repeat(16), "_".repeat(16), "=".repeat(16), "", HEX, "A".repeat(17)]) {
    yield {
      name: `a header of the name ${show(name)}`,
      calls: [0],
      make: (path) => writeShort(path, {}, {}, () => name),
    };
  }
}

/** JSON texts behind the key, without the last brace. */
const LINES: readonly string[] = [
  "",
  `,"key":"${HEX}"`,
  ',"key":null',
  `,"__proto__":{"result":"${HEX}","module":"m","task":"t","args":[]}`,
  `,"result":"${HEX}","result":5`,
  ',"a":1e400',
  ',"a":-0',
  ',"a":"\\ud800"',
  `,"a":${"[".repeat(200)}${"]".repeat(200)}`,
  `,"a":${"[".repeat(5000)}${"]".repeat(5000)}`,
  `,"a":${'{"a":'.repeat(1e5)}1${"}".repeat(1e5)}`,
  ',"a":[',
  ",,",
  ' ,"a" : 1 ',
  ',"a":"\u2028\u0000"',
  `,"a":"${"x".repeat(15 * 2 ** 20)}"`,
];

function* listLines(): Generator<HostileBag> {
  for (const text of LINES) {
    yield {
      name: `a line that goes on with ${show(text)}`,
      calls: [0],
      async make(path) {
        const line = encodeCheckedLine(`{"key":"${await compute.digest(0)}"${text}`);
        write(path, "calls.jsonl", line, true);
      },
    };
  }
  for (const bytes of [[0xff, 0xfe], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
    yield {
      name: `a line that is no UTF-8: ${bytes}`,
      calls: [0],
      async make(path) {
        const line = encodeCheckedLine(`{"key":"${await compute.digest(0)}","a":"????"`);
        line.set(bytes, line.indexOf(0x3f));
        const text = line.subarray(1, -19);
        const check = crc32(text).toString(16).padStart(8, "0");
        write(path, "calls.jsonl", line.subarray(0, -19), true);
        write(path, "calls.jsonl", `,"crc":"${check}"}\n`, true);
      },
    };
  }
  const texts: Readonly<Record<string, (log: string) => string>> = {
    "a byte order mark": (log) => `\ufeff${log}`,
    "carriage returns": (log) => log.replaceAll("\n", "\r\n"),
    "no line feeds": (log) => log.replaceAll("\n", " "),
    "blank lines": (log) => log.replaceAll("\n", "\n".repeat(1000)),
    "all lines a thousand times": (log) => log.repeat(200),
    "evictions of what is no key": (log) => `${log}\n{"evict":"x"}\n{"evict":5}\n`,
    "marks of rewrites": (log) => '\n{"moved":true}\n'.repeat(100) + log,
  };
  for (const [name, change] of Object.entries(texts)) {
    yield {
      name: `a log with ${name}`,
      make: (path) =>
        write(path, "calls.jsonl", change(Deno.readTextFileSync(`${path}/calls.jsonl`))),
    };
  }
}

// --- Values --------------------------------------------------------------------------------------

const HUGE = 0xffff_ffff;
const GRAPHS: readonly unknown[] = [
  [],
  [1],
  [2, [0], ["Array"]],
  [1, [5]],
  [1, [-1], ["Array"]],
  [1, [0.5], ["Array"]],
  [1, [0], ["Array", [0], [7]]],
  [1, [0], ["NoSuchNode", 1]],
  [1, [0], ["__proto__", 1]],
  [1, [0], ["constructor"]],
  [1, [0], [5]],
  [1, [0], []],
  [1, [0], null],
  [1, [0], ["Object", 5, 6]],
  [1, [0], ["Object", "a"]],
  [1, [0], ["Object", ["utf16", new Uint8Array(3)], 1]],
  [1, [0], ["SparseArray", HUGE, "0", 1]],
  [1, [0], ["SparseArray", -1]],
  [1, [0], ["SparseArray", 5, "9", 1]],
  [1, [0], ["SparseArray", "x"]],
  [1, [0], ["Map", 1]],
  [1, [0], ["Date", "x"]],
  [1, [0], ["Date", 1e308]],
  [1, [0], ["RegExp", "(", "g"]],
  [1, [0], ["RegExp", "a", "zz"]],
  [1, [0], ["URL", "no url"]],
  [1, [0], ["Boxed", [0]]],
  [1, [0], ["Boxed", null]],
  [1, [0], ["Error", "constructor", "x", "x", "x", 0]],
  [1, [0], ["Error", "Error", "x", "x", "x", 9]],
  [1, [0], ["Error", "Error", 5, 6, 7, -1]],
  [1, [0], ["Error"]],
  [1, [0], ["part", new Uint8Array(5)]],
  [1, [0], ["part", "x"]],
  [1, [0], ["part", new Uint8Array(32).fill(7)]],
  [1, [0], ["Float64Array", new Uint8Array(7)]],
  [1, [0], ["BigInt64Array", new Uint8Array(9)]],
  [1, [0], ["Uint8Array", 5]],
  [1, ["bigint", "zz"]],
  [1, ["bigint", "-"]],
  [1, ["bigint", "f".repeat(1e6)]],
  [1, ["utf16", 5]],
  [1, ["nothing"]],
  [1, { a: 1 }],
];

/** Payloads with their checksums that nothing decodes to what is right. */
function* listPayloads(): Generator<
  { name: string; kind: number; bytes: Uint8Array<ArrayBuffer> }
> {
  for (
    const bytes of [
      [],
      [0xff],
      [0x81],
      [0x9f, 0xff],
      [0xbb, 0x7f, 255, 255, 255, 255, 255, 255, 255],
      [0x9a, 255, 255, 255, 255],
      [0xba, 255, 255, 255, 255],
      [0x7a, 255, 255, 255, 255],
      [0x5b, 0x7f, 255, 255, 255, 255, 255, 255, 255],
      [0xc1, 0x01],
      [0xd9, 0x01, 0x04, 0x80],
      [0x62, 0xff, 0xfe],
      [0xa1, 0x01, 0x02],
      [0xa2, 0x61, 0x61, 1, 0x61, 0x61, 2],
      [0xf8, 0x20],
      [1, 1],
      [0xa1, 0x69, ...ENCODER.encode("__proto__"), 0xa0],
      [0xfb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
      ...[[0x81], [0xa1, 0x61, 0x61]].map((one) =>
        Array.from({ length: 2e5 }, (_, i) => one[i % one.length] ?? 0)
      ),
    ]
  ) {
    for (const kind of [VALUE_KIND.cbor, VALUE_KIND.graph]) {
      yield { name: `of kind ${kind} with ${show(bytes)}`, kind, bytes: Uint8Array.from(bytes) };
    }
  }
  for (const graph of GRAPHS) {
    yield {
      name: `that is the graph ${show(graph)}`,
      kind: VALUE_KIND.graph,
      bytes: toCbor(graph),
    };
  }
  for (const kind of [0, 3, 15, 31, 999, 65_535, ...Object.values(VALUE_KIND)]) {
    yield { name: `of kind ${kind} with 7 bytes`, kind, bytes: new Uint8Array(7).fill(9) };
  }
}

interface Entry {
  readonly kind: number;
  readonly bytes: Uint8Array;
  readonly length?: number;
  readonly rank?: number;
  readonly shape?: Uint8Array;
}

/** Puts an entry into the journal, which comes before segments. */
function putEntry(path: string, digest: string, { kind, bytes, length, rank, shape }: Entry): void {
  const header = toViewed(new Uint8Array(HEADER_BYTES));
  const described = { digest, kind, length: length ?? bytes.length, crc: crc32(bytes) };
  encodeHeader(header, rank === undefined ? described : { ...described, rank });
  const journal = `journal/${"0".repeat(16)}-1`;
  for (const part of [header.bytes, bytes, shape]) if (part) write(path, journal, part, true);
}

const SHAPES: readonly (readonly number[])[] = [
  [],
  [0],
  [520, 0],
  [2 ** 31, 2 ** 31],
  [2 ** 53, 1],
  [520, 1, 1, 1],
  Array(1000).fill(1),
  [3, 5],
];

function* listValues(): Generator<HostileBag> {
  for (const { name, kind, bytes } of listPayloads()) {
    for (const n of [0, 1, 2]) {
      const encoded = encodeValue(toResult(n));
      yield {
        name: `a value ${n} ${name}`,
        calls: [n],
        // Bytes with a checksum that decode are believed by who has no key.
        forged: true,
        make: (path) => putEntry(path, encoded.digest, { kind, bytes }),
      };
      for (const part of encoded.parts) {
        yield {
          name: `a part ${name}`,
          calls: [1, 2, 4, 5],
          forged: true,
          make: (path) => putEntry(path, part.digest, { kind, bytes }),
        };
      }
    }
  }
  const { digest, kind, bytes } = encodeValue(toResult(1));
  for (const shape of SHAPES) {
    yield {
      name: `an array of the shape ${show(shape)}`,
      calls: [],
      make: (path) =>
        putEntry(path, digest, { kind, bytes, rank: shape.length, shape: encodeShape(shape) }),
    };
  }
  for (const length of [2 ** 31, 2 ** 40, 2 ** 53, 2 ** 63, 2 ** 64 - 2048, 57]) {
    yield {
      name: `an entry of ${length} bytes`,
      calls: [1],
      make: (path) => putEntry(path, digest, { kind, bytes: new Uint8Array(56), length }),
    };
  }
  for (const rank of [1, 1000, 65_535]) {
    yield {
      name: `an entry of rank ${rank} without dimensions`,
      calls: [1],
      make: (path) => putEntry(path, digest, { kind, bytes, rank }),
    };
  }
}

// --- Tables, the manifest, bag.json ---------------------------------------------------------------

const SIZES = [0, 1, 2 ** 31, 2 ** 40, 2 ** 53, 2 ** 63, 2 ** 64 - 2048];

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
function readTable(path: string): { readonly own: DigestTable; readonly rows: TableRow[] } {
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

const SEGMENT = "000001";

function* listTables(): Generator<HostileBag> {
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

const MANIFESTS: readonly (Partial<Record<keyof Manifest, unknown>>)[] = [
  ...["generation", "nextSegment", "logGeneration", "segments", "sealed", "sweeps"].flatMap((
    name,
  ) =>
    [...ANYTHING, ...SIZES, Number.MAX_SAFE_INTEGER, 2 ** 32, 2 ** 52, 10 ** 15, 10 ** 15 - 1].map((
      value,
    ) => ({ [name]: value }))
  ),
  ...ANYTHING.flatMap((value) => [
    { segments: [{ name: value, values: 1, bytes: 1 }] },
    { segments: [{ name: "000001", values: value, bytes: 1 }] },
    { segments: [{ name: "000001", values: 1, bytes: value }] },
    { segments: [{ name: "000001", values: 1, bytes: 1, newest: value }] },
    { segments: [value] },
    { sealed: { [`${"0".repeat(16)}-1`]: value } },
  ]),
  {
    segments: Array.from(
      { length: 1e4 },
      (_, i) => ({ name: `${i + 10}`, values: 2 ** 31, bytes: 2 ** 49 }),
    ),
  },
  { segments: [{ name: "999999999999999", values: 1, bytes: 1 }] },
  { segments: [] },
  { sealed: Object.fromEntries(Array.from({ length: 1e4 }, (_, i) => [`x${i}`, i])) },
];

function* listManifests(): Generator<HostileBag> {
  for (const change of MANIFESTS) {
    yield {
      name: `a manifest with ${show(change)}`,
      make(path) {
        const text = JSON.stringify({ ...readManifest(toLayout(path)), ...change });
        write(path, "manifest.json", encodeCheckedLine(text.slice(0, -1)));
      },
    };
    yield {
      name: `a new manifest with ${show(change)}`,
      make(path) {
        const text = JSON.stringify({ ...EMPTY_MANIFEST, ...change });
        write(path, "manifest.json", encodeCheckedLine(text.slice(0, -1)));
      },
    };
  }
  const base = {
    format: "quiver-bag",
    version: 2,
    digest: "sha256",
    digestScheme: 1,
    features: [],
  };
  for (const name of ["format", "version", "features", "gzip", "digest", "digestScheme"]) {
    for (const value of [...ANYTHING, "1", "gzip", ["gzip"], 0, 10, "9"]) {
      yield {
        name: `a bag.json with ${name} ${show(value)}`,
        make: (path) => write(path, "bag.json", JSON.stringify({ ...base, [name]: value })),
      };
    }
  }
  for (
    const text of [
      "null",
      "5",
      "[]",
      '"x"',
      "[".repeat(6e4),
      "\ufeff{}",
      " ",
      "\0",
      "{}\r\n",
      "\xff",
    ]
  ) {
    yield {
      name: `a bag.json that is ${show(text)}`,
      make: (path) => write(path, "bag.json", text),
    };
  }
}

// --- Segments -------------------------------------------------------------------------------------

function encodeNumbers(...numbers: readonly number[]): string {
  return new Uint8Array(Float64Array.from(numbers).buffer).toBase64();
}

const CHECKS = new Uint8Array(4).toBase64();

const DETAILS: readonly unknown[] = [
  ...ANYTHING,
  ...ANYTHING.map((shape) => ({ shape })),
  ...[[-1], [1e308], [2 ** 31, 2 ** 31], [0], [520, 0], ["520"], [null], [0.5]].map((shape) => ({
    shape,
  })),
  ...ANYTHING.map((checks) => ({ checks })),
  ...["!!!!", "AAA", CHECKS].map((checks) => ({ checks })),
  ...[[0], [-1], [2 ** 40], [520, 520], [], ["x"]].map((chunk) => (
    { shape: [520], checks: CHECKS, chunk, places: encodeNumbers(0, 100) }
  )),
  ...[[NaN, NaN], [-1, 10], [2 ** 63, 10], [0, 2 ** 53], [0, 0], [1], []].map((places) => (
    { shape: [520], checks: CHECKS, chunk: [520], places: encodeNumbers(...places) }
  )),
];

function encodeDetails(path: string, text: string, location: number): Uint8Array {
  const { own, rows } = readTable(path);
  const details = (64 + 64 * rows.length) / 8;
  const bytes = ENCODER.encode(text);
  const head = new DataView(new ArrayBuffer(8));
  head.setUint32(0, bytes.length, true);
  head.setUint32(4, crc32(bytes), true);
  const table = encodeTable(own.subject, rows.map((row) => ({ ...row, location, details })));
  const pieces = [table, new Uint8Array(head.buffer), bytes];
  return concatenate(...pieces, new Uint8Array(8 - bytes.length % 8));
}

/** Makes the HDF5 file of the segment anew, without a table that would make up for it. */
async function writeSegment(
  path: string,
  write: (output: Hdf5Output, digests: readonly string[]) => void,
): Promise<void> {
  const digests = [0, 1, 2, 3].map((n) => encodeValue(toResult(n)).digest);
  const file = `${path}/segments/000001.h5`;
  Deno.removeSync(`${path}/segments/000001.index`);
  Deno.removeSync(file);
  using target = Deno.openSync(file, { read: true, write: true, createNew: true });
  const output = (await loadHdf5Library()).create(new PositionedFile(DISK, target));
  write(output, digests);
  output.close();
}

type Written = (output: Hdf5Output, digests: readonly string[]) => void;

const SEGMENTS: Readonly<Record<string, Written>> = {
  "that has nothing": () => {},
  "without values": (output) => output.createGroup("/values"),
  "whose values are links to itself": (output, digests) => {
    output.createGroup("/values");
    for (const digest of digests) {
      output.createExternalLink(`/values/${digest}`, "000001.h5", `/values/${digest}`);
    }
  },
  "whose values are a link to itself": (output) => {
    output.createExternalLink("/values", "000001.h5", "/values");
  },
  "whose values are a soft link to itself": (output) => output.createSoftLink("/values", "/values"),
  "whose values are inside of themselves": (output, [digest]) => {
    output.createGroup("/values");
    output.createHardLink(`/values/${digest}`, "/values");
  },
  "that leads to the door": (output) => {
    output.createExternalLink("/values", "../values.h5", "/segments/000001");
  },
  "that leads elsewhere": (output) => output.createExternalLink("/values", "/dev/zero", "/values"),
  "whose values are groups": (output, digests) => {
    output.createGroup("/values");
    for (const digest of digests) output.createGroup(`/values/${digest}`);
  },
  "whose packed values are a group": (output) => {
    output.createGroup("/values");
    output.createGroup("/packed");
    output.createGroup("/packed_table");
  },
  "with names that are no digests": (output) => {
    output.createGroup("/values");
    for (const name of ["x", "__proto__", "\u202e", "a".repeat(5000)]) {
      output.createGroup(`/values/${name}`);
    }
  },
  ...Object.fromEntries(
    [
      "{",
      "null",
      "5",
      "{}",
      '{"kind":"nothing"}',
      '{"kind":"Float64Array","crc32":"x","shape":[-1]}',
      '{"kind":"__proto__","crc32":1,"format":9}',
      "[".repeat(20_000),
    ].map((text): [string, Written] => [
      `whose attributes are ${show(text)}`,
      (output, digests) => {
        output.createGroup("/values");
        for (const digest of digests) {
          const shape = { type: "<d", count: 4, length: 32 };
          output.createDataset(`/values/${digest}`, shape, [new Uint8Array(32)]);
          output.setAttribute(`/values/${digest}`, ATTRIBUTE, text);
        }
      },
    ]),
  ),
};

function* listSegments(): Generator<HostileBag> {
  for (const details of DETAILS) {
    for (const location of [0, 2]) {
      yield {
        name: `a table of a segment with the place ${location} and the details ${show(details)}`,
        make(path) {
          const bytes = encodeDetails(path, JSON.stringify(details), location);
          write(path, `segments/${SEGMENT}.index`, bytes);
        },
      };
    }
  }
  for (const [name, writeAll] of Object.entries(SEGMENTS)) {
    yield { name: `a segment ${name}`, make: (path) => writeSegment(path, writeAll) };
  }
  for (const file of ["segments/000001.h5", "values.h5"]) {
    for (const change of ["cut", "zeros", "ones"] as const) {
      yield {
        name: `${change} in ${file}`,
        make(path) {
          const content = read(path, file);
          if (change === "cut") return write(path, file, content.subarray(0, 900));
          write(path, file, content.fill(change === "zeros" ? 0 : 255, 40, 900));
        },
      };
    }
  }
}

// --- Other files ----------------------------------------------------------------------------------

const TOUCHES = [
  ...ANYTHING.map((at) => JSON.stringify({ touch: HEX, at })),
  ...ANYTHING.map((touch) => JSON.stringify({ touch, at: 1 })),
];

const WAITS = [
  ...ANYTHING.map((waits) => ({ waits })),
  ...ANYTHING.map((wait) => ({ waits: [wait] })),
  ...ANYTHING.map((field) => ({
    waits: [{ id: field, since: field, target: field, callers: field }],
  })),
  ...ANYTHING.map((caller) => ({ waits: [{ id: "x", since: 1, target: HEX, callers: [caller] }] })),
];

function* listOthers(): Generator<HostileBag> {
  for (const text of TOUCHES) {
    yield {
      name: `a touch ${show(text)}`,
      calls: [],
      make: (path) =>
        write(path, `touches/${"0".repeat(16)}-1`, encodeCheckedLine(text.slice(0, -1))),
    };
  }
  for (const waits of WAITS) {
    yield {
      name: `a wait ${show(waits)}`,
      calls: [],
      make(path) {
        const line = encodeCheckedLine(JSON.stringify(waits).slice(0, -1));
        write(path, `locks/waits-${crypto.randomUUID()}`, line);
      },
    };
  }
  const names = ["bag.json", "manifest.json", "calls.jsonl", "calls.index", "values.h5"];
  for (const name of [...names, "segments/000001.h5", "segments/000001.index"]) {
    yield { name: `a directory ${name}`, make: (path) => replace(path, name, "directory") };
    yield { name: `an empty ${name}`, make: (path) => replace(path, name, "file") };
    yield { name: `no ${name}`, make: (path) => replace(path, name, "nothing") };
    yield { name: `a link ${name}`, make: (path) => replace(path, name, "link") };
  }
  for (const lock of ["fold", "calls", "sweep"]) {
    yield {
      name: `a directory ${lock}.lock`,
      make: (path) => replace(path, `locks/${lock}.lock`, "directory"),
    };
    yield {
      name: `a link ${lock}.lock`,
      make: (path) => replace(path, `locks/${lock}.lock`, "link"),
    };
  }
  for (const name of ["segments", "journal", "leases", "touches", "locks", "quarantine"]) {
    yield { name: `a file ${name}`, make: (path) => replace(path, name, "file") };
    if (name !== "quarantine") {
      yield {
        name: `no ${name}`,
        make: (path) => replace(path, name, "nothing"),
      };
    }
    for (
      const entry of [
        "x",
        "__proto__",
        `${"1".repeat(16)}-1`,
        HEX,
        "000009.h5",
        "000009.h5.x.tmp",
        `${"9".repeat(100)}.h5`,
        "\u202e",
        "waits-x",
        `lease-${HEX}`,
      ]
    ) {
      yield {
        name: `a directory ${name}/${entry}`,
        calls: [],
        make: (path) => Deno.mkdirSync(`${path}/${name}/${entry}`, { recursive: true }),
      };
      yield {
        name: `a foreign file ${name}/${entry}`,
        ...(entry !== "000009.h5" && { calls: [] }),
        make(path) {
          Deno.mkdirSync(`${path}/${name}`, { recursive: true });
          write(path, `${name}/${entry}`, "foreign");
        },
      };
    }
  }
  for (let n = 0; n < COUNT; n++) {
    yield {
      name: `a directory in the place of lease ${n}`,
      async make(path) {
        Deno.mkdirSync(`${path}/leases/${await compute.digest(n)}`);
        write(path, "calls.jsonl", "");
      },
    };
  }
}

function replace(path: string, name: string, by: "directory" | "file" | "link" | "nothing"): void {
  const target = `${path}/${name}`;
  try {
    Deno.removeSync(target, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (by === "directory") Deno.mkdirSync(target);
  else if (by === "file") Deno.writeTextFileSync(target, "");
  else if (by === "link") Deno.symlinkSync("/dev/zero", target);
}

function show(value: unknown): string {
  const text = typeof value === "string"
    ? JSON.stringify(value)
    : Deno.inspect(value, { depth: 3, breakLength: Infinity });
  return text.length > 80 ? `${text.slice(0, 60)}… (${text.length})` : text;
}

/** All of them, by what is hostile. */
export const HOSTILE = {
  records: listRecords,
  "short records": listShortRecords,
  lines: listLines,
  values: listValues,
  tables: listTables,
  manifests: listManifests,
  segments: listSegments,
  "other files": listOthers,
} satisfies Readonly<Record<string, () => Iterable<HostileBag>>>;
