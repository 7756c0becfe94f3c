import type { Cell } from "./server.tsx";

/** Writes a cell. */
export function showCell(cell: Cell, kind: string): string {
  if (cell === null) return "";
  if (typeof cell === "object") return cell.text;
  if (typeof cell !== "number") return String(cell);
  if (kind === "time") return showTime(cell);
  if (kind === "duration") return showDuration(cell);
  return showNumber(cell);
}

/** Writes a number with as many digits as are read at a glance. */
export function showNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  const size = Math.abs(value);
  if (size >= 1e6 && size < 1e15) return String(Math.round(value));
  return size >= 1e-4 && size < 1e6 ? String(Number(value.toPrecision(6))) : value.toExponential(4);
}

/** Writes a moment, as this machine's clock has it. */
export function showTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return "";
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Writes how long something took. */
export function showDuration(milliseconds: number): string {
  if (milliseconds < 1) return `${(milliseconds * 1000).toFixed(0)} µs`;
  if (milliseconds < 1000) return `${milliseconds.toPrecision(3)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toPrecision(3)} s`;
  if (milliseconds < 3_600_000) return `${(milliseconds / 60_000).toFixed(1)} min`;
  return `${(milliseconds / 3_600_000).toFixed(1)} h`;
}

/** Writes how much something takes. */
export function showBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}

/** Writes how many of something there are, and of what. */
export function showCount(count: number, noun = ""): string {
  const number = count.toLocaleString("en");
  return noun === "" ? number : `${number} ${noun}${count === 1 ? "" : "s"}`;
}

/** Writes a moment among others that are so many milliseconds apart. */
export function showTick(milliseconds: number, apart: number): string {
  const [day = "", time = ""] = showTime(milliseconds).split(" ");
  if (apart >= 24 * 3_600_000) return day;
  return apart < 1000
    ? `${time}.${String(Math.floor(milliseconds) % 1000).padStart(3, "0")}`
    : time;
}

/** The first digits of a key or digest. */
export function shorten(digest: string): string {
  return digest.slice(0, 8);
}
