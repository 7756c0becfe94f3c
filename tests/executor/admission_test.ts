// collaboration: what calls wait for beside a worker; workers faked through their interface
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DeadlineError, ExecutorShutdownError } from "../../src/base/errors.ts";
import type { CallDemand } from "../../src/task/comforts.ts";
import { RateWindow } from "../../src/task/rate_window.ts";
import { settle, Stage } from "./fake_workers.ts";

const API: CallDemand = { limits: ["api"], needs: {} };
const OTHER: CallDemand = { limits: ["api", "other"], needs: {} };

function needs(amounts: { readonly [name: string]: number }): CallDemand {
  return { limits: [], needs: amounts };
}

function openStage(maxWorkers = 8): Stage {
  return new Stage({ maxWorkers, capacity: { limits: { api: 2, other: 1 }, has: { cores: 4 } } });
}

/** Ends the call of that name. */
async function finish(stage: Stage, name: string): Promise<void> {
  await stage.workers.find(({ tasks }) => tasks === name)?.finish();
}

function running(stage: Stage): string {
  return stage.tasks.filter((tasks) => tasks !== "").toSorted().join(" ");
}

Deno.test("Dispatcher.run() lets so many calls run at once as a limit says, and others go past", async () => {
  await using stage = openStage();
  await stage.runAll("abc", { demand: API });
  await stage.runAll("x");
  assertEquals(running(stage), "a b x");
  assertEquals(stage.dispatcher.statistics().queued, 1);
  await finish(stage, "a");
  assertEquals(running(stage), "b c x");
  await stage.finishAll();
  assertEquals(stage.dispatcher.statistics().queued, 0);
});

Deno.test("Dispatcher.run() packs calls by what they need, and one that needs much comes to it", async () => {
  await using stage = openStage();
  await stage.runAll("ab", { demand: needs({ cores: 1 }) });
  await stage.runAll("B", { demand: needs({ cores: 4 }) });
  await stage.runAll("cd", { demand: needs({ cores: 1 }) });
  assertEquals(running(stage), "a b");
  await finish(stage, "a");
  assertEquals(running(stage), "b");
  await finish(stage, "b");
  assertEquals(running(stage), "B");
  await finish(stage, "B");
  assertEquals(running(stage), "c d");
  await stage.finishAll();
});

Deno.test("Dispatcher.run() has a call that needs two things come to both", async () => {
  await using stage = openStage();
  await stage.runAll("a", { demand: OTHER });
  await stage.runAll("b", { demand: API });
  await stage.runAll("T", { demand: OTHER });
  await stage.runAll("cd", { demand: API });
  assertEquals(running(stage), "a b");
  await finish(stage, "a");
  assertEquals(running(stage), "T b");
  await finish(stage, "T");
  await finish(stage, "b");
  assertEquals(running(stage), "c d");
  await stage.finishAll();
});

Deno.test("Dispatcher.run() has sums of fractions come out even", async () => {
  await using stage = openStage(64);
  await stage.runAll("abcdefghijklmnopqrstuvwxyz", { demand: needs({ cores: 0.1 }) });
  await stage.runAll("B", { demand: needs({ cores: 4 }) });
  await stage.finishAll();
  assertEquals(running(stage), "");
  assertEquals(stage.dispatcher.statistics().queued, 0);
});

Deno.test("Dispatcher.run() gives a limit to a higher priority first, also if it was given to one that waits", async () => {
  await using stage = openStage(1);
  await stage.runAll("x");
  await stage.runAll("ab", { demand: API });
  await stage.runAll("HI", { demand: API, priority: 1 });
  const order: string[] = [];
  for (let turn = 0; turn < 5; turn++) {
    order.push(running(stage));
    await stage.worker(0).finish();
  }
  assertEquals(order, ["x", "H", "I", "a", "b"]);
});

Deno.test("Dispatcher.run() lets go of what a call holds however it ends", async () => {
  await using stage = openStage();
  const controller = new AbortController();
  const observer = { demand: API, cancellation: controller.signal };
  const [waits] = await stage.runAll("a", observer);
  const [dies] = await stage.runAll("b", { demand: API });
  await stage.runAll("c", { demand: API });
  const [, gone] = await stage.runAll("dg", { demand: API, cancellation: controller.signal });
  controller.abort(new Error("given up"));
  // Its worker is not done with it.
  await settle();
  assertEquals(running(stage), "a b");
  await assertRejects(() => waits ?? Promise.resolve(), Error, "given up");
  await assertRejects(() => gone ?? Promise.resolve(), Error, "given up");
  await stage.worker(1).die();
  await assertRejects(() => dies ?? Promise.resolve());
  assertEquals(running(stage), "a c");
  await stage.finishAll();
});

