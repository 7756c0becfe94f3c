import { Argument, Command, CommanderError } from "commander";
import {
  type CommandCall,
  type CommandDescription,
  type CommandModule,
  type CommonOptions,
  type ExitCode,
  type Operand,
  UsageError,
} from "./command.ts";
import { type CommandEntry, COMMANDS } from "./commands.ts";
import { openTerminal, type Terminal } from "./terminal.ts";
import { toSafeLine, toSafeText } from "./safe_text.ts";

/** Options of {@linkcode runQuiver}. */
export interface RunQuiverOptions {
  /**
   * What it is read from and written to.
   *
   * @default {the terminal that the program runs in}
   */
  terminal?: Terminal;
}

const EXIT_CODES = "Exit codes: 0 done; 1 nothing found, unsound, or failed; 2 called wrongly.";

/**
 * Runs the `quiver` command as if its arguments stood on a command line.
 *
 * Requires what the command does: `--allow-read` of the bag and of Quiver's files, and `--allow-write` of
 * what is changed.
 *
 * @param args The arguments, such as `["ls", "results.bag"]`.
 * @param options Where it writes.
 * @returns The exit code: 0 done; 1 nothing found, unsound, or failed; 2 called wrongly.
 *
 * @example Print the help
 * ```ts
 * import { runQuiver } from "@quiver/quiver/cli";
 * import { assertEquals, assertStringIncludes } from "@std/assert";
 *
 * let printed = "";
 * const write = (data: string | Uint8Array) => void (printed += data);
 * const terminal = { width: 80, color: false, showsProgress: false, write, writeError: write };
 * assertEquals(await runQuiver(["--help"], { terminal }), 0);
 * assertStringIncludes(printed, "Usage: quiver");
 * ```
 */
export async function runQuiver(
  args: readonly string[],
  options: RunQuiverOptions = {},
): Promise<number> {
  const { terminal = openTerminal() } = options;
  try {
    return await run(args, terminal);
  } catch (error) {
    // Whoever reads has seen enough.
    if (error instanceof Deno.errors.BrokenPipe) return 0;
    return tellError(error, terminal);
  }
}

/** Runs the command as this process, which it ends. */
export async function runHere(): Promise<void> {
  Deno.exit(await runQuiver(Deno.args));
}

function tellError(error: unknown, terminal: Terminal): ExitCode {
  if (error instanceof CommanderError) {
    // Its message was written, or the help that was asked for.
    return error.exitCode === 0 ? 0 : 2;
  }
  const message = error instanceof Error ? error.message : String(error);
  const lines = message.split("\n").map(toSafeLine).join("\n");
  terminal.writeError(`quiver: ${lines}\n`);
  return error instanceof UsageError ? 2 : 1;
}

async function run(args: readonly string[], terminal: Terminal): Promise<ExitCode> {
  const name = findName(args);
  const entry = COMMANDS.find((entry) => entry.name === name);
  const module = await entry?.load();
  let code: ExitCode = 0;
  const program = createProgram(terminal, async (call) => {
    code = await module?.run(call) ?? 0;
  }, entry && module && { entry, module });
  // Who gives no command is told which there are.
  if (args.length === 0) program.outputHelp();
  else await program.parseAsync(args, { from: "user" });
  return code;
}

/** The command among the arguments: that of `help ls` is `ls`. */
function findName(args: readonly string[]): string | undefined {
  const [first, second] = args.filter((arg) => !arg.startsWith("-"));
  return first === "help" ? second : first;
}

/** The command that is called. */
interface Called {
  readonly entry: CommandEntry;
  readonly module: CommandModule;
}

