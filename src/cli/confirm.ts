import { type CommandCall, type ExitCode, UsageError } from "./command.ts";
import { note } from "./open_cache.ts";
import { toSafeLine } from "./safe_text.ts";

/** Options of what deletes. */
export interface ConfirmOptions {
  /** Whether nobody is asked. */
  readonly yes?: boolean;
}

/** The option by which nobody is asked. */
export const YES_OPTION = ["-y, --yes", "do it without asking"] as const;

/**
 * Says what would be deleted, and asks whether it may be.
 *
 * @param call The call of the command.
 * @param what What is deleted, as in `Delete 3 calls`.
 * @returns `undefined` when it may be; else what the program ends with.
 * @throws {UsageError} When nobody can be asked.
 */
export function confirm(call: CommandCall<ConfirmOptions>, what: string): ExitCode | undefined {
  const { terminal, options: { yes = false } } = call;
  if (yes) {
    note(call, what);
    return undefined;
  }
  if (terminal.ask === undefined) {
    throw new UsageError(`${what}? Nobody can be asked here: say --yes, and nothing was done`);
  }
  const answer = terminal.ask(`${toSafeLine(what)}? [y/N] `)?.toLowerCase();
  if (answer === "y" || answer === "yes") return undefined;
  note(call, "Nothing was done");
  return 1;
}
