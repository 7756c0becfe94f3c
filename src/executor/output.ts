import type { Warn } from "../base/warning.ts";

/** Where `console` prints. */
export type OutputStream = "stdout" | "stderr";

/** What a task has printed by one call of a method of `console`. */
export interface WorkerOutputLine {
  /** The text, without the last end of line; it may have several lines. */
  readonly text: string;
  /** Where it would have gone. */
  readonly stream: OutputStream;
  /** The worker's name. */
  readonly worker: string;
  /** The name of the task that was submitted. */
  readonly task: string;
}

/** Takes what tasks print. */
export type OutputTaker = (line: WorkerOutputLine) => void;

/** What becomes of what tasks print by `console`. */
export type OutputOption = "inherit" | "label" | OutputTaker;

/**
 * Finds who takes what tasks print.
 *
 * @param output The option.
 * @param warn Told of what a function throws: it must end neither the program nor a call.
 * @returns Takes it, or `undefined` where it is printed as ever.
 * @throws {TypeError} When it is no such option.
 */
export function toOutputTaker(output: OutputOption, warn: Warn): OutputTaker | undefined {
  if (output === "inherit") return undefined;
  if (output === "label") return printLabelled;
  if (typeof output === "function") {
    return (line) => {
      try {
        output(line);
      } catch (error) {
        warn(`Cannot hand over what "${line.task}" has printed`, error);
      }
    };
  }
  throw new TypeError(
    "Cannot create an executor: `output` is one of inherit, label, or a function, " +
      `not ${JSON.stringify(output)}`,
  );
}

/** Says in front of each line which worker and which task have printed it. */
function printLabelled({ text, stream, worker, task }: WorkerOutputLine): void {
  const lines = text.split("\n").map((line) => `[${worker} ${task}] ${line}\n`).join("");
  const bytes = new TextEncoder().encode(lines);
  const file = Deno[stream];
  for (let written = 0; written < bytes.length;) written += file.writeSync(bytes.subarray(written));
}
