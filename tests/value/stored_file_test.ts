// Contract: a file in a graph is what Quiver has written, or nothing.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { toCbor } from "../../src/value/codec/cbor.ts";
import { decodeValue } from "../../src/value/codec/decode_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { referencesOf } from "../../src/value/codec/references.ts";
import { digestTree } from "../../src/value/file/file_content.ts";
import { createOutput, FileHandle } from "../../src/value/file/file_handle.ts";
import { VALUE_KIND } from "../../src/value/value.ts";

const NOTHING = () => undefined;

function decode(node: readonly unknown[]): unknown {
  const bytes = toCbor([1, [0], node]);
  return decodeValue({ kind: VALUE_KIND.graph, bytes }, NOTHING);
}

const DIGEST = "ab".repeat(32);
const BYTES = Uint8Array.fromHex(DIGEST);
const ONE: unknown = ["file", "", 3, false, BYTES, BYTES];
/** A file that a task has written. */
const WHOLE: readonly unknown[] = ["File", undefined, "out/a", false, false, BYTES, 3, ONE];

/** A directory with the things that are given, as it would be if they were right. */
function toTree(...entries: readonly (readonly unknown[])[]): readonly unknown[] {
  const items = entries.map(([type, path, ...rest]) => ({
    type,
    path,
    target: rest[0],
    executable: rest[1],
    digest: DIGEST,
  }));
  const size = entries.reduce(
    (sum, [type, , bytes]) => type === "file" ? sum + Number(bytes) : sum,
    0,
  );
  // Some of them are right.
  const digest = digestTree(items as unknown as Parameters<typeof digestTree>[0]);
  return ["File", undefined, "out", false, true, Uint8Array.fromHex(digest), size, ...entries];
}

const inTree = (path: string) => ["file", path, 3, false, BYTES, BYTES];

Deno.test("decodeValue() reads files, and loads no piece of them", () => {
  assert(decode(WHOLE) instanceof FileHandle);
  assert(decode(["File", "/a", undefined, false, true, BYTES, 9]) instanceof FileHandle);
  const tree = toTree(["directory", "a"], inTree("a/b"), ["link", "c", "a/b"], inTree("d:e"));
  assertEquals((decode(tree) as FileHandle).size, 6);
  assertEquals((decode(toTree()) as FileHandle).size, 0);
  const bytes = toCbor([1, [0], tree]);
  assertEquals(referencesOf({ kind: VALUE_KIND.graph, bytes }), [DIGEST]);
});

const replaced = (at: number, value: unknown) => WHOLE.with(at, value);
const WRONG: { readonly [what: string]: readonly unknown[] } = {
  "no name": ["File"],
  "neither path nor output": replaced(2, undefined),
  "an output that is no text": replaced(2, 3),
  "an empty output": replaced(2, ""),
  "an output with a zero byte": replaced(2, "a\0b"),
  "no content": WHOLE.slice(0, 4),
  "no digest": replaced(5, undefined),
  "a digest of another length": replaced(5, BYTES.subarray(1)),
  "a size that is none": replaced(6, -1),
  "another size than that of its bytes": replaced(6, 4),
  "another digest than that of its bytes": replaced(5, new Uint8Array(32)),
  "an output without bytes": WHOLE.slice(0, 7),
  "two files in one": [...WHOLE, ONE],
  "too many pieces": replaced(7, ["file", "", 3, false, BYTES, new Uint8Array(64)]),
  "too few pieces": replaced(7, ["file", "", 3, false, BYTES, new Uint8Array(0)]),
  "a piece and a half": replaced(7, ["file", "", 3, false, BYTES, new Uint8Array(48)]),
  "an entry that is none": replaced(7, "file"),
  "an entry of another type": replaced(7, ["fifo", ""]),
  "a directory in the place of a file": replaced(7, ["directory", ""]),
  "a step upwards": toTree(inTree("../a")),
  "a step upwards inside": toTree(["directory", "a"], inTree("a/../../b")),
  "an absolute path": toTree(inTree("/etc/passwd")),
  "a path that is none": toTree(inTree("")),
  "a directory that is this one": toTree(["directory", "."]),
  "an empty step": toTree(["directory", "a"], inTree("a//b")),
  "a zero byte": toTree(inTree("a\0")),
  "a file behind a link": toTree(["link", "a", "b"], inTree("a/b")),
  "a file in a directory that is not there": toTree(inTree("a/b")),
  "one path twice": toTree(inTree("a"), inTree("a")),
  "another order": toTree(inTree("b"), inTree("a")),
  "a link out of the directory": toTree(["link", "a", "../b"]),
  "a link to an absolute path": toTree(["link", "a", "/etc"]),
  "a link to a drive": toTree(["link", "a", "c:\\b"]),
  "a directory of another digest": toTree(inTree("a")).with(5, BYTES),
  "a directory of another size": toTree(inTree("a")).with(6, 4),
};

for (const [what, node] of Object.entries(WRONG)) {
  Deno.test(`decodeValue() refuses a file with ${what}`, () => {
    assertThrows(() => decode(node), SyntaxError, "its graph is malformed");
  });
}

Deno.test("encodeValue() keeps no more of a file in memory than a piece", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeFile(path, new Uint8Array(100));
  const output = createOutput(path, undefined);
  const { parts, files } = encodeValue({ output });
  assertEquals(files?.length, 1);
  assertEquals(parts.map(({ lazy }) => lazy), [true]);
  assertEquals(parts[0]?.bytes, new Uint8Array(100));
  // What changes between the two looks at it is never stored as what it was.
  await Deno.writeFile(path, new Uint8Array(100).fill(1));
  const again = encodeValue({ output });
  assert(again.digest !== encodeValue({ output: 1 }).digest);
  await Deno.writeFile(path, new Uint8Array(100).fill(2));
  assertThrows(() => again.parts[0]?.bytes, Error, "it changes while it is stored");
  await Deno.remove(path);
});
