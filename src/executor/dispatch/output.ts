import { type QuiverWarning, SafeCallbacks } from "../../base/warning.ts";
import type { OutputOption, OutputTaker, WorkerOutputLine } from "../call_options.ts";

/**
 * Finds who takes what tasks print.
 *
 * @param warn Told once when it cannot be handed over; must not throw.
 * @returns Takes it, or `undefined` where it is printed as ever.
 */
export function toOutputTaker(
  output: OutputOption,
  warn: (warning: QuiverWarning) => void,
): OutputTaker | undefined {
  if (output === "inherit") return undefined;
  const take = output === "label" ? printLabelled : output;
  const callbacks = new SafeCallbacks("who takes what tasks print", warn);
  return (line) => callbacks.tell("output", () => take(line));
}

/** Says in front of each line which worker and which task have printed it. */
function printLabelled({ text, stream, worker, task }: WorkerOutputLine): void {
  const lines = text.split("\n").map((line) => `[${worker} ${task}] ${line}\n`).join("");
  const bytes = new TextEncoder().encode(lines);
  const file = Deno[stream];
  for (let written = 0; written < bytes.length;) written += file.writeSync(bytes.subarray(written));
}