function createProgram(
  terminal: Terminal,
  run: (call: CommandCall) => Promise<void>,
  called: Called | undefined,
): Command {
  const program = new Command("quiver");
  program.description("Looks into bags and other caches of Quiver.")
    .usage("<command> [options]")
    .exitOverride()
    .showHelpAfterError(`(quiver --help lists the commands)`)
    .addHelpText("after", `\n${EXIT_CODES}\nquiver help <command> tells more, with examples.`)
    .configureOutput({
      writeOut: (text) => terminal.write(text),
      writeErr: (text) => terminal.writeError(`${toSafeText(text)}`),
      outputError: (text, write) => write(text.replace(/^error: /, "quiver: ")),
      getOutHelpWidth: () => terminal.width ?? 80,
      getErrHelpWidth: () => terminal.width ?? 80,
      getOutHasColors: () => terminal.color,
      getErrHasColors: () => false,
    });
  for (const entry of COMMANDS) {
    const command = program.command(entry.name).summary(entry.summary)
      .description(`${entry.summary}.`);
    if (called?.entry === entry) define(command, called.module, terminal, run);
  }
  return program;
}

/** Loads all commands, and tells which options they have. */
function describeCommands(): Promise<CommandDescription[]> {
  return Promise.all(COMMANDS.map(async ({ name, summary, load }) => {
    const command = new Command(name);
    addOptions(command, await load());
    const options = command.options.flatMap(({ long, description }) =>
      typeof long === "string" ? [{ long, about: description }] : []
    );
    return { name, summary, options };
  }));
}

const BAG: Operand = {
  name: "bag",
  about: "The bag: a folder; else the default of the configuration, or the only *.bag here",
};

/** Gives a command what it has. */
function define(
  command: Command,
  module: CommandModule,
  terminal: Terminal,
  run: (call: CommandCall) => Promise<void>,
): void {
  const { takesCache, examples } = module;
  const operands = [...takesCache ? [BAG] : [], ...module.operands ?? []];
  const described = operands.map(({ about, ...operand }) => new Argument(toUsage(operand), about));
  command.argument("[operands...]")
    .usage([...operands.map(toUsage), "[options]"].join(" "))
    .configureHelp({ visibleArguments: () => described })
    .showHelpAfterError(`(quiver help ${command.name()} tells more)`);
  addOptions(command, module);
  const lines = examples.map(([line, about]) => `  quiver ${line}\n      ${about}`);
  command.addHelpText("after", `\nExamples:\n${lines.join("\n")}\n\n${EXIT_CODES}`);
  command.action(async (given: readonly string[]) => {
    const bag = takesCache ? given.findIndex(isBag) : -1;
    const rest = given.filter((_, i) => i !== bag);
    checkOperands(command, module.operands ?? [], rest);
    const options = command.opts<CommonOptions>();
    await run({
      terminal,
      operands: rest,
      describeCommands,
      options,
      ...(bag >= 0 && { bag: given[bag] ?? "" }),
    });
  });
}

function addOptions(command: Command, { takesCache, configure }: CommandModule): void {
  if (takesCache) {
    command.option("-b, --bag <path>", "the bag, where its path does not look like one")
      .option("--cache <name>", "a cache that the configuration names");
  }
  command.option("-q, --quiet", "write only what was asked for");
  configure?.(command);
}

function toUsage({ name, required, many }: Omit<Operand, "about">): string {
  const text = many ? `${name}...` : name;
  return required ? `<${text}>` : `[${text}]`;
}

function checkOperands(
  command: Command,
  operands: readonly Operand[],
  given: readonly string[],
): void {
  const missing = operands[given.length];
  if (missing?.required) command.error(`error: missing operand <${missing.name}>`);
  const excess = given[operands.length];
  if (excess !== undefined && operands.at(-1)?.many !== true) {
    command.error(`error: unexpected operand ${JSON.stringify(excess)}`);
  }
}

/** Whether an operand is the path of a bag, which no digest and no task looks like. */
function isBag(operand: string): boolean {
  if (/\.bag[/\\]?$/.test(operand)) return true;
  try {
    return Deno.statSync(`${operand}/bag.json`).isFile;
  } catch {
    // Whatever is wrong with it, it can be named by --bag.
    return false;
  }
}
