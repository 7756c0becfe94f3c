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
  late<typeof import("./commands/ls.ts")>("ls", "List calls"),
];
