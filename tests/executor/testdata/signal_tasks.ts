// Tasks that look at their signal, say how far they are, or do not end.
import { currentSignal, reportProgress, task } from "@quiver/quiver";

/** What the newest call that was aborted saw. */
let seen: unknown;

export const untilAborted = task(import.meta, async function untilAborted(): Promise<void> {
  const signal = currentSignal();
  const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
  reportProgress("running");
  await aborted;
  seen = signal.reason;
});

/** Never awaits: no message reaches it. */
export const spinUntilAborted = task(import.meta, function spinUntilAborted(): void {
  const signal = currentSignal();
  reportProgress("running");
  while (!signal.aborted);
  seen = signal.reason;
});

export const lastSeen = task(import.meta, function lastSeen(): unknown {
  const reason = seen;
  return reason instanceof Error
    ? [reason.constructor.name, reason.message, Reflect.get(reason, "code")]
    : reason;
});

export const nestedUntilAborted = task(import.meta, async function nestedUntilAborted() {
  const inner = untilAborted();
  // What the inner call reports is not what this one reports.
  reportProgress("running");
  await inner;
});

export const hang = task(import.meta, async function hang(): Promise<void> {
  reportProgress("running");
  await new Promise(() => {});
});

/** Blocks its thread until the first word is set. */
export const block = task(import.meta, function block(memory: SharedArrayBuffer): string {
  reportProgress("running");
  const words = new Int32Array(memory);
  while (Atomics.load(words, 0) === 0) Atomics.wait(words, 0, 0, 10);
  return "released";
});

export const echo = task(import.meta, function echo(value: unknown): unknown {
  return value;
});

/** Each worker imports this module once. */
const me = crypto.randomUUID();

export const whoAmI = task(import.meta, function whoAmI(): string {
  return me;
});

export const reportOften = task(import.meta, function reportOften(times: number): void {
  for (let time = 1; time <= times; time++) reportProgress(time / times);
});

/** Each step waits for the listener that says how far it has seen. */
export const climb = task(import.meta, async function climb(): Promise<string> {
  reportProgress("climbing");
  reportProgress(0.5);
  await new Promise((resolve) => setTimeout(resolve));
  reportProgress(1);
  return "up";
});

export const climbTo = task(import.meta, async function climbTo(height: number): Promise<number> {
  reportProgress(0.5);
  // Long enough for the report to be read by its own turn.
  await new Promise((resolve) => setTimeout(resolve, 5));
  return height;
});

/** Waits until there is a file. */
export const gated = task(
  import.meta,
  async function gated(folder: string): Promise<string> {
    const watcher = Deno.watchFs(folder);
    reportProgress("running");
    for await (const { paths } of watcher) {
      if (paths.some((path) => path.endsWith("/go"))) break;
    }
    return "through the gate";
  },
  { ignore: ["folder"] },
);
