/** How long a program may take before it counts as one that hangs, in milliseconds. */
const PATIENCE = 15_000;

/** Options of {@linkcode runProgram}. */
export interface ProgramOptions {
  /** What the program is told. */
  args?: readonly string[];
  /** The permissions; by default what most programs need. */
  flags?: readonly string[];
  /** The user it runs as. */
  uid?: number;
  /** A command that runs the program, and its own arguments. */
  within?: readonly string[];
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
  const { args = [], flags = ["--allow-read", "--allow-write"], uid, within = [] } = options;
  const program = new URL(`./testdata/${name}`, import.meta.url).href;
  const [command = "", ...rest] = [...within, Deno.execPath(), "run", "--no-prompt", ...flags];
  return new Deno.Command(command, {
    args: [...rest, program, ...args],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...(uid !== undefined && { uid, gid: uid }),
    ...(signal !== undefined && { signal }),
  });
}

/** Tells whether a command can be run and succeeds. */
export function succeeds(command: string, args: readonly string[], uid?: number): boolean {
  try {
    const options = { args: [...args], ...(uid !== undefined && { uid, gid: uid }) };
    return new Deno.Command(command, options).outputSync().success;
  } catch {
    // It is not there, or may not be run: for the test that asks, that is the same.
    return false;
  }
}
