/** What went wrong without costing anybody a result. */
export interface QuiverWarning {
  /** What could not be done, and what happened instead. */
  readonly message: string;
  /** The error behind it. */
  readonly cause?: unknown;
}

/** Writes a warning to standard error, where nobody else wants to be told. */
export function writeWarning({ message, cause }: QuiverWarning): void {
  const reason = cause instanceof Error ? `: ${cause.message}` : "";
  writeLine(`Warning: ${message}${reason}`);
}

/** Writes a line to standard error, if somebody reads that. */
export function writeLine(text: string): void {
  try {
    Deno.stderr.writeSync(new TextEncoder().encode(`${text}\n`));
  } catch {
    // Nobody reads it any more, and what is told of has cost nobody anything.
  }
}

/** Tells whoever sits at the terminal, if somebody does, why nothing happens. */
export function writeNote(message: string): void {
  if (!Deno.stderr.isTerminal()) return;
  writeLine(`Note: ${message}`);
}

/**
 * Told once of each thing that went wrong without costing the user the result. Where faults are thrown,
 * what is none is told all the same.
 */
export type Warn = (message: string, cause?: unknown, isFault?: boolean) => void;

/**
 * Calls a function of the user's that is only told something. What it throws, or what its promise
 * rejects with where it is an async one, is nobody's result: it must neither end the program nor leave
 * the work undone that comes after the call.
 *
 * @param call Calls it.
 * @param failed Told what it has thrown.
 */
export function callSafely(call: () => unknown, failed: (cause: unknown) => void): void {
  try {
    const result = call();
    // An async function is accepted where nothing is returned.
    if (typeof result === "object" && result !== null && "then" in result) {
      Promise.resolve(result).then(undefined, failed);
    }
  } catch (cause) {
    failed(cause);
  }
}

/**
 * Makes of a user's `onWarning` one that never throws: what it was not told is written to standard error.
 *
 * @param onWarning The user's; without one, all warnings are written.
 * @returns Told of warnings.
 */
export function toSafeWarning(
  onWarning: ((warning: QuiverWarning) => void) | undefined,
): (warning: QuiverWarning) => void {
  if (onWarning === undefined) return writeWarning;
  let warned = false;
  return (warning) =>
    callSafely(() => onWarning(warning), (cause) => {
      writeWarning(warning);
      if (!warned) {
        writeWarning({ message: "`onWarning` threw when it was told of a warning", cause });
      }
      warned = true;
    });
}

/** Functions of a user's that are told something together; that one throws is warned of once. */
export class SafeCallbacks {
  readonly #whom: string;
  readonly #warn: (warning: QuiverWarning) => void;
  #warned = false;

  /**
   * Takes charge of functions.
   *
   * @param whom Whose they are, as in "the executor's observer".
   * @param warn Told of the first that throws; must not throw.
   */
  constructor(whom: string, warn: (warning: QuiverWarning) => void) {
    this.#whom = whom;
    this.#warn = warn;
  }

  /**
   * Calls one.
   *
   * @param name Its name.
   * @param call Calls it.
   */
  tell(name: string, call: () => unknown): void {
    callSafely(call, (cause) => {
      if (this.#warned) return;
      this.#warned = true;
      const message = `Cannot tell ${this.#whom}: its \`${name}\` threw; calls go on`;
      this.#warn({ message, cause });
    });
  }
}

/** Warns as `warn` does, which throws where faults of a cache are thrown; what it throws is written. */
export function toWarning(warn: Warn): (warning: QuiverWarning) => void {
  return (warning) =>
    callSafely(() => warn(warning.message, warning.cause), () => writeWarning(warning));
}
