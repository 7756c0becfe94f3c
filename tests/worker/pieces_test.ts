// contract: what is too long for one message, or one write, arrives as it was
import { assert, assertEquals } from "@std/assert";
import { closeSync, openSync } from "node:fs";
import {
  AnswerReader,
  AnswerWriter,
  fromBatch,
  fromBytes,
  type ProcessFrame,
  toBatch,
  toBytes,
  toGreeting,
} from "../../src/worker/process/answer_pipe.ts";
import { PieceReader, toPieces } from "../../src/worker/process/pieces.ts";
import { openProcessWorker } from "../../src/worker/process/process_worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { deed, valueOf } from "./contract.ts";

leaveNothing();

const VALUES: readonly unknown[] = [
  1,
  "text".repeat(50),
  { samples: new Float64Array(100).fill(0.5), at: [new Uint8Array([0, 0, 0])] },
  [],
];

Deno.test("PieceReader puts together what toPieces() has taken apart, whatever the size of a piece", () => {
  for (const most of [1, 7, 16, 17, 100, 1e6]) {
    const received: unknown[] = [];
    const reader = new PieceReader((bytes) => void received.push(fromBytes(bytes)));
    for (const value of VALUES) {
      const pieces = [...toPieces(toBytes(value), most)];
      for (const piece of pieces) {
        assert(piece.length <= Math.max(most, 16));
        // As it arrives, it may lie anywhere in memory.
        const longer = new Uint8Array(piece.length + 3);
        longer.set(piece, 3);
        reader.read(longer.subarray(3));
      }
    }
    assertEquals(received, VALUES);
  }
});

Deno.test("toPieces() announces more bytes than a message can have", () => {
  // Only its length is looked at before its first piece is taken.
  const long = Object.defineProperty(new Uint8Array(1), "length", { value: 5 * 2 ** 32 });
  const [announcement] = toPieces(long);
  assert(announcement !== undefined);
  assertEquals(announcement[0], 0);
  assertEquals(new DataView(announcement.buffer).getFloat64(8, true), 5 * 2 ** 32);
});

Deno.test("AnswerReader reads what AnswerWriter has written in pieces, as it arrives", async () => {
  const path = await Deno.makeTempFile();
  for (const [most, arriving] of [[1, 1], [7, 5], [64, 24], [1e6, 1e6]] as const) {
    const fd = openSync(path, "w");
    const writer = new AnswerWriter(fd, most);
    const told: unknown[] = [];
    const expected: unknown[] = [];
    for (const value of VALUES) {
      writer.writeFrame(value);
      const small = { type: "value", value: 7, duration: 2.5, warnings: [] } as const;
      assert(writer.write(1023, small));
      expected.push(value, [1023, small]);
    }
    closeSync(fd);
    const reader = new AnswerReader({
      answered: (slot, result) => void told.push([slot, result]),
      received: (frame) => void told.push(frame),
    });
    const bytes = await Deno.readFile(path);
    for (let at = 0; at < bytes.length; at += arriving) {
      reader.read(bytes.subarray(at, at + arriving));
    }
    assertEquals(told, expected);
  }
  await Deno.remove(path);
});

Deno.test("Worker.run() takes and gives what is longer than a piece", async () => {
  const entry = new URL("testdata/process_entry.ts", import.meta.url);
  await using worker = await openProcessWorker(entry, { name: "test" });
  const samples = new Float64Array(8_500_000);
  for (let index = 0; index < samples.length; index += 1000) samples[index] = index;
  const result = worker.run(deed("echo", [1, samples]));
  const last = worker.run(deed("echo", "behind"));
  const [n, back] = valueOf(await result) as [number, Float64Array];
  assertEquals([n, back.length], [1, samples.length]);
  assert(back.every((sample, at) => sample === samples[at]));
  assertEquals(valueOf(await last), "behind");
});

Deno.test("toBatch() names a task once for the calls in a row that are of it", () => {
  const [module, other] = ["file:///a/long/path/tasks.ts", "file:///other.ts"];
  const batch: ProcessFrame[] = [
    toGreeting("w", new Map()),
    [0, module, "same", [1]],
    [1, module, "same", [[1, 2]]],
    [2, "abort", "why"],
    [3, module, "same", []],
    [4, module, "other", [1]],
    [5, module, "other", [2], { tags: {} }],
    [6, module, "other", [3], undefined, true],
    [7, module, "other", [4]],
    [8, other, "other", [5]],
    [9, module, "same", [6]],
    "close",
  ];
  assertEquals(fromBatch(toBatch(batch)), batch);
  const calls = Array.from({ length: 64 }, (_, n): ProcessFrame => [n, module, "same", [n]]);
  assertEquals(fromBatch(toBatch(calls)), calls);
  const names = new TextDecoder("latin1").decode(toBatch(calls)).split(module).length - 1;
  assertEquals(names, 1);
});
