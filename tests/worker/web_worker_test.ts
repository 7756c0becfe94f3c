// contract: the web worker passes the list of all workers, whatever way it starts and dies
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";
import { NestedExecutorError, WorkerDiedError, WorkerInitError } from "../../src/base/errors.ts";
import { openWebWorker } from "../../src/worker/web/web_worker.ts";
import { deed, errorOf, testWorkerContract, valueOf } from "./contract.ts";

leaveNothing();

const ENTRY = testdata("entry.ts");

function testdata(name: string): URL {
  return new URL(`./testdata/${name}`, import.meta.url);
}

/** Memory by which a test learns that a call runs, and lets it end, even if it never waits. */
function createSignal(): { memory: SharedArrayBuffer; running: Promise<unknown>; end(): void } {
  const memory = new SharedArrayBuffer(8);
  const words = new Int32Array(memory);
  return {
    memory,
    running: Promise.resolve(Atomics.waitAsync(words, 0, 0).value),
    end: () => {
      Atomics.store(words, 1, 1);
      Atomics.notify(words, 1);
    },
  };
}

testWorkerContract("web", (name) => openWebWorker(ENTRY, { name }));

testWorkerContract(
  "web, awaiting at top level",
  (name) => openWebWorker(testdata("slow_entry.ts"), { name }),
);

Deno.test("Worker.revoke() takes back calls from a worker in a synchronous loop", async () => {
  await using worker = await openWebWorker(ENTRY, { name: "test" });
  const signal = createSignal();
  const busy = worker.run(deed("signalAndSpin", signal.memory));
  const waiting = worker.run(deed("noop"));
  await signal.running;
  assertEquals(worker.revoke(), true);
  assertEquals(await waiting, { type: "revoked" });
  signal.end();
  assertEquals(valueOf(await busy), "ended");
});

Deno.test("Worker.run() gives a result that is there while the next call loops", async () => {
  await using worker = await openWebWorker(ENTRY, { name: "test" });
  const signal = createSignal();
  // One is small and written into shared memory, the other is posted.
  const first = worker.run(deed("echo", 1));
  const second = worker.run(deed("echo", "text"));
  const busy = worker.run(deed("signalAndSpin", signal.memory));
  assertEquals(valueOf(await first), 1);
  assertEquals(valueOf(await second), "text");
  signal.end();
  assertEquals(valueOf(await busy), "ended");
});

Deno.test("Worker.run() ignores what a task posts on its own account", async () => {
  await using worker = await openWebWorker(ENTRY, { name: "test" });
  assertEquals(valueOf(await worker.run(deed("postJunk"))), "posted");
  assertEquals(valueOf(await worker.run(deed("echo", 1))), 1);
});

