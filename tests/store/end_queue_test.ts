// Contract: which call ended first, for any order in which calls come and go.
import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { EndQueue } from "../../src/store/limited/end_queue.ts";
import type { LimitedCall } from "../../src/store/limited/limits.ts";

Deno.test("EndQueue.first() gives the call that ended first of those that are there", () => {
  const step = fc.record({
    ended: fc.integer({ min: 0, max: 50 }),
    forgets: fc.boolean(),
    trims: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const there = new Set<LimitedCall>();
    const queue = new EndQueue<LimitedCall>((call) => there.has(call));
    for (const [n, { ended, forgets, trims }] of steps.entries()) {
      const call = { key: `${n}`, bytes: 1, ended };
      there.add(call);
      queue.add(call);
      const first = queue.first();
      assertEquals(first?.ended, Math.min(...[...there].map(({ ended }) => ended)));
      if (forgets && first !== undefined) there.delete(first);
      if (!trims) continue;
      queue.trim();
      assertEquals(queue.size, there.size);
    }
    queue.clear();
    assertEquals(queue.first(), undefined);
  }));
});
