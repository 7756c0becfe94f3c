/**
 * How values, times and sizes look in a terminal: each in one line, and safe to show.
 *
 * @module
 */
import { toSafeLine } from "./safe_text.ts";

const INSPECT: Deno.InspectOptions = {
  colors: false,
  compact: true,
  breakLength: Infinity,
  depth: 3,
  iterableLimit: 6,
  strAbbreviateSize: 100,
  trailingComma: false,
};

/** So much of a digest is shown; of a million there are two that begin so once in 500 caches. */
const SHORT = 12;

/** A text is not looked at behind so many characters where one line of it is shown. */
const LONGEST = 1000;

/** A digest, as much of it as people need. */
export function toShort(digest: string): string {
  return digest.slice(0, SHORT);
}

/** A value in one line; a text as it is, without quotes. */
export function toCell(value: unknown): string {
  if (typeof value === "string") return toSafeLine(value.slice(0, LONGEST));
  return value === undefined ? "" : toPreview(value);
}

/** A value in one line, a text in quotes. */
export function toPreview(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean" || value === null) {
    return Object.is(value, -0) ? "-0" : String(value);
  }
  return toSafeLine(inspect(value, INSPECT).replaceAll(/\s*\n\s*/g, " "));
}

/** A value in as many lines as it takes. */
export function toText(value: unknown): string {
  return inspect(value, {
    ...INSPECT,
    breakLength: 80,
    depth: 8,
    iterableLimit: 100,
  });
}

/** What a value has brought along must not run, nor end the program. */
function inspect(value: unknown, options: Deno.InspectOptions): string {
  try {
    return Deno.inspect(value, options);
  } catch {
    return `[${typeof value}]`;
  }
}

/** A moment, in local time. */
export function toTime(milliseconds: number): string {
  const time = new Date(milliseconds);
  if (Number.isNaN(time.getTime())) return "?";
  const two = (number: number) => String(number).padStart(2, "0");
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join("-");
  return `${date} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":")}`;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long something took. */
export function toDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return "?";
  if (milliseconds < 1) return `${Math.round(milliseconds * 1000)} µs`;
  if (milliseconds < SECOND) return `${toDigits(milliseconds)} ms`;
  if (milliseconds < MINUTE) return `${toDigits(milliseconds / SECOND)} s`;
  if (milliseconds < HOUR) return `${toDigits(milliseconds / MINUTE)} min`;
  if (milliseconds < DAY) return `${toDigits(milliseconds / HOUR)} h`;
  return `${toDigits(milliseconds / DAY)} d`;
}

/** How many bytes, in binary units. */
export function toSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = bytes;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit === 0 ? size : toDigits(size)} ${units[unit]}`;
}

/** Three digits that count. */
function toDigits(number: number): string {
  const digits = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  return number.toFixed(digits);
}

/** How many of something. */
export function toCount(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

const UNITS: { readonly [unit: string]: number } = {
  ms: 1,
  s: SECOND,
  min: MINUTE,
  h: HOUR,
  d: DAY,
  w: 7 * DAY,
};

/**
 * Reads a length of time such as `90s`, `2h` or `1.5d`.
 *
 * @returns Milliseconds; `undefined` when it is none.
 */
export function parseDuration(text: string): number | undefined {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)\s*(ms|s|min|h|d|w)$/.exec(text) ?? [];
  const factor = UNITS[unit];
  return factor === undefined ? undefined : Number(number) * factor;
}
