// contract: the inline worker passes the list of all workers, and runs its hooks
import { assertEquals, assertRejects } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";
import { openInlineWorker } from "../../src/worker/inline_worker.ts";
import { deed, testWorkerContract, valueOf } from "./contract.ts";
import { runCall } from "./testdata/run_call.ts";

leaveNothing();

testWorkerContract("inline", (name) => openInlineWorker(runCall, { name }));

Deno.test("openInlineWorker() makes an outcome of what its runner throws", async () => {
  const runner = () => {
    throw new TypeError("a runner must not throw");
  };
  await using worker = await openInlineWorker(runner, { name: "test" });
  assertEquals((await worker.run(deed("noop"))).type, "error");
});

Deno.test("InlineWorker.close() runs the close hook once, after the last call", async () => {
  const events: string[] = [];
  const worker = await openInlineWorker(async (request) => {
    const outcome = await runCall(request);
    events.push(request.task);
    return outcome;
  }, { name: "test", close: () => void events.push("closed") });
  const call = worker.run(deed("later", 1));
  await Promise.all([worker.close(), worker.close()]);
  assertEquals(valueOf(await call), 1);
  assertEquals(events, ["later", "closed"]);
});

Deno.test("InlineWorker.close() rejects with what the close hook throws", async () => {
  const worker = await openInlineWorker(runCall, {
    name: "test",
    close: () => Promise.reject(new RangeError("hook")),
  });
  await assertRejects(() => worker.close(), RangeError, "hook");
  assertEquals(await worker.dead, "it was closed");
});
