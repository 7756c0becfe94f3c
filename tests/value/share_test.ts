// Contract: what a shared value is, what it is made of, and how a write to it is found.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { file, ScopeClosedError, share, UnclonableError } from "@quiver/quiver";
import process from "node:process";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { digestArgument, digestValue } from "../../src/value/digest/digest_value.ts";
import { memoryOf } from "../../src/value/share.ts";
import { MemoryGuard } from "../../src/value/shared_guard.ts";

const LENGTH = 40_000;

function createArray(): Float64Array {
  return Float64Array.from({ length: LENGTH }, (_, index) => index / 3);
}

/** Counts the bytes that are hashed meanwhile. */
function countHashed(run: () => void): number {
  const crypto = process.getBuiltinModule("node:crypto");
  const { prototype } = crypto.Hash as unknown as { prototype: { update(data: unknown): unknown } };
  const { update } = prototype;
  let bytes = 0;
  prototype.update = function (data: unknown) {
    bytes += ArrayBuffer.isView(data) ? data.byteLength : String(data).length;
    return update.call(this, data);
  };
  try {
    run();
  } finally {
    prototype.update = update;
  }
  return bytes;
}

Deno.test("share() counts and is stored as the value, at any depth", () => {
  const array = createArray();
  const values: unknown[] = [
    array,
    array.buffer,
    new DataView(array.buffer, 8),
    array.subarray(7, 30_000),
    { array, list: [1, { deep: array }], map: new Map([["a", array]]) },
    [1, 2, "text"],
    "a long text",
    12n,
    new Set([array, 3]),
    Object.assign(Object.create(null), { array }),
    Object.assign(new Error("no"), { array }),
    new Uint16Array(new SharedArrayBuffer(200_000)),
  ];
  for (const value of values) {
    const shared = share(value);
    for (const wrap of [(one: unknown) => one, (one: unknown) => ({ a: [one], b: one, c: 1 })]) {
      assertEquals(digestArgument(wrap(shared)), digestArgument(wrap(value)));
      const { digest, kind, bytes, parts } = encodeValue(wrap(shared));
      const plain = encodeValue(wrap(shared.value));
      assertEquals([digest, kind], [plain.digest, plain.kind]);
      assertEquals(bytes.length, plain.bytes.length);
      assertEquals(parts.map((part) => part.digest), plain.parts.map((part) => part.digest));
    }
  }
  // Errors are stored with the stack that they have.
  for (const value of values.slice(0, 5)) {
    assertEquals(encodeValue(share(value)).digest, digestValue(value));
  }
});

Deno.test("share() digests large arrays once, whatever is made with the handle", () => {
  const array = createArray();
  let shared = share([array]);
  const hashed = countHashed(() => {
    for (let call = 0; call < 250; call++) {
      digestArgument(shared);
      digestArgument({ call, shared });
      encodeValue(shared);
      shared = share(shared);
    }
    digestArgument(shared.value);
    encodeValue(shared.value[0]);
  });
  assert(hashed > array.byteLength && hashed < 1.2 * array.byteLength, `${hashed} bytes`);
});

Deno.test("share() freezes what it can, and gives the rest as copies", () => {
  const array = createArray();
  const { value } = share({ array, list: [{ a: 1 }], name: "n" });
  assertEquals([value.array.length, value.array.buffer.constructor.name], [
    LENGTH,
    "SharedArrayBuffer",
  ]);
  assert(Object.isFrozen(value) && Object.isFrozen(value.list) && Object.isFrozen(value.list[0]));
  for (const write of ["fill", "sort", "reverse", "set", "copyWithin"]) {
    assertThrows(
      () => Reflect.apply(Reflect.get(value.array, write), value.array, [[0]]),
      TypeError,
      `Cannot ${write} a shared array`,
    );
  }
  assertEquals(value.array.slice(1, 3).fill(0), new Float64Array(2));
  const mixed = share({ array, small: Uint8Array.of(1), map: new Map([["k", [1]]]) });
  const first = mixed.value;
  first.small[0] = 9;
  first.map.set("other", [2]);
  assertEquals(mixed.value.small, Uint8Array.of(1));
  assertEquals([...mixed.value.map], [["k", [1]]]);
  assert(mixed.value.array === first.array);
});

Deno.test("share() refuses by its path what isolates cannot share", () => {
  class Point {
    x = 1;
  }
  const cases: [unknown, string, string][] = [
    [() => 1, "value", "a function is no data"],
    [{ a: [1, () => 1] }, "value.a[1]", "a function is no data"],
    [{ p: Promise.resolve() }, "value.p", "await it first"],
    [{ deep: new Map([["k", new Point()]]) }, "value.deep.get(k)", "an instance of Point"],
    [[Symbol("s")], "value[0]", "a symbol is no data"],
    [{ file: file("x.txt") }, "value.file", "an instance of FileHandle"],
    [{ memory: new SharedArrayBuffer(8) }, "value.memory", "an instance of SharedArrayBuffer"],
  ];
  for (const [value, path, reason] of cases) {
    const error = assertThrows(() => share(value), UnclonableError, reason);
    assertEquals(error.path, path);
  }
  const gone = new Float64Array(3);
  gone.buffer.transfer();
  assertThrows(() => share(gone), UnclonableError);
});

Deno.test("a handle that was closed says so, and what was made of it stays", () => {
  const shared = share(createArray());
  const other = share(shared);
  assertEquals(shared.byteLength, LENGTH * 8);
  const memory = memoryOf(shared);
  shared.close();
  shared.close();
  assertEquals([shared.closed, memory.released], [true, false]);
  for (const use of [() => shared.value, () => shared.byteLength, () => digestArgument(shared)]) {
    assertThrows(use, ScopeClosedError, "share the value again");
  }
  assertEquals(other.value[3], 1);
  // An array that a task has got stands for the value that it is of.
  const again = share(other.value);
  assert(memoryOf(again) === memory);
  other.close();
  assertEquals(memory.released, false);
  again.close();
  assertEquals(memory.released, true);
});

Deno.test("MemoryGuard finds a write, and forgets what was remembered since all was looked at", () => {
  for (const index of [0, 12_345, LENGTH - 1]) {
    const memory = memoryOf(share(createArray()));
    const guard = MemoryGuard.of(memory);
    assert(guard === MemoryGuard.of(memory));
    digestArgument(memory.root);
    const forgotten: number[] = [];
    guard.remembered(() => void forgotten.push(1));
    assert(guard.look() && guard.lookAtAll());
    guard.remembered(() => void forgotten.push(2));
    const array = memory.root as Float64Array;
    array[index] = -1;
    guard.settle();
    assertEquals([forgotten, memory.spoiled], [[2], true]);
    guard.remembered(() => void forgotten.push(3));
    assertEquals([guard.look(), guard.lookAtAll(), forgotten], [false, false, [2, 3]]);
  }
});
