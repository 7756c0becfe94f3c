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
  Deno.stderr.writeSync(new TextEncoder().encode(`Warning: ${message}${reason}\n`));
}

/** Told once of each thing that went wrong without costing the user the result. */
export type Warn = (message: string, cause?: unknown) => void;
