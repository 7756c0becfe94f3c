// contract: what a worker writes into the ring is what its parent reads
import { assertEquals } from "@std/assert";
import { AnswerRing } from "../../src/worker/_answer_ring.ts";
import { WORKER_CAPACITY } from "../../src/worker/_call_frames.ts";
import type { RunResult } from "../../src/worker/worker.ts";

function toAnswer(value: unknown, duration: number = 1): RunResult {
  return { type: "value", value, duration, warnings: [] };
}

function readAll(ring: AnswerRing): [number, RunResult][] {
  const answers: [number, RunResult][] = [];
  ring.read((slot, result) => answers.push([slot, result]));
  return answers;
}

Deno.test("AnswerRing.read() gives small answers as they were written, in order", () => {
  const worker = new AnswerRing();
  const parent = new AnswerRing(worker.buffer);
  const values = [undefined, null, false, true, 0, -0, NaN, 1 / 3, -Infinity, 2 ** 53];
  for (const [slot, value] of values.entries()) worker.write(slot, toAnswer(value, slot / 8));
  worker.write(1023, { type: "revoked" });
  assertEquals(readAll(parent), [
    ...values.map((value, slot): [number, RunResult] => [slot, toAnswer(value, slot / 8)]),
    [1023, { type: "revoked" }],
  ]);
  assertEquals(readAll(parent), []);
});

Deno.test("AnswerRing.write() leaves alone what is not small", () => {
  const ring = new AnswerRing();
  const large: RunResult[] = [
    toAnswer("text"),
    toAnswer(1n),
    toAnswer({}),
    { type: "value", value: 1, duration: 1, warnings: ["a warning"] },
    { type: "value", value: 1, note: "hit", duration: 1, warnings: [] },
    { type: "error", error: { thrown: 1 }, duration: 1, warnings: [] },
  ];
  assertEquals(large.filter((result) => ring.write(0, result)), []);
  assertEquals(readAll(ring), []);
});

Deno.test("AnswerRing.read() goes round and round", () => {
  const worker = new AnswerRing();
  const parent = new AnswerRing(worker.buffer);
  for (let round = 0; round < 5; round++) {
    const count = WORKER_CAPACITY - round;
    for (let n = 0; n < count; n++) worker.write(n, toAnswer(round * n));
    const answers = readAll(parent);
    assertEquals(answers.length, count);
    assertEquals(answers.at(-1), [count - 1, toAnswer(round * (count - 1))]);
  }
});

Deno.test("AnswerRing.written() resolves at once when something was written before", async () => {
  const ring = new AnswerRing();
  ring.write(7, toAnswer(1));
  await ring.written();
  assertEquals(readAll(ring).length, 1);
});

Deno.test("AnswerRing.written() resolves when another thread writes", async () => {
  const ring = new AnswerRing();
  const written = ring.written();
  const module = new URL("../../src/worker/_answer_ring.ts", import.meta.url);
  const source = `
    import { AnswerRing } from ${JSON.stringify(module.href)};
    onmessage = ({ data }) => {
      const answer = { type: "value", value: 42, duration: 0, warnings: [] };
      new AnswerRing(data).write(3, answer);
    };
    postMessage("listening");
  `;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, {
    type: "module",
  });
  worker.onmessage = () => worker.postMessage(ring.buffer);
  await written;
  assertEquals(readAll(ring), [[3, toAnswer(42, 0)]]);
  worker.terminate();
});
