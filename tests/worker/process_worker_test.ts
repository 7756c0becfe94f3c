// contract: the process worker passes the list of all workers, and contains what ends a process
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";
import { UnclonableError, WorkerDiedError, WorkerInitError } from "../../src/base/errors.ts";
import { openProcessWorker } from "../../src/worker/process/process_worker.ts";
import { appears, deed, errorOf, testWorkerContract, valueOf } from "./contract.ts";

leaveNothing();

const ENTRY = testdata("process_entry.ts");

function testdata(name: string): URL {
  return new URL(`./testdata/${name}`, import.meta.url);
}

async function openFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

function toCommand(file: string, ...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-read",
      "--allow-write",
      "--allow-env",
      "--allow-run",
      testdata(file).pathname,
      ...args,
    ],
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  });
}

testWorkerContract("process", (name) => openProcessWorker(ENTRY, { name }));

interface Death {
  readonly call: [task: string, ...args: unknown[]];
  readonly reason: RegExp;
  readonly exitCode?: number;
  readonly signals?: readonly string[];
}

/** Ways to die, with what the error tells of each. */
const DEATHS: readonly Death[] = [
  // executors 3
  { call: ["exit", 0], reason: /exited with code 0/, exitCode: 0 },
  { call: ["exit", 3], reason: /exited with code 3/, exitCode: 3 },
  // executors 5
  { call: ["exitEncoding"], reason: /exited with code 5/, exitCode: 5 },
  { call: ["throwInTimer"], reason: /exited with code 1/, exitCode: 1 },
  { call: ["rejectUnheard"], reason: /exited with code 1/, exitCode: 1 },
  // executors 1
  { call: ["killSelf", "SIGKILL"], reason: /was killed by SIGKILL/, signals: ["SIGKILL"] },
  { call: ["killSelf", "SIGTERM"], reason: /was killed by SIGTERM/, signals: ["SIGTERM"] },
  // As native code does that finds itself in a state that cannot be.
  { call: ["killSelf", "SIGABRT"], reason: /crashed with SIGABRT/, signals: ["SIGABRT"] },
  { call: ["exhaustMemory"], reason: /ran out of memory/, signals: ["SIGTRAP", "SIGABRT"] },
  { call: ["closeChannel"], reason: /closed the channel/, signals: ["SIGKILL"] },
];

for (const { call: [task, ...args], reason, exitCode, signals } of DEATHS) {
  const how = [task, ...args].join(" ");
  Deno.test(`Worker.run() rejects only the running call when its process dies by ${how}`, async () => {
    await using worker = await openProcessWorker(ENTRY, {
      name: "mortal",
      flags: ["--v8-flags=--max-old-space-size=40"],
    });
    const before = [1, "two", { three: 3 }].map((value) => worker.run(deed("echo", value)));
    const guilty = worker.run(deed(task, ...args));
    const after = [4, 5].map((n) => worker.run(deed("echo", n)));
    const error = await assertRejects(() => guilty, WorkerDiedError);
    assert(error.message.startsWith(`Cannot finish "${task}": worker "mortal" ended: it `));
    assertMatch(error.reason, reason);
    assertEquals(error.exitCode, exitCode);
    if (signals === undefined) assertEquals(error.signal, undefined);
    else assert(error.signal !== undefined && signals.includes(error.signal), `${error.signal}`);
    assertEquals((await Promise.all(before)).map(valueOf), [1, "two", { three: 3 }]);
    assertEquals(await Promise.all(after), [{ type: "revoked" }, { type: "revoked" }]);
    assertEquals(await worker.dead, error.reason);
  });
}

// executors 6
Deno.test("Worker.run() keeps a result that was there before its process died", async () => {
  await using worker = await openProcessWorker(ENTRY, { name: "mortal" });
  const first = worker.run(deed("exitSoon"));
  const second = worker.run(deed("hang"));
  assertEquals(valueOf(await first), "kept");
  const error = await assertRejects(() => second, WorkerDiedError);
  assertEquals(error.exitCode, 4);
});

