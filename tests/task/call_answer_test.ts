// Contract: an answer reaches who waits for it, whichever of the two comes first.
import { assertEquals } from "@std/assert";
import { CallAnswer, Future } from "../../src/task/future.ts";

class GivenAnswer extends CallAnswer {
  override succeed(value: unknown): void {
    super.succeed(value);
  }

  override fail(reason: unknown): void {
    super.fail(reason);
  }
}

function take(answer: CallAnswer): unknown[] {
  const taken: unknown[] = [];
  answer.give({
    succeed: (value) => taken.push("value", value),
    fail: (reason) => taken.push("reason", reason),
  });
  return taken;
}

Deno.test("CallAnswer.give() hands over what comes later", () => {
  const answers = [new GivenAnswer(), new GivenAnswer()] as const;
  const taken = answers.map(take);
  assertEquals(taken, [[], []]);
  answers[0].succeed(undefined);
  answers[1].fail("no");
  assertEquals(taken, [["value", undefined], ["reason", "no"]]);
});

Deno.test("CallAnswer.give() hands over what was there before", () => {
  const answers = [new GivenAnswer(), new GivenAnswer()] as const;
  answers[0].succeed(undefined);
  answers[1].fail("no");
  assertEquals(answers.map(take), [["value", undefined], ["reason", "no"]]);
});

Deno.test("CallAnswer can be awaited", async () => {
  const answer = new GivenAnswer();
  answer.succeed(7);
  assertEquals(await answer, 7);
});

Deno.test("Future ends with the answer that it waits for", async () => {
  const [good, bad] = [new GivenAnswer(), new GivenAnswer()];
  const futures = [good, bad].map((answer) => new Future<unknown>("wait", () => answer));
  assertEquals(futures.map(({ state }) => state), ["pending", "pending"]);
  good.succeed(7);
  bad.fail("no");
  assertEquals(futures.map(({ state }) => state), ["done", "done"]);
  const ended = await Promise.allSettled(futures);
  assertEquals(ended, [
    { status: "fulfilled", value: 7 },
    { status: "rejected", reason: "no" },
  ]);
});
