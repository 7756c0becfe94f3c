// contract: what a worker writes into the ring is what its parent reads
import { assertEquals } from "@std/assert";
import { AnswerRing } from "../../src/worker/wire/small_answers.ts";
import { WORKER_CAPACITY } from "../../src/worker/wire/frames.ts";
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
  const parent = new AnswerRing({ buffer: worker.buffer });
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
    { type: "value", value: 1, source: "cache", duration: 1, warnings: [] },
    { type: "error", error: { thrown: 1 }, duration: 1, warnings: [] },
  ];
  assertEquals(large.filter((result) => ring.write(0, result)), []);
  assertEquals(readAll(ring), []);
});

Deno.test("AnswerRing.read() goes round and round", () => {
  const worker = new AnswerRing();
  const parent = new AnswerRing({ buffer: worker.buffer });
  for (let round = 0; round < 5; round++) {
    const count = WORKER_CAPACITY - round;
    for (let n = 0; n < count; n++) worker.write(n, toAnswer(round * n));
    const answers = readAll(parent);
    assertEquals(answers.length, count);
    assertEquals(answers.at(-1), [count - 1, toAnswer(round * (count - 1))]);
  }
});

Deno.test("AnswerRing.write() wakes the parent once until it has read all", () => {
  let wakes = 0;
  const worker = new AnswerRing({ wake: () => wakes++ });
  const parent = new AnswerRing({ buffer: worker.buffer });
  for (let n = 0; n < 3; n++) worker.write(n, toAnswer(n));
  assertEquals(wakes, 1);
  assertEquals(readAll(parent).length, 3);
  worker.write(3, toAnswer(3));
  worker.write(4, toAnswer(4));
  assertEquals(wakes, 2);
});

Deno.test("AnswerRing.read() gives what is written while it reads", () => {
  const worker = new AnswerRing();
  const parent = new AnswerRing({ buffer: worker.buffer });
  worker.write(0, toAnswer(0));
  const slots: number[] = [];
  parent.read((slot) => {
    slots.push(slot);
    if (slot < 9) worker.write(slot + 1, toAnswer(slot));
  });
  assertEquals(slots, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

Deno.test("AnswerRing.write() on another thread misses no wake-up of the parent", async () => {
  const count = 50_000;
  const module = new URL("../../src/worker/wire/small_answers.ts", import.meta.url);
  const source = `
    import { AnswerRing } from ${JSON.stringify(module.href)};
    const read = new Int32Array(new SharedArrayBuffer(4));
    const ring = new AnswerRing({ wake: () => postMessage(0) });
    postMessage({ buffer: ring.buffer, read });
    for (let n = 0; n < ${count}; n++) {
      while (n - Atomics.load(read, 0) >= ${WORKER_CAPACITY});
      const answer = { type: "value", value: n, duration: 0, warnings: [] };
      ring.write(n % ${WORKER_CAPACITY}, answer);
    }
  `;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(source)}`, {
    type: "module",
  });
  const { promise, resolve } = Promise.withResolvers<number>();
  let shared: { ring: AnswerRing; read: Int32Array } | undefined;
  let sum = 0;
  worker.onmessage = ({ data }) => {
    shared ??= { ring: new AnswerRing({ buffer: data.buffer }), read: data.read };
    const { ring, read } = shared;
    ring.read((_, result) => {
      if (result.type === "value") sum += Number(result.value);
      if (Atomics.add(read, 0, 1) === count - 1) resolve(sum);
    });
  };
  assertEquals(await promise, count * (count - 1) / 2);
  worker.terminate();
});