// executors 10
Deno.test("Worker.run() keeps large results of a process that dies right after them", async () => {
  await using worker = await openProcessWorker(ENTRY, { name: "mortal" });
  const samples = new Float64Array(1_000_000).fill(0.5);
  const results = [1, 2].map(() => worker.run(deed("echo", samples)));
  const guilty = worker.run(deed("killSelf", "SIGKILL"));
  await assertRejects(() => guilty, WorkerDiedError);
  assertEquals((await Promise.all(results)).map(valueOf), [samples, samples]);
});

// executors 10
Deno.test("Worker.terminate() settles a call whose large argument is on its way", async () => {
  const worker = await openProcessWorker(ENTRY, { name: "mortal" });
  const call = worker.run(deed("echo", new Uint8Array(30_000_000)));
  // The batch is posted in this checkpoint, and takes longer to arrive than this.
  await Promise.resolve();
  worker.terminate();
  const [outcome] = await Promise.allSettled([call]);
  const revoked = outcome.status === "fulfilled" && outcome.value.type === "revoked";
  assert(revoked || outcome.status === "rejected" && outcome.reason instanceof WorkerDiedError);
  assertEquals(await worker.dead, "it was terminated");
});

Deno.test("Worker.run() gives results that are there while the next call loops", async () => {
  await using folder = await openFolder();
  const worker = await openProcessWorker(ENTRY, { name: "busy" });
  // One is small; one is more than a pipe holds.
  const samples = new Float64Array(1_000_000).fill(0.5);
  const results = [1, "text", samples].map((value) => worker.run(deed("echo", value)));
  const busy = worker.run(deed("touchAndSpin", `${folder.path}/running`));
  assertEquals((await Promise.all(results)).map(valueOf), [1, "text", samples]);
  worker.terminate();
  await assertRejects(() => busy, WorkerDiedError);
});

// executors 2
Deno.test("Worker.terminate() kills a process that loops, once", async () => {
  await using folder = await openFolder();
  await using worker = await openProcessWorker(ENTRY, { name: "busy" });
  const busy = worker.run(deed("touchAndSpin", `${folder.path}/running`));
  const waiting = worker.run(deed("noop"));
  await appears(folder.path, "running");
  assertEquals(worker.revoke(), true);
  assertEquals(await waiting, { type: "revoked" });
  const next = worker.run(deed("noop"));
  worker.terminate();
  worker.terminate();
  const error = await assertRejects(() => busy, WorkerDiedError);
  assertEquals([error.reason, error.signal], ["it was terminated", "SIGKILL"]);
  assertEquals(error.exitCode, undefined);
  assertEquals(await next, { type: "revoked" });
});

// executors 11
Deno.test("a busy process worker ends with a parent that is killed", async () => {
  await using folder = await openFolder();
  const started = appears(folder.path, "running");
  const parent = toCommand("process_parent.ts", "touchAndSpin", `${folder.path}/running`).spawn();
  await started;
  parent.kill("SIGKILL");
  // The worker writes to the same pipes: their end is that of both.
  const { signal } = await parent.output();
  assertEquals(signal, "SIGKILL");
});

Deno.test("an idle process worker ends with a parent that is killed", async () => {
  await using folder = await openFolder();
  const parent = toCommand("process_parent.ts", "hangAfter", `${folder.path}/running`).spawn();
  await appears(folder.path, "running");
  parent.kill("SIGKILL");
  await parent.output();
});

Deno.test("a process worker leaves SIGINT to its parent", async () => {
  await using folder = await openFolder();
  await using worker = await openProcessWorker(ENTRY, { name: "test" });
  const pid = Number(valueOf(await worker.run(deed("pid"))));
  Deno.kill(pid, "SIGINT");
  assertEquals(valueOf(await worker.run(deed("echo", 1))), 1);
  const busy = worker.run(deed("touchAndSpin", `${folder.path}/running`));
  await appears(folder.path, "running");
  Deno.kill(pid, "SIGINT");
  worker.terminate();
  const error = await assertRejects(() => busy, WorkerDiedError);
  assertEquals(error.signal, "SIGKILL");
});

