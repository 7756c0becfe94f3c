/** Told once of each thing that went wrong without costing the user the result. */
export type Warn = (message: string, cause?: unknown) => void;