const DEATHS = {
  // executors 1
  closeSelf: /called self\.close\(\) or Deno\.exit\(\)/,
  // executors 3
  exit: /called self\.close\(\) or Deno\.exit\(\)/,
  // executors 5
  exitEncoding: /called self\.close\(\) or Deno\.exit\(\)/,
  throwInTimer: /an error was not caught \(.*thrown in a timer/,
  rejectUnheard: /an error was not caught \(.*rejected unheard/,
};

for (const [death, reason] of Object.entries(DEATHS)) {
  Deno.test(`Worker.run() rejects only the running call when it dies by ${death}`, async () => {
    await using worker = await openWebWorker(ENTRY, { name: "mortal" });
    const before = [1, 2, 3].map((n) => worker.run(deed("echo", n)));
    const guilty = worker.run(deed(death));
    const after = [4, 5].map((n) => worker.run(deed("echo", n)));
    const error = await assertRejects(() => guilty, WorkerDiedError);
    assert(error.message.startsWith(`Cannot finish "${death}": worker "mortal" ended: `));
    assertMatch(error.reason, reason);
    assertEquals((await Promise.all(before)).map(valueOf), [1, 2, 3]);
    assertEquals(await Promise.all(after), [{ type: "revoked" }, { type: "revoked" }]);
    assertEquals(await worker.dead, error.reason);
  });
}

// executors 6
Deno.test("Worker.run() keeps a result that was there before its thread died", async () => {
  await using worker = await openWebWorker(ENTRY, { name: "mortal" });
  const first = worker.run(deed("exitSoon"));
  const second = worker.run(deed("hang"));
  assertEquals(valueOf(await first), "kept");
  await assertRejects(() => second, WorkerDiedError);
});

// executors 2
Deno.test("Worker.terminate() rejects the call of a thread that loops", async () => {
  await using worker = await openWebWorker(ENTRY, { name: "busy" });
  const signal = createSignal();
  const busy = worker.run(deed("signalAndSpin", signal.memory));
  const waiting = worker.run(deed("noop"));
  await signal.running;
  worker.terminate();
  await assertRejects(() => busy, WorkerDiedError);
  assertEquals(await waiting, { type: "revoked" });
  signal.end();
});

Deno.test("Worker.close() runs the worker's close hook once", async () => {
  const memory = new SharedArrayBuffer(4);
  const worker = await openWebWorker(testdata("hooked_entry.ts"), { name: "hooked" });
  await worker.run(deed("hook", memory));
  await Promise.all([worker.close(), worker.close()]);
  assertEquals(new Int32Array(memory)[0], 1);
});

Deno.test("Worker.close() rejects with what the close hook throws", async () => {
  const worker = await openWebWorker(testdata("hooked_entry.ts"), { name: "hooked" });
  await assertRejects(() => worker.close(), RangeError, "the hook failed");
  assertEquals(await worker.dead, "it was closed");
});

Deno.test("Worker.close() ends when the worker dies meanwhile", async () => {
  const worker = await openWebWorker(ENTRY, { name: "mortal" });
  const guilty = worker.run(deed("exit"));
  const closed = worker.close();
  await assertRejects(() => guilty, WorkerDiedError);
  await closed;
});

Deno.test("openWebWorker() rejects when the entry does not exist", async () => {
  const error = await assertRejects(
    () => openWebWorker(testdata("missing.ts"), { name: "missing" }),
    WorkerInitError,
    'Cannot start worker "missing"',
  );
  assert(error.cause instanceof Error);
  // Deno checks the types of a worker's modules first, unless it is told not to.
  assertMatch(error.cause.message, /Module not found|Type checking failed/);
});

Deno.test("openWebWorker() rejects when the entry throws", async () => {
  const error = await assertRejects(
    () => openWebWorker(testdata("throwing_entry.ts"), { name: "broken" }),
    WorkerInitError,
  );
  assert(error.cause instanceof Error);
  assertStringIncludes(error.cause.message, "the entry is broken");
});

Deno.test("openWebWorker() rejects when the entry never listens", async () => {
  const error = await assertRejects(
    () => openWebWorker(testdata("silent_entry.ts"), { name: "silent", startTimeout: 1 }),
    WorkerInitError,
  );
  assert(error.cause instanceof Error);
  assertEquals(error.cause.message, "it was not ready after 1 ms");
});

Deno.test("openWebWorker() rejects with the signal's reason", async () => {
  const reason = new Error("changed my mind");
  const options = { name: "test", signal: AbortSignal.abort(reason) };
  await assertRejects(() => openWebWorker(ENTRY, options), Error, "changed my mind");
  const controller = new AbortController();
  const started = openWebWorker(testdata("silent_entry.ts"), {
    name: "test",
    signal: controller.signal,
  });
  controller.abort(reason);
  await assertRejects(() => started, Error, "changed my mind");
});

Deno.test("openWebWorker() says which permission is missing", async () => {
  const script = testdata("no_permission.ts").pathname;
  const command = new Deno.Command(Deno.execPath(), { args: ["run", "--no-prompt", script] });
  const { code, stdout } = await command.output();
  assertEquals(code, 0);
  const [name, message, cause = ""] = new TextDecoder().decode(stdout).split("\n");
  assertEquals(name, "WorkerInitError");
  assertMatch(message ?? "", /^Cannot start worker "forbidden"/);
  assertStringIncludes(cause, "--allow-read");
});

Deno.test("openWebWorker() refuses to start workers while a worker imports a module", async () => {
  await using worker = await openWebWorker(testdata("nesting_entry.ts"), { name: "outer" });
  const error = errorOf(await worker.run(deed("import")));
  assert(error instanceof Error);
  assertEquals(error.name, "NestedExecutorError");
  assert(error instanceof NestedExecutorError);
  assertMatch(
    error.message,
    /nesting_module\.ts": .*put its main part under `if \(import\.meta\.main\)`/,
  );
});

Deno.test("currentWorker() names the worker and forgets the import", async () => {
  await using worker = await openWebWorker(testdata("nesting_entry.ts"), { name: "outer" });
  await worker.run(deed("import"));
  assertEquals(valueOf(await worker.run(deed("current"))), { name: "outer" });
});
