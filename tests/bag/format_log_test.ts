// end-to-end: a reader in another language, written from FORMAT.md alone, reads a call log
import { assertEquals } from "@std/assert";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { KEY_SCHEME, toKeyedCall } from "../../src/call/call_key.ts";
import type { CallRecord } from "../../src/call/call_record.ts";
import { readFunctionProfile } from "../../src/call/function_profile.ts";
import { RecordSigner } from "../../src/store/signed/record_signer.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { openManual, type ReadBag, readBag, SIGNING_KEY } from "./_format_reader.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { Tool } from "../tools.ts";
import { toDigest } from "./_values.ts";

const PYTHON = Tool.find("python3");

const PROFILE = {
  parameters: [{ name: "a" }, { name: "b" }],
  rest: "more",
  code: toDigest("code"),
  countsArguments: false,
};
const IGNORED = [[], ["a"], ["b"], ["more"], ["b", "more"]];
const SIGNER = new RecordSigner([SIGNING_KEY]);

/** Numbers that are written in different ways. */
const NUMBERS = [
  0.5,
  1e21,
  -1.25e-7,
  123_456_789_012_345_680_000,
  1e-6,
  0.1 + 0.2,
  -3,
  5e-324,
  99.5,
];

function createRecord(n: number, run: number): CallRecord {
  const address = { module: "file:///a%20b.ts", name: `täsk "${n}" \ud800` };
  const version = [undefined, n, `v${n}\n`, NUMBERS[n % NUMBERS.length]][n % 4];
  const identity = {
    address,
    ...(version !== undefined && { version }),
    ...(n % 3 > 0 && { code: PROFILE.code }),
  };
  const names = new Set(IGNORED[n % IGNORED.length]);
  const { key, args, ignored } = toKeyedCall(identity, PROFILE, names, [
    n,
    { b: -0, a: [n] },
    null,
  ]);
  return SIGNER.sign({
    key,
    scheme: KEY_SCHEME,
    module: address.module,
    task: address.name,
    ...(version !== undefined && { version }),
    ...(n % 3 > 0 && { code: PROFILE.code }),
    // Old records do not tell the positions.
    args: n % 5 > 0 ? args : args.map(({ position: _, ...argument }) => argument),
    ...(ignored !== undefined && { ignored }),
    result: encodeValue(run).digest,
    started: 1_700_000_000_000.25 + n,
    duration: run / 7,
    metadata: { tags: { "é": [n, true, null] }, deep: { z: 1, a: 1e300, "\udc00": "\u007f" } },
  });
}

function checkCalls(read: ReadBag, bag: DiskBag): void {
  assertEquals(read.records.map(({ record }): unknown => record), [...bag.calls.lines()]);
  for (const { record, key, signature } of read.records) {
    assertEquals([key, signature], [record.key, record.signature]);
  }
}

Deno.test({
  ...PYTHON.forTest("FORMAT.md says how to read the call log, its keys and signatures"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await using bag = await openManual(path);
    const records = Array.from({ length: 200 }, (_, n) => createRecord(n, 0));
    const putAll = (records: readonly CallRecord[]) => {
      for (const { key, ...fields } of records) bag.calls.putLine(key, fields);
    };
    putAll(records);
    putAll(Array.from({ length: 50 }, (_, n) => createRecord(n, 1)));
    const evicted = records.slice(20, 30).map(({ key }) => key);
    for (const key of evicted) bag.calls.delete(key);
    await bag.fold();
    assertEquals(readBag(path).indexed, 190);
    using log = Deno.openSync(`${path}/calls.jsonl`, { append: true });
    // A torn line, a damaged one, one that is no record, and one that begins in another way.
    const noise = ['\n{"key":"01', '\n{"key":"02"}\n', '\n{"moved":true}\n', '\n{ "key":"03"}\n'];
    for (const text of noise) log.writeSync(new TextEncoder().encode(text));
    putAll([createRecord(25, 2), createRecord(60, 2), createRecord(500, 2)]);
    log.writeSync(new TextEncoder().encode('\n{"key":"not finished'));
    const read = readBag(path);
    checkCalls(read, bag);
    assertEquals([read.records.length, read.skipped, read.indexed], [192, 4, 190]);
    assertEquals(read.forgotten, evicted.filter((key) => key !== records[25]?.key).sort());
    await bag.compact({ full: true });
    putAll([createRecord(501, 3)]);
    const compact = readBag(path);
    checkCalls(compact, bag);
    assertEquals(compact.manifest.logGeneration, read.manifest.logGeneration + 2);
    assertEquals([compact.records.length, compact.indexed], [193, 192]);
    assertEquals(compact.forgotten, []);
  },
});

Deno.test("FORMAT.md says what the digest of a task's code is made of", async () => {
  const tasks = {
    run(/* the argument */ n: number) {
      return `${n}`;
    },
    static(n: number) {
      return n;
    },
  };
  class Holder {
    static #secret(n: number) {
      return n;
    }
    static readonly secret = Holder.#secret;
  }
  const { secret } = Holder;
  const source = "(n) => { let m\nreturn\nn }";
  const { default: asi } = await import(`data:text/javascript,export default ${encodeURI(source)}`);
  const codes = [
    [(n: number) => n + 1, "1:(1:(1:n1:)2:=>1:n1:+1:11:)"],
    [tasks.static, "1:(1:{6:static1:(1:n1:)1:{6:return1:n1:;1:}1:}1:)"],
    [secret, "1:(5:class1:{7:#secret1:(1:n1:)1:{6:return1:n1:;1:}1:}1:)"],
    [asi, "1:(1:(1:n1:)2:=>1:{3:let1:m1:;6:return1:;1:n1:}1:)"],
    [tasks.run, "1:(1:{3:run1:(1:n1:)1:{6:return1:`0:2:${1:n1:}0:1:`1:;1:}1:}1:)"],
  ] as const;
  for (const [fn, tokens] of codes) {
    assertEquals((await readFunctionProfile(fn)).code, toDigest(tokens));
  }
});
