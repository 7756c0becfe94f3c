import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { crc32 } from "node:zlib";
import {
  decodeCheckedLine,
  encodeCallLine,
  encodeCheckedLine,
} from "../../src/disk/checked_line.ts";
import { encodeEvictLine } from "../../src/bag/log/call_line.ts";
import { scanCalls } from "../../src/bag/log/call_scan.ts";
import { DigestTable, encodeTable, PURPOSE, toViewed } from "../../src/bag/table/digest_table.ts";
import { FileHandles } from "../../src/disk/file_system.ts";
import { encodeHeader, HEADER_BYTES } from "../../src/bag/journal/journal_format.ts";
import { scanJournal, toEntryEnd } from "../../src/bag/journal/journal_scan.ts";
import { toLayout, toSegmentIndexPath, toSegmentPath } from "../../src/disk/layout.ts";
import { EMPTY_MANIFEST } from "../../src/bag/manifest.ts";
import { encodeSegmentIndex } from "../../src/bag/segment/seal.ts";
import { SealedValues } from "../../src/bag/segment/sealed_values.ts";
import { decodeValue, MissingPartError } from "../../src/value/codec/decode_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { type Payload, VALUE_KIND } from "../../src/value/value.ts";
import { toDigest } from "../bag/_values.ts";
import { graph } from "../value/arbitrary_value.ts";
import { concatenate, mutate, MUTATIONS } from "./_mutations.ts";

/** A law that holds for damaged bytes, and where it works. */
export interface FuzzTarget {
  /** What is attacked, and what must not happen. */
  readonly name: string;
  /**
   * Makes the property.
   *
   * @param directory An empty directory for its files.
   */
  create(directory: string): fc.IRawProperty<unknown, false>;
}

const PAYLOADS = fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 6 });
const KINDS = fc.constantFrom(...Object.values(VALUE_KIND));
const OTHER_KIND = fc.constantFrom(undefined, ...Object.values(VALUE_KIND));
const DIGEST = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => bytes.toHex());

/** Lengths and positions that a table may claim. */
const U64 = fc.oneof(
  fc.nat(300),
  fc.nat(0xffff_ffff),
  fc.maxSafeNat(),
  fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53, 2 ** 63, 2 ** 64 - 2048),
);

function encodeEntry(payload: Uint8Array): Uint8Array {
  const header = toViewed(new Uint8Array(HEADER_BYTES));
  const { length } = payload;
  encodeHeader(header, { digest: toDigest(payload), kind: 1, length, crc: crc32(payload) });
  return concatenate(header.bytes, payload);
}

/** Writes bytes, and opens them as the bag does. */
function withFile<T>(directory: string, bytes: Uint8Array, fn: (file: Deno.FsFile) => T): T {
  const path = `${directory}/fuzzed`;
  Deno.writeFileSync(path, bytes);
  using file = Deno.openSync(path);
  return fn(file);
}

const JOURNAL: FuzzTarget = {
  name: "scanJournal() finds no value in a damaged journal that was not put there",
  create: (directory) =>
    fc.property(PAYLOADS, MUTATIONS, (payloads, mutations) => {
      const digests = new Set(payloads.map(toDigest));
      const bytes = mutate(concatenate(...payloads.map(encodeEntry)), mutations);
      withFile(directory, bytes, (file) => {
        const end = scanJournal(file, 0, ({ digest, offset, length, crc }) => {
          assert(offset + length <= bytes.length);
          const payload = bytes.subarray(offset, offset + length);
          if (crc32(payload) !== crc) return;
          assert(digests.has(digest));
          assertEquals(toDigest(payload), digest);
        });
        assert(end <= bytes.length);
        // A second scan goes on there, and finds nothing that the first did not.
        assertEquals(scanJournal(file, end, () => assert(false)), end);
      });
    }),
};

