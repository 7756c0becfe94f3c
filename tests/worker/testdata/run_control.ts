/** What the workers of the control tests can do: they look at their signal, and say things. */
import { fromThrown } from "../../../src/value/codec/thrown_value.ts";
import type { CallControl, CallRequest, Outcome } from "../../../src/worker/worker.ts";

type Deed = (control: CallControl, ...args: readonly unknown[]) => unknown;

let last: CallControl | undefined;
const reasons: unknown[] = [];

const DEEDS: { readonly [task: string]: Deed } = {
  echo: (_control, value) => value,
  reasons: () => reasons.splice(0).map(String),
  say: (control, ...words) => words.map((word) => control.send("word", word)),
  count: (control, times) => {
    for (let time = 1; time <= Number(times); time++) {
      control.report({ fraction: time / Number(times) });
    }
  },
  obey: async (control) => {
    last = control;
    const { signal } = control;
    control.send("word", "listening");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    reasons.push(signal.reason);
    signal.throwIfAborted();
  },
  /** Speaks in the name of a call that has ended. */
  haunt: () => [last?.send("word", "boo"), last?.report({ fraction: 1 }), last?.signal.aborted],
};

/** Runs a deed. */
export async function runControl(request: CallRequest, control: CallControl): Promise<Outcome> {
  const end = { duration: 1, warnings: [] };
  try {
    const value = await DEEDS[request.task]?.(control, ...request.args);
    return { type: "value", value, ...end };
  } catch (error) {
    return { type: "error", error: { thrown: fromThrown(error) }, ...end };
  }
}
