// Contract: the queue against a list that is sorted anew for each step.
import { assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { type Prioritized, PriorityQueue } from "../../src/executor/dispatch/queue.ts";

interface Item extends Prioritized<Item> {
  readonly id: number;
  /** Smaller ones came first. */
  readonly place: number;
}

function createItem(id: number, priority: number, place: number = id): Item {
  return { id, priority, place, before: undefined, after: undefined, queued: false };
}

Deno.test("PriorityQueue gives the highest priority first, and within one who came first", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("push" as const), priority: fc.integer({ min: -3, max: 3 }) }),
    fc.record({ do: fc.constant("unshift" as const), priority: fc.integer({ min: -3, max: 3 }) }),
    fc.record({ do: fc.constant("delete" as const), at: fc.nat() }),
    fc.record({ do: fc.constant("shift" as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const queue = new PriorityQueue<Item>();
      let model: Item[] = [];
      for (const [id, action] of steps.entries()) {
        if (action.do === "push" || action.do === "unshift") {
          const place = action.do === "push" ? id : -id;
          const item = createItem(id, action.priority, place);
          model.push(item);
          queue[action.do](item);
        } else if (action.do === "delete") {
          const item = model[action.at % Math.max(1, model.length)];
          if (item === undefined) continue;
          assertEquals(queue.delete(item), true);
          assertEquals(queue.delete(item), false);
          model = model.filter((other) => other !== item);
        } else {
          model.sort((a, b) => b.priority - a.priority || a.place - b.place);
          assertStrictEquals(queue.shift(), model.shift());
        }
        assertEquals(queue.size, model.length);
      }
    }),
  );
});

Deno.test("PriorityQueue takes as many priorities as there are items", () => {
  const queue = new PriorityQueue<Item>();
  const priorities = Array.from({ length: 2000 }, (_, index) => (index * 7919) % 2000);
  for (const [id, priority] of priorities.entries()) queue.push(createItem(id, priority));
  for (let expected = 1999; expected >= 0; expected--) {
    assertEquals(queue.shift()?.priority, expected);
  }
  assertEquals([queue.shift(), queue.size], [undefined, 0]);
});
