import type { Command } from "commander";

import type { Terminal } from "./terminal.ts";

export type { Command };

/** What the program ends with: 0 done, 1 nothing found, unsound or failed, 2 called wrongly. */
export type ExitCode = 0 | 1 | 2;

/** Something that stands behind a command and is no option. */
export interface Operand {
  /** What it is called in the help. */
  readonly name: string;
  /** What it is, in the help. */
  readonly about: string;
  /** Whether it must be there. */
  readonly required?: true;
  /** Whether there may be several. */
  readonly many?: true;
}

/** Called in a way that it cannot be; the program ends with 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A command as others see it. */
export interface CommandDescription {
  /** Its name. */
  readonly name: string;
  /** What it does, in a line. */
  readonly summary: string;
  /** Its options, each with what it does. */
  readonly options: readonly { readonly long: string; readonly about: string }[];
}

/** One call of a command. */
export interface CommandCall<O extends object = object> {
  /** What it is read from and written to. */
  readonly terminal: Terminal;
  /** What stands behind it and is neither an option nor the bag. */
  readonly operands: readonly string[];
  /** Its options, those of every command included. */
  readonly options: O & CommonOptions;
  /** The bag among its operands, if one is there. */
  readonly bag?: string;
  /** Describes all commands, which are loaded for that. */
  describeCommands(): Promise<CommandDescription[]>;
}

/** The options that every command has. */
export interface CommonOptions {
  /** The path of the bag. */
  readonly bag?: string;
  /** The name of a cache in the configuration. */
  readonly cache?: string;
  /** Whether only what was asked for is written. */
  readonly quiet?: boolean;
}

/**
 * A command of the program: `commands.ts` lists them, and the module of one is loaded when that is
 * called. It has one export, `command`.
 *
 * @typeParam O Its own options.
 */
export interface CommandModule<O extends object = object> {
  /** What stands behind it, beside the bag. */
  readonly operands?: readonly Operand[];
  /** Whether it looks into a bag or cache: then a bag may be among its operands. */
  readonly takesCache: boolean;
  /** Calls of it, and what each does, for the help. */
  readonly examples: readonly (readonly [line: string, about: string])[];
  /**
   * Says which options it has; its name, summary, operands and examples are there already.
   *
   * @param command The command as commander has it.
   */
  configure?(command: Command): void;
  /**
   * Does it. What it throws is told, and the program ends with 1, or with 2 after a `UsageError`.
   *
   * @returns What the program ends with; 0 if nothing.
   */
  run(call: CommandCall<O>): Promise<ExitCode | void>;
}
