// contract: a scan of a log finds each line, however long, and takes memory for lines of ours only
import { assert, assertEquals } from "@std/assert";
import { scanLines } from "../../src/bag/log/call_scan.ts";
import { LONGEST_LINE_BYTES } from "../../src/disk/checked_line.ts";
import { readAt } from "../../src/disk/file_system.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";

/** How much a scan reads at once, in bytes. */
const PIECE = 256 * 1024;

type Line = readonly [what: "sound" | "not sound", offset: number, length: number];

/** What a scan finds in a file, and how much memory it reads it to, in bytes. */
function scan(path: string) {
  using file = Deno.openSync(path);
  const size = file.statSync().size;
  const buffers = new Map<ArrayBufferLike, number>();
  const read: typeof readAt = (file, offset, bytes) => {
    buffers.set(bytes.buffer, bytes.buffer.byteLength);
    return readAt(file, offset, bytes);
  };
  const lines: Line[] = [];
  const { end, skipped } = scanLines<true>(
    { file, from: 0, size, read },
    (bytes) => bytes[0] === 0x7b ? true : undefined,
    (_, { offset, length }, bytes) => {
      assertEquals([bytes.length, bytes.at(-1)], [length, 0x7d]);
      lines.push(["sound", offset, length]);
    },
    ({ offset, length, bytes }) => {
      assert(bytes.length > 0 && bytes.length <= length);
      lines.push(["not sound", offset, length]);
    },
  );
  assertEquals(skipped, lines.filter(([what]) => what === "not sound").length);
  return { lines, end, memory: buffers.values().reduce((sum, bytes) => sum + bytes, 0) };
}

/** A line that is sound, of so many bytes without its line feed. */
function line(length: number): string {
  return `{${".".repeat(length - 2)}}`;
}

Deno.test("scanLines() finds lines of any length, and takes no more memory than a few of the longest", () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/log`;
  const [short, long, longest] = [line(100), line(PIECE + 1), line(LONGEST_LINE_BYTES - 1)];
  const tooLong = line(LONGEST_LINE_BYTES);
  for (
    const [texts, torn] of [
      [[short, "torn", short], ""],
      ...[PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 5 * PIECE + 7].map((length) =>
        [[short, line(length), "", short, line(length + 1), short], ""] as const
      ),
      [[short, long, "torn"], line(3 * PIECE)],
      [[longest, short], "{"],
      [[short, tooLong, short, long], ""],
      [[short], tooLong],
      [[short, "torn" + tooLong, tooLong, short], long],
    ] as const
  ) {
    Deno.writeTextFileSync(path, texts.map((text) => `${text}\n`).join("") + torn);
    const expected: Line[] = [];
    let at = 0;
    for (const text of [...texts, ...torn.length < LONGEST_LINE_BYTES ? [] : [torn]]) {
      const sound = text.startsWith("{") && text.length < LONGEST_LINE_BYTES;
      if (text !== "") expected.push([sound ? "sound" : "not sound", at, text.length]);
      at += text.length + 1;
    }
    const { size } = Deno.statSync(path);
    const { lines, end, memory } = scan(path);
    assertEquals(lines, expected);
    assertEquals(end, Math.min(at, size));
    const most = Math.max(...texts.map(({ length }) => length), torn.length);
    const count = texts.filter(({ length }) => length >= LONGEST_LINE_BYTES).length;
    assert(memory <= PIECE + 3 * most + count * LONGEST_LINE_BYTES, `${memory} for ${most}`);
  }
});

Deno.test("scanLines() takes a piece for a hole of any size, and finds what stands behind", () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/log`;
  for (const size of [100, PIECE, 20e6, 300e6]) {
    const first = `${line(100)}\n`;
    Deno.writeTextFileSync(path, first);
    Deno.truncateSync(path, first.length + size);
    Deno.writeTextFileSync(path, `\n${line(50)}\n`, { append: true });
    const { lines, end, memory } = scan(path);
    assertEquals(lines, [
      ["sound", 0, 100],
      ["not sound", 101, size],
      ["sound", 101 + size + 1, 50],
    ]);
    assertEquals(end, Deno.statSync(path).size);
    const isOurs = size < LONGEST_LINE_BYTES;
    assert(memory <= PIECE + (isOurs ? 2 * size + 1 : 0), `${memory} bytes for ${size}`);
  }
});
