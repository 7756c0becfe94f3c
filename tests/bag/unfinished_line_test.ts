// contract: what of a line was never acknowledged, and what was whole once and is damaged
import { assert, assertEquals } from "@std/assert";
import { scanCalls, type SkippedLine } from "../../src/bag/log/call_scan.ts";
import { encodeEvictLine, encodeHeader, RecordEncoder } from "../../src/bag/log/call_line.ts";
import { isUnfinished } from "../../src/bag/log/unfinished_line.ts";
import { encodeCallLine } from "../../src/disk/checked_line.ts";
import { concatenate } from "../fuzz/_mutations.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { toDigest } from "./_values.ts";

const METADATA = { note: '},"crc":"0', tags: { crc: "01234567", deep: [{ a: 1 }] } };
const LINE = encodeCallLine(toDigest("a"), { metadata: METADATA, result: toDigest("r") });
const NEXT = encodeCallLine(toDigest("b"), { result: toDigest("s") });
const EVICT = encodeEvictLine(toDigest("a"));
const { SHORT, HEADER } = encodeShort();

/** The lines of a record that leaves out what stands in a header. */
function encodeShort(): { readonly SHORT: Uint8Array; readonly HEADER: Uint8Array } {
  const args = [{ name: "x", position: 0, digest: toDigest("x"), value: toDigest("x") }];
  const fields = { module: "m", task: "t", args, result: toDigest("r"), started: 1 };
  const { line, header } = new RecordEncoder().encode(toDigest("c"), {
    ...fields,
    metadata: METADATA,
  });
  assert(header !== undefined);
  return { SHORT: line, HEADER: encodeHeader(header) };
}

const LINES = { record: LINE, eviction: EVICT, "short record": SHORT, header: HEADER } as const;

/** Which of the lines that a scan passes over are unfinished; the end without a line feed is one. */
function judge(...pieces: readonly Uint8Array[]): boolean[] {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/log`;
  const content = concatenate(...pieces);
  Deno.writeFileSync(path, content);
  using file = Deno.openSync(path);
  const found: boolean[] = [];
  const judgeLine = (line: SkippedLine) => void found.push(isUnfinished(file, line));
  const { end } = scanCalls(file, 0, content.length, () => {}, judgeLine);
  const rest = content.subarray(end);
  if (rest.length > 0) judgeLine({ offset: end, length: rest.length, bytes: rest });
  return found;
}

function zeros(length: number): Uint8Array {
  return new Uint8Array(length);
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

for (const [kind, line] of Object.entries(LINES)) {
  const name = `a ${kind} that is cut anywhere, filled with zeros or not`;
  Deno.test(`isUnfinished() takes what a killed writer leaves for unfinished: ${name}`, () => {
    // All but the first line feed, which is nothing, and the last one, without which it is whole.
    for (let cut = 2; cut < line.length; cut++) {
      const torn = line.subarray(0, cut);
      const rest = zeros(line.length - cut);
      assertEquals(judge(NEXT, torn), [true], `cut to ${cut}`);
      assertEquals(judge(NEXT, torn, rest), [true], `cut to ${cut}, then zeros`);
      assertEquals(judge(NEXT, torn, rest, NEXT), [true], `cut to ${cut}, zeros, another line`);
      if (cut < line.length - 1) {
        assertEquals(judge(NEXT, torn, NEXT), [true], `cut to ${cut}, another line`);
      }
    }
  });
}

const UNFINISHED: Readonly<Record<string, readonly Uint8Array[]>> = {
  "zeros at the end": [NEXT, zeros(5000)],
  "zeros for one line, then others": [NEXT, zeros(LINE.length), NEXT, NEXT],
  "zeros for two lines, of which the second has its begin": [zeros(300), LINE.subarray(0, 30)],
  "the mark of a rewrite that was undone": [LINE, encode('\n{"moved":true}\n'), NEXT],
  "the begin of that mark": [LINE, encode('\n{"mov'), NEXT],
};

for (const [name, pieces] of Object.entries(UNFINISHED)) {
  Deno.test(`isUnfinished() takes what a killed writer leaves for unfinished: ${name}`, () => {
    const found = judge(...pieces);
    assertEquals(found, found.map(() => true));
    assertEquals(found.length > 0, true);
  });
}

for (const [kind, line] of Object.entries(LINES)) {
  Deno.test(`isUnfinished() takes no damage for unfinished: any byte of a ${kind} that is another one`, () => {
    for (let at = 1; at < line.length - 1; at++) {
      for (const byte of [0, 1, 0x22, 0x7d, 0x5c, 0xff, (line[at] ?? 0) ^ 4]) {
        if (byte === line[at]) continue;
        const damaged = line.slice();
        damaged[at] = byte;
        assertEquals(judge(NEXT, damaged, NEXT), [false], `byte ${at} is ${byte}`);
      }
    }
  });

  Deno.test(`isUnfinished() takes no damage for unfinished: the end of a log with a ${kind}`, () => {
    for (let at = line.length - 19; at < line.length - 1; at++) {
      const damaged = line.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      assertEquals(judge(NEXT, damaged), [false], `byte ${at}`);
    }
  });
}

function hole(line: Uint8Array, begin: number, end: number): Uint8Array {
  return line.slice().fill(0, begin, end);
}

const DAMAGED: Readonly<Record<string, readonly Uint8Array[]>> = {
  "a hole of zeros within a line": [NEXT, hole(LINE, 20, 60), NEXT],
  "zeros for all of a line but its line feeds": [NEXT, hole(LINE, 1, LINE.length - 1), NEXT],
  "zeros for the end of a line but its line feed": [NEXT, hole(LINE, 90, LINE.length - 1), NEXT],
  "a hole that ends within the next line": [LINE.subarray(0, 90), zeros(200), NEXT.subarray(70)],
  "a line of which the middle is cut out": [NEXT, LINE.subarray(0, 40), LINE.subarray(80), NEXT],
  "two lines joined by a cut": [LINE.subarray(0, 120), NEXT.subarray(20), NEXT],
  "a line of which the end is cut out": [LINE.subarray(0, 100), encode("\n"), NEXT],
  "a text that is none of ours": [NEXT, encode("\nhello\n"), NEXT],
  "a line without a checksum": [NEXT, encode(`\n{"key":"${toDigest("a")}"}\n`), NEXT],
};

for (const [name, pieces] of Object.entries(DAMAGED)) {
  Deno.test(`isUnfinished() takes no damage for unfinished: ${name}`, () => {
    assertEquals(judge(...pieces), [false]);
  });
}
