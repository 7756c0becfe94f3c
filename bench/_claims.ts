/**
 * Says of each claim whether it holds, in a line: what was measured, the goal, and what else was
 * measured in the same run.
 *
 * @module
 */
import { format, type Measured } from "./_compare.ts";

/** A claim and whether it holds. */
export interface Claim {
  /** What is claimed. */
  readonly text: string;
  /** What was measured. */
  readonly measured: string;
  /** What it should be. */
  readonly goal: string;
  /** Whether it is so. */
  readonly holds: boolean;
  /** What others took, in the same run. */
  readonly beside: string;
}

/** What a claim is about. */
export interface ClaimSubject {
  /** What is claimed. */
  readonly text: string;
  /** Which of those that were measured it is about. */
  readonly name: string;
  /** All that were measured; the baseline first. */
  readonly measured: readonly Measured[];
  /** Whether others are shown as times or as rates. */
  readonly show?: "time" | "rate";
}

/** Claims that something takes no more than so many milliseconds. */
export function claimTime(subject: ClaimSubject, limit: number): Claim {
  const { time } = find(subject);
  return toClaim(subject, format(time, "time"), `≤ ${format(limit, "time")}`, time <= limit);
}

/** Claims that something takes no more than so many times what the baseline takes. */
export function claimRatio(subject: ClaimSubject, limit: number): Claim {
  const { ratio } = find(subject);
  return toClaim(subject, `× ${ratio.toFixed(2)}`, `≤ × ${limit}`, ratio <= limit);
}

/** Claims that something is done at least so often in a second. */
export function claimRate(subject: ClaimSubject, least: number): Claim {
  const { time } = find(subject);
  const goal = `≥ ${least.toLocaleString("en")}/s`;
  return toClaim({ ...subject, show: "rate" }, format(time, "rate"), goal, 1000 / time >= least);
}

/** Prints claims, each in a line. */
export function printClaims(claims: readonly Claim[]): void {
  const widths = [
    Math.max(...claims.map(({ text }) => text.length)),
    Math.max(...claims.map(({ measured }) => measured.length)),
    Math.max(...claims.map(({ goal }) => goal.length)),
  ];
  console.log("\nClaims");
  for (const { text, measured, goal, holds, beside } of claims) {
    const cells = [text, measured, goal].map((cell, column) => cell.padEnd(widths[column] ?? 0));
    console.log(`  ${holds ? "reached    " : "NOT REACHED"}  ${cells.join("  ")}  (${beside})`);
  }
}

function find({ name, measured }: ClaimSubject): Measured {
  const found = measured.find((each) => each.name === name);
  if (found === undefined) throw new TypeError(`Cannot claim: "${name}" was not measured`);
  return found;
}

function toClaim(
  { text, name, measured, show = "time" }: ClaimSubject,
  value: string,
  goal: string,
  holds: boolean,
): Claim {
  const others = measured.filter((each) => each.name !== name);
  const beside = others.map((each) => `${each.name} ${format(each.time, show)}`).join(", ");
  return { text, measured: value, goal, holds, beside };
}
