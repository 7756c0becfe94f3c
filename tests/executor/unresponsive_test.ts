// end-to-end: a worker that takes nothing up is replaced, and a call that it was sent goes elsewhere
import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { Executor, task, transfer, WorkerDiedError } from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import { beBusy, together } from "../together.ts";
import { openSharedFolder, type SharedFolder, until } from "./_shared_folder.ts";
import { settle, Stage } from "./fake_workers.ts";
import { Gate } from "./gate.ts";
import * as tasks from "./testdata/blocking_tasks.ts";

leaveNothing();

/** Longer than a worker may take nothing up, in milliseconds. */
const LONG = 6500;

/** An executor whose one worker is blocked by what a call has left behind. */
class Blocked implements AsyncDisposable {
  readonly reasons: string[] = [];
  readonly executor: Executor;
  readonly warnings: string[] = [];
  readonly #memory: SharedArrayBuffer | undefined;
  readonly #folder: SharedFolder;

  static async open(workerType: "web" | "process"): Promise<Blocked & { readonly me: string }> {
    const blocked = new Blocked(workerType, await openSharedFolder());
    const me = await blocked.#block();
    return Object.assign(blocked, { me });
  }

  private constructor(workerType: "web" | "process", folder: SharedFolder) {
    this.#folder = folder;
    this.#memory = workerType === "web" ? new SharedArrayBuffer(4) : undefined;
    this.executor = new Executor({
      maxWorkers: 1,
      workerType,
      observer: { workerEnded: ({ reason }) => void this.reasons.push(reason) },
      onWarning: ({ message }) => void this.warnings.push(message),
    });
  }

  async #block(): Promise<string> {
    const path = `${this.#folder.path}/blocked`;
    const me = await this.executor.submit(tasks.leaveBlocked, path, this.#memory);
    await this.#folder.appears("blocked");
    return me;
  }

