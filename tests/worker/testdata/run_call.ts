/** What the workers of these tests can do: the name of the task picks the deed. */
import process from "node:process";
import { fromThrown } from "../../../src/value/codec/thrown_value.ts";
import type { CallRequest, Outcome } from "../../../src/worker/worker.ts";

type Deed = (...args: never[]) => unknown;

/** Every task that was run, in order. */
const ran: unknown[] = [];

/** What a task returns more than once. */
const KEPT = new Float64Array(100_000).fill(0.5);

/** The first two words of a signal: the worker says that it runs, and waits until it may go on. */
const RUNNING = 0;
const MAY_END = 1;

const DEEDS: Record<string, Deed> = {
  noop: () => undefined,
  echo: (value: unknown) => value,
  ran: () => ran,
  note: (value: unknown) => ran.push(value),
  grow: (list: unknown[]) => list.push("grown"),
  fail: (message: string) => {
    throw new RangeError(message);
  },
  kept: () => KEPT,
  later: async (value: unknown) => {
    await Promise.resolve();
    return value;
  },
  getter: () => ({
    get value(): number {
      throw new RangeError("do not read");
    },
  }),
  unclonable: () => ({ list: [1], solver: { callback: () => 1 } }),
  signalAndSpin: (memory: SharedArrayBuffer) => {
    const signal = new Int32Array(memory);
    Atomics.store(signal, RUNNING, 1);
    Atomics.notify(signal, RUNNING);
    while (Atomics.load(signal, MAY_END) === 0);
    return "ended";
  },
  signalAndWait: async (path: string) => {
    using running = await Deno.open(`${path}/starting`, { write: true, create: true });
    await running.lock(true);
    await Deno.rename(`${path}/starting`, `${path}/running`);
    using gate = await Deno.open(`${path}/gate`, { write: true });
    await gate.lock(true);
    return "ended";
  },
  pid: () => Deno.pid,
  readInput: async () => {
    const bytes = new Uint8Array(1);
    const texts: unknown[] = [await Deno.stdin.read(bytes), Deno.stdin.readSync(bytes)];
    for await (const text of Deno.stdin.readable) texts.push(text);
    for await (const text of process.stdin) texts.push(text);
    return texts;
  },
  /** For a worker that can only be killed. */
  touchAndSpin: (path: string) => {
    Deno.writeTextFileSync(path, "");
    for (;;);
  },
  hangAfter: async (path: string) => {
    await Deno.writeTextFile(path, "");
    await new Promise(() => {});
  },
  share: () => [new SharedArrayBuffer(8)],
  killSelf: (signal: Deno.Signal) => {
    Deno.kill(Deno.pid, signal);
    return new Promise(() => {});
  },
  exhaustMemory: () => {
    const hoard: unknown[] = [];
    for (;;) hoard.push(Array.from({ length: 1000 }, (_, n) => ({ n })));
  },
  closeChannel: async () => {
    const { default: process } = await import("node:process");
    process.disconnect();
    return await new Promise(() => {});
  },
  env: (name: string) => Deno.env.get(name),
  permission: (name: Deno.PermissionName) => Deno.permissions.querySync({ name }).state,
  print: (text: string) => {
    console.log(text);
    console.error(text);
  },
  hang: () => new Promise(() => {}),
  closeSelf: () => {
    globalThis.close();
    return new Promise(() => {});
  },
  exit: (code: number = 3) => Deno.exit(code),
  /** Dies when its result is already on its way. */
  exitSoon: () => {
    setTimeout(() => Deno.exit(4));
    return "kept";
  },
  exitEncoding: () => ({
    get value() {
      return Deno.exit(5);
    },
  }),
  throwInTimer: () => {
    setTimeout(() => {
      throw new Error("thrown in a timer");
    });
    return new Promise(() => {});
  },
  rejectUnheard: () => {
    void Promise.reject(new Error("rejected unheard"));
    return new Promise(() => {});
  },
  sendJunk: async () => {
    const { default: process } = await import("node:process");
    process.send?.({ id: "junk" });
    process.send?.(["junk", null]);
    return "posted";
  },
  postJunk: () => {
    // What a task posts on its own account must not disturb the protocol.
    const scope = globalThis as unknown as { postMessage(message: unknown): void };
    scope.postMessage("junk");
    scope.postMessage(["junk", null, { id: "junk" }]);
    return "posted";
  },
};

/** Runs a deed. */
export async function runCall(request: CallRequest): Promise<Outcome> {
  const started = performance.now();
  const end = () => ({ duration: performance.now() - started, warnings: [] });
  try {
    const deed = DEEDS[request.task];
    if (deed === undefined) throw new TypeError(`Cannot run "${request.task}": no such deed`);
    const value = await deed(...request.args as never[]);
    return { type: "value", value, ...end() };
  } catch (error) {
    return { type: "error", error: { thrown: fromThrown(error) }, ...end() };
  }
}
