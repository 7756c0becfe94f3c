import { crc32 } from "node:zlib";
import {
  encodeHeader,
  encodeShape,
  HEADER_BYTES,
} from "../../../src/bag/journal/journal_format.ts";
import { toViewed } from "../../../src/bag/table/digest_table.ts";
import { toCbor } from "../../../src/value/codec/cbor.ts";
import { encodeValue } from "../../../src/value/codec/encode_value.ts";
import { VALUE_KIND } from "../../../src/value/value.ts";
import { toResult } from "../survive.ts";
import { ENCODER, type HostileBag, show, write } from "./hostile_bag.ts";

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

/** Values and parts in the journal that no writer writes. */
export function* listValues(): Generator<HostileBag> {
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