const HEADERS: FuzzTarget = {
  name: "scanJournal() ends whatever lengths the headers of a journal claim",
  create: (directory) =>
    fc.property(
      fc.array(fc.record({
        digest: DIGEST,
        kind: fc.nat(),
        length: U64,
        crc: fc.nat(),
        rank: fc.oneof(fc.nat(3), fc.nat(0xffff)),
      })),
      fc.uint8Array(),
      (headers, rest) => {
        const pieces = headers.map((header) => {
          const buffer = toViewed(new Uint8Array(HEADER_BYTES));
          encodeHeader(buffer, header);
          return buffer.bytes;
        });
        withFile(directory, concatenate(...pieces, rest), (file) => {
          scanJournal(file, 0, (entry) => {
            assert(toEntryEnd(entry) <= HEADER_BYTES * headers.length + rest.length);
          });
        });
      },
    ),
};

const LOG: FuzzTarget = {
  name: "scanCalls() finds no record in a damaged log that was not put there",
  create: (directory) =>
    fc.property(
      fc.array(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 }), { minLength: 1 }),
      MUTATIONS,
      (records, mutations) => {
        const lines = records.flatMap((fields, i) => [
          encodeCallLine(toDigest(`${i % 3}`), fields),
          ...(i % 4 === 3 ? [encodeEvictLine(toDigest(`${i % 3}`))] : []),
        ]);
        const texts = new Set(lines.map((line) => line.subarray(1, -1).toHex()));
        const bytes = mutate(concatenate(...lines), mutations);
        withFile(directory, bytes, (file) => {
          const { end } = scanCalls(file, 0, bytes.length, ({ offset, length, key }, seen) => {
            assertEquals(seen.length, length);
            assert(texts.has(bytes.subarray(offset, offset + length).toHex()));
            const record = decodeCheckedLine(seen);
            assertEquals(record?.key ?? record?.evict, key);
          });
          assert(end <= bytes.length);
        });
      },
    ),
};

const LINE: FuzzTarget = {
  name: "decodeCheckedLine() gives an object or nothing, whatever has a checksum",
  create: () =>
    fc.property(
      fc.oneof(fc.string({ unit: "binary" }), fc.json(), fc.constant("[".repeat(10_000))),
      (text) => {
        const record = decodeCheckedLine(encodeCheckedLine(text).subarray(1, -1));
        assert(record === undefined || typeof record === "object");
      },
    ),
};

const TABLE: FuzzTarget = {
  name: "DigestTable.decode() refuses a damaged table",
  create: () =>
    fc.property(fc.array(DIGEST, { maxLength: 8 }), MUTATIONS, (digests, mutations) => {
      const rows = [...new Set(digests)].map((digest, i) => (
        { digest, offset: i, length: i, kind: 1, crc: i, location: 0 }
      ));
      const bytes = encodeTable({ purpose: PURPOSE.values, length: 9, check: 0 }, rows);
      const mutated = mutate(bytes, mutations);
      const table = DigestTable.decode(mutated, PURPOSE.values);
      if (table === undefined) return;
      assertEquals(Array.from({ length: table.size }, (_, i) => table.row(i)).length, rows.length);
      for (const row of rows) assertEquals(table.row(table.find(row.digest)), row);
    }),
};

