import { toSafeJson } from "./safe_text.ts";

/**
 * What the command is read from and written to: the terminal that it runs in, or what a test puts in its
 * place.
 */
export interface Terminal {
  /** How many columns standard output shows; `undefined` where it is no terminal: nothing is cut then. */
  readonly width: number | undefined;
  /** Whether standard output shows colours. */
  readonly color: boolean;
  /** Whether standard error is a terminal: only there progress is shown. */
  readonly showsProgress: boolean;
  /**
   * Writes to standard output.
   *
   * @throws {Deno.errors.BrokenPipe} When nobody reads it any more.
   */
  write(data: string | Uint8Array): void;
  /** Writes to standard error. */
  writeError(text: string): void;
  /**
   * Asks whoever sits at the terminal.
   *
   * @param question The question, which must be safe to print.
   * @returns The answer without the line's end; `undefined` where nobody can be asked.
   */
  ask?(question: string): string | undefined;
  /** Ends what goes on until it is ended, as Ctrl-C does. */
  onInterrupt?(end: () => void): Disposable;
}

/**
 * Writes a line of JSON, in which nothing does anything to a terminal.
 *
 * @param json The JSON, in one line.
 */
export function writeJson(terminal: Terminal, json: string): void {
  terminal.write(`${toSafeJson(json)}\n`);
}

const ENCODER = new TextEncoder();

/** Opens the terminal that the program runs in. */
export function openTerminal(): Terminal {
  const isTerminal = Deno.stdout.isTerminal();
  const canAsk = Deno.stdin.isTerminal() && Deno.stderr.isTerminal();
  return {
    get width() {
      return isTerminal ? readWidth() : undefined;
    },
    color: isTerminal && !Deno.noColor,
    showsProgress: Deno.stderr.isTerminal(),
    write(data) {
      writeAll(Deno.stdout, typeof data === "string" ? ENCODER.encode(data) : data);
    },
    writeError(text) {
      try {
        writeAll(Deno.stderr, ENCODER.encode(text));
      } catch (error) {
        // Who does not read what went wrong is told by the exit code.
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
    },
    ...(canAsk && { ask: askHere }),
    onInterrupt(end) {
      Deno.addSignalListener("SIGINT", end);
      return { [Symbol.dispose]: () => Deno.removeSignalListener("SIGINT", end) };
    },
  };
}

/** The question goes to standard error, as standard output may be a file. */
function askHere(question: string): string | undefined {
  writeAll(Deno.stderr, ENCODER.encode(question));
  const bytes: number[] = [];
  const one = new Uint8Array(1);
  while (Deno.stdin.readSync(one) === 1 && one[0] !== 10) bytes.push(one[0] ?? 0);
  return new TextDecoder().decode(new Uint8Array(bytes)).trim();
}

function readWidth(): number | undefined {
  try {
    const { columns } = Deno.consoleSize();
    return columns > 0 ? columns : undefined;
  } catch {
    // Some terminals do not tell.
    return undefined;
  }
}

function writeAll(file: typeof Deno.stdout, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}