Deno.test("Dispatcher.run() lets go of what a lost call holds", async () => {
  await using stage = openStage();
  const late = { demand: OTHER, deadline: 0, gracePeriod: 0 };
  const hangs = stage.run("a", late).catch((error) => error);
  await settle();
  const next = stage.run("b", { demand: OTHER });
  // Only a call that says when it begins has a deadline.
  stage.worker(0).calls[0]?.listener.follower?.onMessage("started", undefined);
  assertEquals(await hangs instanceof DeadlineError, true);
  await settle();
  await finish(stage, "b");
  assertEquals(await next, "b");
});

Deno.test("Dispatcher.terminate() and close() leave no call that is held", async () => {
  const stage = openStage();
  const calls = await stage.runAll("abc", { demand: API });
  const later = stage.run("d", { delay: 60_000 }).catch((error) => error);
  const close = stage.dispatcher.close({ cancelPending: true });
  assertEquals(String(await later).includes("shut down"), true);
  stage.dispatcher.terminate();
  for (const call of calls) await assertRejects(() => call);
  await close;
  await assertRejects(() => stage.run("e", { demand: API }), ExecutorShutdownError);
});

Deno.test("Dispatcher.run() tries again after a while, as long as somebody's opinion is that it may help", async () => {
  await using stage = openStage(1);
  const asked: unknown[] = [];
  const when = (error: unknown) => asked.push((error as Error).message) < 2;
  const failing = stage.run("a", { demand: API, retries: { times: 5, delay: 1, when } });
  await settle();
  await stage.worker(0).fail(new Error("one"));
  assertEquals(stage.dispatcher.statistics().queued, 1);
  // It waits, and no worker with it.
  await stage.runAll("b");
  await stage.worker(0).finish();
  while (running(stage) !== "a") await new Promise((next) => setTimeout(next));
  await stage.worker(0).fail(new Error("two"));
  const outcome = await failing;
  assertEquals(asked, ["one", "two"]);
  assertEquals((outcome as { attempts?: number }).attempts, 2);
  assertEquals(stage.dispatcher.callStatistics().failed, 1);
  assertEquals(stage.dispatcher.callStatistics().retried, 1);
});

Deno.test("Dispatcher.run() ends a call once that is given up, or whose executor ends, by who is asked for an opinion", async () => {
  const stage = openStage(1);
  const controller = new AbortController();
  const abort = () => {
    controller.abort(new Error("not needed"));
    return true;
  };
  const retries = { times: 5, when: abort };
  const given = stage.run("a", { demand: API, retries, cancellation: controller.signal });
  given.catch(() => {});
  await settle();
  await stage.worker(0).fail(new Error("one"));
  await assertRejects(() => given, Error, "not needed");
  const terminate = () => {
    stage.dispatcher.terminate();
    return true;
  };
  const ended = stage.run("b", { demand: API, retries: { times: 5, when: terminate } });
  ended.catch(() => {});
  await settle();
  await stage.worker(0).fail(new Error("two"));
  await assertRejects(() => ended, ExecutorShutdownError);
  await stage.dispatcher.close();
});

Deno.test("Dispatcher.run() warns of an opinion that throws, and fails with the call's own error", async () => {
  const warnings: string[] = [];
  await using stage = new Stage({ warn: ({ message }) => warnings.push(message) });
  const when = () => {
    throw new Error("no opinion");
  };
  const failing = stage.run("a", { retries: { times: 5, when } });
  await settle();
  await stage.worker(0).fail(new Error("own"));
  assertEquals((await failing as { type: string }).type, "error");
  assertStringIncludes(warnings.join(), "`when`");
});

Deno.test("RateWindow counts from when bodies begin, in any time of its length", () => {
  const rate = new RateWindow({ calls: 2, per: 100 });
  assertEquals(rate.wait(0), 0);
  rate.admit();
  rate.admit();
  assertEquals(rate.wait(0), Infinity);
  rate.begin(500);
  assertEquals(rate.wait(510), 90);
  assertEquals(rate.wait(600), 0);
  rate.giveBack();
  rate.admit();
  rate.admit();
  rate.begin(601);
  rate.begin(602);
  assertEquals(rate.wait(650), 51);
  assertEquals(rate.wait(701), 0);
  // A night's worth of calls would take an hour if each moved those before it.
  const calls = 50_000;
  const many = new RateWindow({ calls, per: calls });
  for (let now = 0; now < calls; now++) {
    assertEquals(many.wait(now), 0);
    many.admit();
    many.begin(now);
  }
  assertEquals(many.wait(calls - 1), 1);
  for (let now = calls; now < 2 * calls; now++) {
    assertEquals(many.wait(now), 0);
    many.admit();
    assertEquals(many.wait(now), 1);
    many.begin(now);
  }
});
