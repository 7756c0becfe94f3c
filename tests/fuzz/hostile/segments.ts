import { crc32 } from "node:zlib";
import type { Hdf5Output } from "../../../src/bag/hdf5/access.ts";
import { PositionedFile } from "../../../src/bag/hdf5/emscripten_fs.ts";
import { ATTRIBUTE } from "../../../src/bag/segment/format.ts";
import { encodeTable } from "../../../src/bag/table/digest_table.ts";
import { DISK } from "../../../src/disk/file_system.ts";
import { encodeValue } from "../../../src/value/codec/encode_value.ts";
import { loadHdf5Library } from "../../bag/_inline_fold_runner.ts";
import { concatenate } from "../_mutations.ts";
import { toResult } from "../survive.ts";
import { ANYTHING, ENCODER, type HostileBag, read, SEGMENT, show, write } from "./hostile_bag.ts";
import { readTable } from "./tables.ts";

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

/** Segments, and details of their tables, that no writer writes. */
export function* listSegments(): Generator<HostileBag> {
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
