// Contract: how datasets of any shape are divided into the parts in which they are read.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { toBlocks } from "../../src/store/exchange/dataset_type.ts";

const MIB = 1024 * 1024;

function product(lengths: readonly number[]): number {
  return lengths.reduce((all, length) => all * length, 1);
}

/** Where in row-major order an element is. */
function positionOf(index: readonly number[], shape: readonly number[]): number {
  return index.reduce((position, i, dimension) => position * (shape[dimension] ?? 1) + i, 0);
}

/** Whether a block is one piece of the array in row-major order. */
function isOnePiece(count: readonly number[], shape: readonly number[]): boolean {
  const first = count.findIndex((n) => n > 1);
  return first === -1 || count.slice(first + 1).every((n, i) => n === shape[first + 1 + i]);
}

Deno.test("toBlocks() covers an array of any shape in row-major order, with no piece too large", () => {
  const length = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3000 }));
  const plan = fc.record({
    shape: fc.array(length, { maxLength: 4 }).filter((shape) => product(shape) < 2 ** 30),
    bytes: fc.constantFrom(1, 8, 16, 1000),
    chunks: fc.option(fc.array(length, { minLength: 4, maxLength: 4 })),
  });
  fc.assert(fc.property(plan, ({ shape, bytes, chunks }) => {
    const chunk = chunks?.slice(0, shape.length);
    let at = 0;
    let blocks = 0;
    for (const { start, count } of toBlocks({ shape, bytes, ...(chunk && { chunk }) })) {
      if (++blocks > 2000) return;
      assertEquals(positionOf(start, shape), at);
      assert(isOnePiece(count, shape), `${count} of ${shape}`);
      assert(
        product(count) * bytes <= (chunk === undefined ? 4 : 128) * MIB,
        `${count} × ${bytes}`,
      );
      at += product(count);
    }
    assertEquals(at, product(shape));
  }));
});

Deno.test("toBlocks() reads each chunk once where chunks side by side are not too large", () => {
  const chunk = [16, 100, 250];
  let last = 0;
  for (const { start, count } of toBlocks({ shape: [1000, 100, 1000], bytes: 8, chunk })) {
    assertEquals([start[0], (start[0] ?? 0) % 16, start[1], start[2]], [last, 0, 0, 0]);
    last += count[0] ?? 0;
  }
  assertEquals(last, 1000);
});