  /** Lets a thread go on, which nothing else can end. */
  release(): void {
    if (this.#memory === undefined) return;
    const words = new Int32Array(this.#memory);
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.release();
    await this.executor.shutdown();
    await this.#folder[Symbol.asyncDispose]();
  }
}

type Case = (workerType: "web" | "process") => Promise<void>;

/** What becomes of calls whose worker is blocked. Each case waits for as long as a worker may be silent. */
const BLOCKED: { readonly [name: string]: Case } = {
  async "Executor.submit() goes to another worker when one is blocked from inside"(workerType) {
    await using blocked = await Blocked.open(workerType);
    const { executor, me, reasons } = blocked;
    const hasty = executor.with({ deadline: 60_000 });
    const calls = [hasty.submit(tasks.whoAmI), executor.submit(tasks.whoAmI)];
    const cancelled = executor.submit(tasks.echo, 1);
    assertEquals(cancelled.cancel(), true);
    await cancelled.catch(() => {});
    const [first, second] = await Promise.all(calls);
    assertEquals(second, first);
    assertNotEquals(first, me);
    assertEquals(reasons.length, 1);
    assertStringIncludes(reasons[0] ?? "", "took up nothing for 5000 ms");
    // A thread goes on until its code returns, and a process is gone.
    const { workers, lost, ended } = executor.statistics();
    assertEquals([workers, lost, ended], [1, workerType === "web" ? 1 : 0, { unresponsive: 1 }]);
    blocked.release();
    await until(() => executor.statistics().lost === 0);
  },

  async "Executor.submit() rejects what cannot be sent again when its worker is blocked"(
    workerType,
  ) {
    await using blocked = await Blocked.open(workerType);
    const call = blocked.executor.submit(tasks.echo, transfer(new Uint8Array(1000)));
    const error = await assertRejects(() => call, WorkerDiedError, '"echo"');
    assertStringIncludes(error.reason, "took up nothing");
    assertEquals(await blocked.executor.submit(tasks.echo, 2), 2);
  },

  async "Executor.map() goes on at another worker when one is blocked"(workerType) {
    await using blocked = await Blocked.open(workerType);
    const items = Array.from({ length: 20 }, (_, index) => index);
    const results = Array.fromAsync(blocked.executor.map(tasks.echo, items, { chunkSize: 10 }));
    assertEquals(await results, items);
    assertEquals(blocked.reasons.length, 1);
    const { completed, failed } = blocked.executor.statistics();
    assertEquals([completed, failed], [1 + items.length, 0]);
  },

  async "Executor.shutdown() ends when an idle worker is blocked"(workerType) {
    await using blocked = await Blocked.open(workerType);
    await blocked.executor.shutdown();
    assertEquals(blocked.executor.statistics().workers, 0);
  },
};

/** What a worker may do for long. */
const LONG_ONES: { readonly [name: string]: Case } = {
  async "Executor keeps a worker that loads a module for a while"(workerType) {
    await using gate = new Gate();
    const url = import.meta.resolve(`./testdata/slow_module.ts?gate=${gate.path}`);
    const load = task(url, (_path: string): void => {}, { name: "touch" });
    await using folder = await openSharedFolder();
    await using executor = new Executor({ maxWorkers: 1, workerType });
    const me = await executor.submit(tasks.whoAmI);
    const call = executor.submit(load, `${folder.path}/touched`);
    await gate.reached(1);
    // It is asked several times whether it reads messages.
    await new Promise((resolve) => setTimeout(resolve, 2500));
    gate.open();
    await call;
    assertEquals([await executor.submit(tasks.whoAmI), executor.statistics().ended], [
      me,
      undefined,
    ]);
  },

  async "Executor keeps a worker that runs a long call"(workerType) {
    await using executor = new Executor({ maxWorkers: 1, workerType });
    const me = await executor.submit(tasks.whoAmI);
    const calls = [executor.submit(tasks.block, LONG), executor.submit(tasks.whoAmI)];
    assertEquals(await Promise.all(calls), [me, me]);
  },
};

function ofEachKind(cases: { readonly [name: string]: Case }) {
  return Object.fromEntries(
    Object.entries(cases).flatMap(([name, run]) =>
      (["web", "process"] as const).map((kind) => [`${kind}: ${name}`, () => run(kind)] as const)
    ),
  );
}

Deno.test("Executor sends calls elsewhere whose worker is blocked, and keeps one that does something", () =>
  together({
    ...ofEachKind(BLOCKED),
    ...ofEachKind(LONG_ONES),
    async "process: Executor.submit() goes to another worker when one was stopped"() {
      await using executor = new Executor({ maxWorkers: 1, workerType: "process" });
      const pid = await executor.submit(tasks.processId);
      Deno.kill(pid, "SIGSTOP");
      const calls = [1, 2, 3].map(() => executor.submit(tasks.processId));
      const [first, ...others] = await Promise.all(calls);
      assert(first !== pid && others.every((other) => other === first));
      assertEquals(executor.statistics().lost, 0);
    },
  }));

Deno.test("Executor keeps a worker whose caller is busy", async () => {
  await using web = new Executor({ maxWorkers: 1, workerType: "web" });
  await using process = new Executor({ maxWorkers: 1, workerType: "process" });
  const executors = [web, process];
  const callAll = () => executors.map((executor) => executor.submit(tasks.whoAmI));
  const them = await Promise.all(callAll());
  const calls = callAll();
  await settle();
  beBusy(LONG);
  assertEquals(await Promise.all(calls), them);
  assertEquals(executors.map((executor) => executor.statistics().lost), [0, 0]);
});

Deno.test("Dispatcher passes on what a worker took up nothing of, and not for ever", async () => {
  await using stage = new Stage({ maxWorkers: 1 });
  const calls = await stage.runAll("ab");
  await stage.worker(0).fallSilent();
  assertEquals(stage.tasks, ["a"]);
  await stage.worker(1).fallSilent();
  await stage.worker(2).fallSilent();
  const error = await assertRejects(() => calls[0] ?? Promise.resolve(), WorkerDiedError);
  assertEquals(
    error.message,
    'Cannot run "a": 3 workers in a row took up nothing: they may be blocked by what `init`, the ' +
      "module of the task or the call before leaves behind",
  );
  await stage.finishAll();
  assertEquals(await calls[1], "b");
});
