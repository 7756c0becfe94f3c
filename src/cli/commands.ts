import type { CommandModule } from "./command.ts";

/** A command that is not loaded yet. */
export interface CommandEntry {
  /** Its name. */
  readonly name: string;
  /** What it does, in a line of the program's help. */
  readonly summary: string;
  /** Loads it. */
  load(): Promise<CommandModule>;
}

/** Only the module of the command that is called is read; its type has `deno cache` find them all. */
function late<T extends { readonly command: CommandModule }>(
  name: string,
  summary: string,
): CommandEntry {
  const { href } = new URL(`./commands/${name}.ts`, import.meta.url);
  const load = async () => {
    const { command }: T = await import(href);
    return command;
  };
  return { name, summary, load };
}

/** All commands, in the order of the program's help: `src/cli/commands/<name>.ts` each. */
export const COMMANDS: readonly CommandEntry[] = [
  late<typeof import("./commands/ls.ts")>("ls", "List calls, with filters, order and columns"),
  late<typeof import("./commands/show.ts")>(
    "show",
    "Show a call or a value: arguments, result, what uses it",
  ),
  late<typeof import("./commands/cat.ts")>("cat", "Print a value, or a part of it"),
  late<typeof import("./commands/explain.ts")>("explain", "Tell why a call is known or not"),
  late<typeof import("./commands/accept.ts")>(
    "accept",
    "Have results of older code hold for the present code",
  ),
  late<typeof import("./commands/diff.ts")>("diff", "Compare two calls"),
  late<typeof import("./commands/stats.ts")>("stats", "Count calls and their time by task"),
  late<typeof import("./commands/du.ts")>("du", "Tell what the values of each task take"),
  late<typeof import("./commands/tail.ts")>("tail", "Show calls as they are recorded"),
  late<typeof import("./commands/failures.ts")>("failures", "List calls that have failed"),
  late<typeof import("./commands/rerun.ts")>("rerun", "Run a call once more"),
  late<typeof import("./commands/rm.ts")>("rm", "Forget calls"),
  late<typeof import("./commands/gc.ts")>("gc", "Drop values that no call names"),
  late<typeof import("./commands/compact.ts")>("compact", "Leave a bag as small as it can be"),
  late<typeof import("./commands/verify.ts")>("verify", "Check a bag, and repair it"),
  late<typeof import("./commands/export.ts")>(
    "export",
    "Write calls as HDF5, Parquet, CSV or JSON",
  ),
  late<typeof import("./commands/import.ts")>(
    "import",
    "Take calls or arrays of an HDF5 file into a bag",
  ),
  late<typeof import("./commands/browse.ts")>(
    "browse",
    "Show a bag in a browser, on this machine",
  ),
  late<typeof import("./commands/completions.ts")>(
    "completions",
    "Print completions for bash, zsh or fish",
  ),
];
