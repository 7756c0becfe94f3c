// contract: of cases that run at the same time none is lost that fails
import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { together } from "./together.ts";

Deno.test("together() fails with each case that does, by its name", async () => {
  await together({});
  const fail = (message: string) => () => Promise.reject(new RangeError(message));
  const one = await assertRejects(() => together({ one: fail("1"), two: async () => {} }), Error);
  assertEquals(one.message, "one: 1");
  assertInstanceOf(one.cause, RangeError);
  const both = { one: fail("1"), two: fail("2") };
  const error = await assertRejects(() => together(both), AggregateError);
  assertEquals([error.message, error.errors.length], ["one: 1\ntwo: 2", 2]);
});

Deno.test("together() lets cases wait for each other, and not for one that has ended", async () => {
  const steps: string[] = [];
  const error = await assertRejects(() =>
    together({
      async one(meet) {
        await Promise.resolve();
        steps.push("one");
        await meet(() => steps.push("met"));
        steps.push("one again");
        await meet(() => steps.push("met again"));
      },
      async two(meet) {
        steps.push("two");
        await meet(() => steps.push("met"));
        throw new Error("two has ended");
      },
      async three() {
        await Promise.resolve();
        steps.push("three");
      },
    }), Error);
  assertEquals(error.message, "two: two has ended");
  assertEquals(steps, ["two", "one", "three", "met", "one again", "met again"]);
});
