import { LIMITED_ITEMS, LIMITED_SIZE } from "./testdata/crash_modes.ts";
import { toSize } from "./testdata/specimen.ts";

/** Programs that work on one bag at the same time, and are killed. */
export interface Team {
  /** What each does. */
  readonly modes: readonly string[];
  /** So many lines are waited for at most before the kill. */
  readonly lines: number;
  /** And then so many milliseconds at most: about as long as the work between two lines takes. */
  readonly delay: number;
  /** How large the array is that the nth result has for itself. */
  readonly toSize: (n: number) => number;
  /** What is done before the bag has to be sound: files were removed or damaged on purpose. */
  readonly mend?: "open" | "repair";
  /** How many of the last calls of a program are remembered; all, if not given. */
  readonly kept?: number;
  /** Whether each call goes into a bag of its own. */
  readonly many?: boolean;
  /** Whether what is looked at is a backup, which is no bag before the first is complete. */
  readonly isBackup?: boolean;
}

const USUAL = { lines: 30, delay: 30, toSize };

/** All teams: each kind of work is done, alone or beside others. */
export const TEAMS: readonly Team[] = [
  { ...USUAL, modes: ["record", "fold"], lines: 60 },
  { ...USUAL, modes: ["record", "compact"] },
  { ...USUAL, modes: ["put", "background"], lines: 60, delay: 150 },
  { ...USUAL, modes: ["gc", "evict"] },
  { ...USUAL, modes: ["switch", "compact"], lines: 20 },
  { ...USUAL, modes: ["rebuild"], lines: 10, mend: "open" },
  { ...USUAL, modes: ["repair"], lines: 12, delay: 50, toSize: () => 1000, mend: "repair" },
  { ...USUAL, modes: ["limited"], toSize: () => LIMITED_SIZE, kept: LIMITED_ITEMS - 2 },
  { ...USUAL, modes: ["create"], lines: 6, many: true },
  { ...USUAL, modes: ["backup"], lines: 4, delay: 150, isBackup: true },
];
