import { readLog } from "../../../src/bag/verify/read_log.ts";
import { encodeCallLine, encodeCheckedLine } from "../../../src/disk/checked_line.ts";
import { compute } from "../survive.ts";
import {
  ANYTHING,
  DIGESTS,
  ENCODER,
  HEX,
  type HostileBag,
  nest,
  show,
  write,
} from "./hostile_bag.ts";

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

/** Records of the call log with a field that no writer writes. */
export function* listRecords(): Generator<HostileBag> {
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

/** Headers and the records that refer to them, with right names and checksums. */
export function* listShortRecords(): Generator<HostileBag> {
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