Deno.test("a process worker may send its parent what it likes", async () => {
  await using worker = await openProcessWorker(ENTRY, { name: "test" });
  assertEquals(valueOf(await worker.run(deed("sendJunk"))), "posted");
  assertEquals(valueOf(await worker.run(deed("echo", 1))), 1);
});

Deno.test("a process worker finds no input, and does not wait for any", async () => {
  await using worker = await openProcessWorker(ENTRY, { name: "test" });
  assertEquals(valueOf(await worker.run(deed("readInput"))), [null, null]);
});

Deno.test("a process worker prints where its parent does", async () => {
  const { success, stdout, stderr } = await toCommand("process_parent.ts", "print", "hi").output();
  const decoder = new TextDecoder();
  assertEquals(
    [success, decoder.decode(stdout), decoder.decode(stderr)],
    [true, "hi\n", "hi\n"],
  );
});

Deno.test("Worker.run() carries to another process what structured clone carries", async () => {
  await using worker = await openProcessWorker(ENTRY, { name: "test" });
  const buffer = new ArrayBuffer(16, { maxByteLength: 32 });
  const shared = { a: 1 };
  const cyclic: Record<string, unknown> = { shared, again: shared };
  cyclic.self = cyclic;
  const values = [
    new Map<unknown, unknown>([[{ a: 1 }, new Set([-0, NaN])]]),
    [1n, -(2n ** 80n), "\ud800", undefined, null, [1, , 3]],
    [new Date(0), new Date(NaN), /a+/giu, Object(1), Object("a"), Object(2n)],
    [new Float64Array([0.1]), new Float16Array([1.5]), new BigInt64Array([1n])],
    [new Uint8Array([1, 2, 3, 4]).subarray(1, 3), new DataView(new ArrayBuffer(8), 2, 4)],
    new RangeError("out", { cause: new TypeError("of luck") }),
    cyclic,
  ];
  for (const value of values) {
    assertEquals(valueOf(await worker.run(deed("echo", value))), structuredClone(value));
  }
  const views = [new Uint8Array(buffer, 0, 4), new Uint16Array(buffer, 4), buffer];
  const there = valueOf(await worker.run(deed("echo", views)));
  assert(Array.isArray(there));
  const [bytes, words, whole] = there;
  assert(bytes.buffer === words.buffer && bytes.buffer === whole);
  assertEquals([words.byteOffset, whole.maxByteLength], [4, 32]);
});

Deno.test("Worker.run() refuses to send shared memory to another process", async () => {
  await using worker = await openProcessWorker(ENTRY, { name: "test" });
  const argument = { samples: new Int32Array(new SharedArrayBuffer(8)) };
  const error = await assertRejects(
    () => worker.run(deed("echo", argument)),
    UnclonableError,
    "a web worker takes it by reference",
  );
  assertEquals(error.path, "args[0].samples");
  const back = errorOf(await worker.run(deed("share")));
  assert(back instanceof UnclonableError);
  assertEquals(back.path, "result[0]");
});

Deno.test("Worker.run() does not mix up calls whose slots were given back", async () => {
  await using worker = await openProcessWorker(ENTRY, { name: "test" });
  const guilty = { callback: () => 1 };
  for (let round = 0; round < 20; round++) {
    const calls = Array.from({ length: 30 }, (_, n) => worker.run(deed("echo", `${round}.${n}`)));
    const refused = worker.run(deed("echo", guilty));
    assertEquals(worker.revoke(), true);
    assertEquals(await refused, { type: "revoked" });
    const results = await Promise.all(calls);
    for (const [n, result] of results.entries()) assertEquals(valueOf(result), `${round}.${n}`);
  }
});

