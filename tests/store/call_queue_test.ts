// Contract: which call has the lowest rank, for any order in which calls come, go and rise.
import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { CallQueue } from "../../src/store/limited/call_queue.ts";

Deno.test("CallQueue.first() gives the call of the lowest rank of those that are there", () => {
  const step = fc.record({
    rank: fc.integer({ min: 0, max: 50 }),
    rises: fc.integer({ min: 0, max: 5 }),
    forgets: fc.boolean(),
    sorts: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const there = new Set<{ rank: number }>();
    const queue = new CallQueue<{ rank: number }>((call) => there.has(call), ({ rank }) => rank);
    for (const { rank, rises, forgets, sorts } of steps) {
      const call = { rank };
      there.add(call);
      queue.add(call);
      for (const one of there) if (one.rank % 7 === rises) one.rank += rises;
      const first = queue.first();
      const ranks = Array.from(there, ({ rank }) => rank).sort((a, b) => a - b);
      assertEquals(first?.rank, ranks[0]);
      if (forgets && first !== undefined) there.delete(first);
      if (!sorts) continue;
      const left = Array.from(there, ({ rank }) => rank).sort((a, b) => a - b);
      assertEquals(queue.sorted().map(({ rank }) => rank), left);
      assertEquals(queue.size, there.size);
    }
    queue.clear();
    assertEquals(queue.first(), undefined);
  }));
});
