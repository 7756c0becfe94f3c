// contract: large buffers travel fast, and what arrives is what was sent
import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";
import { planTransfer } from "../../src/worker/wire/large_buffers.ts";
import { transfer } from "../../src/worker/transfer.ts";

leaveNothing();

const LARGE = 1 << 20;

function large(fill: number = 7): Float64Array<ArrayBuffer> {
  return new Float64Array(LARGE / 8).fill(fill);
}

/** The values as they arrive. */
function send(values: readonly unknown[], whole: "copy" | "keep" = "copy"): unknown[] {
  const plan = planTransfer(values, whole);
  assert(plan !== undefined);
  return structuredClone([...plan.values], { transfer: plan.moved });
}

Deno.test("planTransfer() lets small and unknown values go as they are", () => {
  const values = [1, "a", null, [1, 2], { a: new Float64Array(10) }, new Map([[1, large()]]), Math];
  const cyclic: Record<string, unknown> = { samples: large() };
  cyclic.self = cyclic;
  for (const value of [...values, cyclic]) assertEquals(planTransfer([value], "copy"), undefined);
});

Deno.test("planTransfer() copies large arrays, at any depth, and moves the copies", () => {
  const samples = large();
  const plan = planTransfer([1, { list: [samples], at: new Date(0) }], "copy");
  assertEquals(plan?.moved.length, 1);
  assertNotStrictEquals(plan?.moved[0], samples.buffer);
  assertEquals(send([1, { list: [samples], at: new Date(0) }]), [
    1,
    { list: [samples], at: new Date(0) },
  ]);
  assertEquals(samples.length, LARGE / 8);
});

Deno.test("planTransfer() keeps one what is one", () => {
  const samples = large();
  const bytes = new Uint8Array(samples.buffer, 8, 16);
  const shared = { samples };
  const value = { samples, again: samples, bytes, left: shared, right: shared };
  const [there] = send([value]) as [Record<string, unknown>];
  assertStrictEquals(there.left, there.right);
  assertStrictEquals(there.samples, there.again);
  assert(there.samples instanceof Float64Array && there.bytes instanceof Uint8Array);
  assertStrictEquals(there.samples.buffer, there.bytes.buffer);
  assertEquals([there.bytes.byteOffset, there.bytes.length], [8, 16]);
});

Deno.test("planTransfer() sends of a view only the part that it shows", () => {
  const samples = large();
  for (const whole of ["copy", "keep"] as const) {
    const [part, view] = send([samples.subarray(2, 4), new DataView(large().buffer, 8, 4)], whole);
    assert(part instanceof Float64Array && view instanceof DataView);
    assertEquals([part, part.buffer.byteLength], [new Float64Array([7, 7]), 16]);
    assertEquals(view.buffer.byteLength, 4);
  }
});

Deno.test("planTransfer() gives each kind of array back as what it was", () => {
  const types = [Int8Array, Uint8ClampedArray, Float16Array, Float32Array, BigUint64Array];
  for (const type of types) {
    const array = new type(LARGE);
    const [there] = send([array]);
    assertEquals(Object.prototype.toString.call(there), Object.prototype.toString.call(array));
    assertEquals(Reflect.get(Object(there), "length"), LARGE);
  }
  // As structured clone does: a derived class is lost.
  const [bytes] = send([new (class extends Uint8Array {})(LARGE)]);
  assertStrictEquals(Object.getPrototypeOf(bytes), Uint8Array.prototype);
});

Deno.test("planTransfer() keeps holes, odd keys and lost prototypes as structured clone does", () => {
  const holes = [large(), , 3];
  const odd: unknown = JSON.parse('{ "__proto__": 1 }');
  const [array, object] = send([holes, odd]) as [unknown[], object];
  assertEquals([1 in array, array[2]], [false, 3]);
  assertEquals(Object.entries(object), [["__proto__", 1]]);
});

Deno.test("planTransfer() moves what was given away without a copy, however small", () => {
  const value = transfer({ samples: large(), more: new Map([["few", new Uint8Array(3)]]) });
  const [there] = send([value, large(1)]);
  assertEquals(there, { samples: large(), more: new Map([["few", new Uint8Array(3)]]) });
  assertEquals([value.samples.length, value.more.get("few")?.length], [0, 0]);
});

Deno.test("transfer() gives its value back, and refuses a frozen one", () => {
  const samples = large();
  assertStrictEquals(transfer(samples), samples);
  assertThrows(() => transfer(Object.freeze({ samples })), TypeError, "frozen");
});