const ROWS: FuzzTarget = {
  name: "SealedValues.read() believes no length, offset or location of a table",
  create: (directory) => {
    const layout = toLayout(directory);
    Deno.mkdirSync(layout.segments, { recursive: true });
    const content = Uint8Array.from({ length: 300 }, (_, i) => i);
    Deno.writeFileSync(toSegmentPath(layout, "1"), content);
    const row = fc.record({
      digest: DIGEST,
      offset: U64,
      length: U64,
      kind: fc.oneof(KINDS, fc.nat()),
      crc: fc.nat(0xffff_ffff),
      location: fc.nat(3),
    });
    const lengths = fc.array(fc.oneof(fc.nat(4), U64), { maxLength: 3 });
    const places = fc.array(fc.record({ offset: U64, length: U64 }), { maxLength: 3 });
    const details = fc.record({
      shape: lengths,
      checks: fc.uint32Array({ maxLength: 3 }),
      chunks: fc.record({ shape: lengths, places }),
    }, { requiredKeys: [] });
    const payload = fc.record({ row, details });
    const manifest = { ...EMPTY_MANIFEST, segments: [{ name: "1", values: 0, bytes: 0 }] };
    return fc.property(
      fc.uniqueArray(payload, { selector: ({ row }) => row.digest, maxLength: 6 }),
      (payloads) => {
        using file = Deno.openSync(toSegmentPath(layout, "1"));
        const table = concatenate(...encodeSegmentIndex(file, payloads));
        Deno.writeFileSync(toSegmentIndexPath(layout, "1"), table);
        using handles = new FileHandles();
        const values = new SealedValues(layout, handles);
        values.load(manifest);
        for (const { row: { digest, crc } } of payloads) {
          values.open(digest)?.read(0, new Uint8Array(8));
          const payload = values.read(digest);
          if (payload !== undefined) assertEquals(crc32(payload.bytes), crc);
        }
      },
    );
  },
};

/** Reads bytes that claim to be a value; what is thrown must say that they are none. */
function decode(payload: Payload, parts: ReadonlyMap<string, Payload>): void {
  try {
    decodeValue({ ...payload, bytes: payload.bytes.slice() }, (digest) => parts.get(digest));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof MissingPartError)) throw error;
  }
  assertEquals(Object.keys(Object.prototype), []);
}

const CODEC: FuzzTarget = {
  name: "decodeValue() of a damaged value gives a value or a SyntaxError",
  create: () =>
    fc.property(graph, MUTATIONS, OTHER_KIND, (value, mutations, kind) => {
      const encoded = encodeValue(value);
      const parts = new Map(encoded.parts.map((part) => [part.digest, part]));
      decode({ kind: kind ?? encoded.kind, bytes: mutate(encoded.bytes, mutations) }, parts);
    }),
};

const BYTES: FuzzTarget = {
  name: "decodeValue() of any bytes gives a value or a SyntaxError",
  create: () =>
    fc.property(KINDS, fc.uint8Array({ maxLength: 64 }), (kind, bytes) => {
      decode({ kind, bytes: new Uint8Array(bytes) }, new Map());
    }),
};

/** Slots and names of types, in places where they do not belong. */
const SLOT = fc.letrec((tie) => ({
  slot: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(0, 1, 2, -1, 0.5, 2 ** 31, 2 ** 32 - 1, 2 ** 53, NaN, null, undefined, true),
    fc.constantFrom("", "a", "length", "__proto__", "stack", "name", "message", "cause", "0"),
    fc.constantFrom("4294967294", "4294967295", "(", "i", "gg", "Error", "DOMException"),
    fc.constantFrom(new Uint8Array(0), new Uint8Array(3), new Uint8Array(32)),
    fc.array(tie("slot"), { maxLength: 4 }),
    fc.tuple(fc.constantFrom("-0", "bigint", "utf16", 0, 1), tie("slot")),
  ),
})).slot;

const NODE = fc.tuple(
  fc.constantFrom(
    ..."Object NullObject Array SparseArray Map Set Date RegExp Boxed Error part".split(" "),
    ...Object.keys(VALUE_KIND),
  ),
  fc.array(SLOT, { maxLength: 8 }),
).map(([type, slots]) => [type, ...slots]);

const GRAPH: FuzzTarget = {
  name: "decodeValue() of a graph that makes no sense gives a value or a SyntaxError",
  create: () =>
    fc.property(SLOT, fc.array(NODE, { maxLength: 4 }), (root, nodes) => {
      const { bytes } = encodeValue([1, root, ...nodes]);
      decode({ kind: VALUE_KIND.graph, bytes }, new Map());
    }),
};

/** All that is fuzzed. */
export const TARGETS: readonly FuzzTarget[] = [
  JOURNAL,
  HEADERS,
  LOG,
  LINE,
  TABLE,
  ROWS,
  CODEC,
  BYTES,
  GRAPH,
];
