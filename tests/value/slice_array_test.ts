// Contract: which elements a slice has, and which bytes it reads.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { MissingPartError } from "../../src/value/codec/decode_value.ts";
import { sliceArray, type SliceRange } from "../../src/value/tree/slice_array.ts";
import { type StoredPayload, VALUE_KIND } from "../../src/value/value.ts";

function toPayload(array: Int32Array, reads: number[] = []): StoredPayload {
  const bytes = new Uint8Array(array.buffer);
  return {
    digest: "d",
    kind: VALUE_KIND.Int32Array,
    length: bytes.length,
    read(offset, target) {
      reads.push(target.length);
      target.set(bytes.subarray(offset, offset + target.length));
      return true;
    },
  };
}

/** The same, element by element. */
function sliceSlowly(array: Int32Array, shape: number[], ranges: SliceRange[]): number[] {
  return Array.from(array).filter((_, element) => {
    let rest = element;
    return shape.toReversed().every((length, i) => {
      const index = rest % length;
      rest = Math.floor(rest / length);
      const [start, end] = ranges[shape.length - 1 - i] ?? [0, length];
      return index >= start && index < end;
    });
  });
}

Deno.test("sliceArray() gives the elements within all ranges", () => {
  const dimension = fc.nat(5).chain((length) =>
    fc.tuple(fc.constant(length), fc.nat(length), fc.nat(length), fc.boolean())
  );
  fc.assert(fc.property(fc.array(dimension, { minLength: 1, maxLength: 4 }), (dimensions) => {
    const shape = dimensions.map(([length]) => length);
    const ranges = dimensions.map(([length, a, b, whole]): SliceRange =>
      whole ? [0, length] : [Math.min(a, b), Math.max(a, b)]
    );
    const count = shape.reduce((product, length) => product * length, 1);
    const array = Int32Array.from({ length: count }, (_, i) => i);
    const slice = sliceArray(toPayload(array), shape, ranges);
    const data = "shape" in slice ? slice.data : slice;
    assertEquals(Array.from(data, Number), sliceSlowly(array, shape, ranges));
    if ("shape" in slice) assertEquals(slice.shape, ranges.map(([start, end]) => end - start));
  }));
});

Deno.test("sliceArray() reads what lies together at once", () => {
  const array = new Int32Array(4 * 5 * 6);
  for (
    const { ranges, expected } of [
      { ranges: [], expected: [480] },
      { ranges: [[1, 3]], expected: [240] },
      { ranges: [[1, 3], [2, 4]], expected: [48, 48] },
      { ranges: [[0, 4], [0, 5], [0, 1]], expected: Array(20).fill(4) },
    ] satisfies { ranges: SliceRange[]; expected: number[] }[]
  ) {
    const reads: number[] = [];
    sliceArray(toPayload(array, reads), [4, 5, 6], ranges);
    assertEquals(reads, expected);
  }
});

Deno.test("sliceArray() rejects ranges that are none of the array's", () => {
  const payload = toPayload(new Int32Array(6));
  for (const range of [[-1, 1], [2, 1], [0, 4], [0.5, 1], [0, NaN]] satisfies SliceRange[]) {
    assertThrows(() => sliceArray(payload, [2, 3], [[0, 1], range]), RangeError, "of dimension 1");
  }
  assertThrows(() => sliceArray(payload, [6], [[0, 1], [0, 1]]), RangeError, "2 ranges");
  const view = { ...payload, kind: VALUE_KIND.DataView };
  assertThrows(() => sliceArray(view, [24], []), TypeError, "no array of numbers");
});

Deno.test("sliceArray() throws when its bytes are damaged", () => {
  const payload = { ...toPayload(new Int32Array(6)), read: () => false };
  const error = assertThrows(() => sliceArray(payload, [6], []), MissingPartError);
  assert(error.digest === "d");
});
