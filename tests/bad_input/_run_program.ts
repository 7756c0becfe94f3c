import type { Tool } from "../tools.ts";

/** How long a program may take before it counts as one that hangs, in milliseconds. */
const PATIENCE = 60_000;

/** Options of {@linkcode runProgram}. */
export interface ProgramOptions {
  /** What the program is told. */
  args?: readonly string[];
  /** The permissions; by default what most programs need. */
  flags?: readonly string[];
  /** The user it runs as. */
  uid?: number;
  /** In which group; one of the same number, if not given. */
  gid?: number;
  /** A tool that runs the program, and what it is told before that. */
  within?: { readonly tool: Tool; readonly args: readonly string[] };
}

/** How a program ended. */
export interface ProgramEnd {
  /** Its exit code; 143 when it hung. */
  readonly code: number;
  /** What it printed. */
  readonly stdout: string;
  /** What was printed on standard error. */
  readonly stderr: string;
}

/** Runs a program of `testdata` to its end. */
export async function runProgram(name: string, options: ProgramOptions = {}): Promise<ProgramEnd> {
  const watch = new AbortController();
  const timer = setTimeout(() => watch.abort(), PATIENCE);
  try {
    const { code, stdout, stderr } = await toCommand(name, options, watch.signal).output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  } finally {
    clearTimeout(timer);
  }
}

/** Makes the command that runs a program of `testdata`. */
export function toCommand(
  name: string,
  options: ProgramOptions,
  signal?: AbortSignal,
): Deno.Command {
  const { args = [], flags = ["--allow-read", "--allow-write"], uid, gid = uid, within } = options;
  const program = new URL(`./testdata/${name}`, import.meta.url).href;
  const command = ["run", "--no-prompt", ...flags, program, ...args];
  const commandOptions: Deno.CommandOptions = {
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    ...(signal !== undefined && { signal }),
  };
  if (within === undefined) {
    return new Deno.Command(Deno.execPath(), { ...commandOptions, args: command });
  }
  return within.tool.command([...within.args, Deno.execPath(), ...command], commandOptions);
}