Deno.test("Worker.close() runs the close hook of a process once", async () => {
  await using folder = await openFolder();
  const path = `${folder.path}/hook`;
  const worker = await openProcessWorker(testdata("hooked_process.ts"), { name: "hooked" });
  await worker.run(deed("hook", path));
  await Promise.all([worker.close(), worker.close()]);
  assertEquals(await Deno.readTextFile(path), "closed\n");
});

Deno.test("Worker.close() rejects with what the close hook of a process throws", async () => {
  const worker = await openProcessWorker(testdata("hooked_process.ts"), { name: "hooked" });
  await assertRejects(() => worker.close(), RangeError, "the hook failed");
  assertEquals(await worker.dead, "it was closed");
});

Deno.test("openProcessWorker() gives a process permissions and variables of its own", async () => {
  await using worker = await openProcessWorker(ENTRY, {
    name: "test",
    permissions: { env: ["QUIVER_TEST"], net: true, read: [testdata("")] },
    env: { QUIVER_TEST: "set" },
  });
  assertEquals(valueOf(await worker.run(deed("env", "QUIVER_TEST"))), "set");
  assertMatch(String(errorOf(await worker.run(deed("env", "HOME")))), /--allow-env/);
  const states = ["net", "write", "run"].map((name) => worker.run(deed("permission", name)));
  assertEquals((await Promise.all(states)).map(valueOf), ["granted", "prompt", "prompt"]);
});

Deno.test("openProcessWorker() passes on what this program may", async () => {
  await using worker = await openProcessWorker(ENTRY, { name: "test" });
  for (const name of ["read", "write", "run", "env", "net", "ffi", "sys"] as const) {
    const { state } = Deno.permissions.querySync({ name });
    assertEquals(valueOf(await worker.run(deed("permission", name))), state, name);
  }
});

Deno.test("openProcessWorker() names a permission that does not exist", async () => {
  const permissions = { raed: true } as Deno.PermissionOptions;
  await assertRejects(
    () => openProcessWorker(ENTRY, { name: "test", permissions }),
    TypeError,
    'there is no permission "raed"',
  );
});

Deno.test("openProcessWorker() says which permission is missing", async () => {
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--allow-env",
      "--allow-read",
      "--allow-write",
      testdata("no_run_permission.ts").pathname,
    ],
  });
  const { stdout } = await command.output();
  const [name, message = "", cause] = new TextDecoder().decode(stdout).split("\n");
  assertEquals([name, cause], ["WorkerInitError", "NotCapable"]);
  assertStringIncludes(message, `--allow-run=${Deno.execPath()}`);
});

Deno.test("openProcessWorker() rejects with what the process says whose entry fails", async () => {
  for (
    const [file, text] of [
      ["missing.ts", "Module not found"],
      ["throwing_entry.ts", "SyntaxError: the entry is broken"],
    ] as const
  ) {
    const error = await assertRejects(
      () => openProcessWorker(testdata(file), { name: "broken" }),
      WorkerInitError,
      'Cannot start worker "broken"',
    );
    assert(error.cause instanceof WorkerDiedError);
    assertEquals(error.cause.exitCode, 1);
    assertStringIncludes(error.cause.stderr ?? "", text);
    assertStringIncludes(error.message, text);
  }
});

Deno.test("openProcessWorker() rejects when the entry never listens", async () => {
  const error = await assertRejects(
    () => openProcessWorker(testdata("hanging_entry.ts"), { name: "silent", startTimeout: 1 }),
    WorkerInitError,
  );
  assert(error.cause instanceof Error);
  assertEquals(error.cause.message, "it was not ready after 1 ms");
});

Deno.test("openProcessWorker() rejects with the signal's reason", async () => {
  const reason = new Error("changed my mind");
  const options = { name: "test", signal: AbortSignal.abort(reason) };
  await assertRejects(() => openProcessWorker(ENTRY, options), Error, "changed my mind");
  const controller = new AbortController();
  const started = openProcessWorker(ENTRY, { name: "test", signal: controller.signal });
  controller.abort(reason);
  await assertRejects(() => started, Error, "changed my mind");
});
