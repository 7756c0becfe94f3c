import { NO_WARNINGS } from "./_call_frames.ts";
import type { CallControl, CallRequest, Outcome, RunCall, ThrownValue } from "./worker.ts";

type Thrown = typeof import("../value/codec/thrown_value.ts");
type Unclonable = typeof import("./_unclonable.ts");

// The one thing kept here are the modules themselves, which are the same for everybody: what is
// imported while the same import is on its way goes all of that way again.
const IMPORTS = new Map<string, Promise<unknown>>();

/**
 * Runs a call so that it always ends as data, even when what runs it throws, which then counts as no
 * time of the call's.
 *
 * @param runCall Does the work.
 * @param request The call.
 * @param control What the call's code knows of who waits for it.
 * @returns How the call ended: at once where its code did not wait for anything.
 */
export function runToOutcome(
  runCall: RunCall,
  request: CallRequest,
  control: CallControl,
): Outcome | Promise<Outcome> {
  try {
    const outcome = runCall(request, control);
    return outcome instanceof Promise ? outcome.catch(toFailed) : outcome;
  } catch (error) {
    return toFailed(error);
  }
}

async function toFailed(error: unknown): Promise<Outcome> {
  return { type: "error", error: await toThrownValue(error), duration: 0, warnings: NO_WARNINGS };
}

/**
 * Makes the outcome of a call whose result structured clone refused.
 *
 * @param outcome The outcome with the result.
 * @param cause What structured clone threw.
 * @returns The outcome that goes back instead.
 */
export async function toRefusedOutcome(outcome: Outcome, cause: unknown): Promise<Outcome> {
  const { toResultError } = await importOnce<Unclonable>("./_unclonable.ts");
  const value = outcome.type === "value" ? outcome.value : outcome.error;
  let error: unknown;
  try {
    error = toResultError(value, cause);
  } catch (thrown) {
    // The result has a getter that throws: structured clone met it first, and so it is the reason.
    error = thrown;
  }
  const { duration, warnings } = outcome;
  return { type: "error", error: await toThrownValue(error), duration, warnings };
}

/**
 * Makes what was thrown data.
 *
 * @param error What was thrown.
 * @returns The data.
 */
export async function toThrownValue(error: unknown): Promise<ThrownValue> {
  const { fromThrown } = await importThrown();
  return { thrown: fromThrown(error) };
}

/**
 * Imports what makes data of what was thrown, and the other way round.
 *
 * @returns The module.
 */
export function importThrown(): Promise<Thrown> {
  return importOnce<Thrown>("../value/codec/thrown_value.ts");
}

/**
 * It would nearly double what a worker loads to start, and even as a literal Deno would read it and
 * all below it then. `importLater()` would load `node:async_hooks` first.
 */
function importOnce<T>(file: string): Promise<T> {
  const known = IMPORTS.get(file);
  // Whoever names the module names its type.
  if (known !== undefined) return known as Promise<T>;
  const imported: Promise<T> = import(new URL(file, import.meta.url).href);
  IMPORTS.set(file, imported);
  // The next one who needs it tries again.
  imported.catch(() => IMPORTS.delete(file));
  return imported;
}
