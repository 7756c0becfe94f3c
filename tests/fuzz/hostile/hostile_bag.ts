import type { Losses } from "../survive.ts";

/** A bag of which something is other than any writer makes it, with right checksums. */
export interface HostileBag extends Losses {
  readonly name: string;
  /** Makes the bag so. */
  readonly make: (path: string) => void | Promise<void>;
}

/** Makes bytes of text. */
export const ENCODER = new TextEncoder();
/** A digest that nothing has. */
export const HEX = "a".repeat(64);

/** Reads a file of a bag. */
export function read(path: string, file: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(`${path}/${file}`);
}

/** Writes a file of a bag, or appends to it. */
export function write(
  path: string,
  file: string,
  content: string | Uint8Array,
  append = false,
): void {
  const bytes = typeof content === "string" ? ENCODER.encode(content) : content;
  Deno.writeFileSync(`${path}/${file}`, bytes, { append });
}

/** Makes lists within each other. */
export function nest(depth: number): unknown {
  return JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);
}

const TEXTS = [
  "",
  "__proto__",
  "constructor",
  "../../x",
  "\ud800",
  "\0",
  "x".repeat(1e6),
  "\u202e~0/",
];
const NUMBERS = [-1, 1e308, 2 ** 53, 0.5, -0];
const OTHERS = [null, true, [], {}, [null], { length: 2 ** 32 }, nest(150)];
/** What may stand in the place of any field. */
export const ANYTHING: readonly unknown[] = [...TEXTS, ...NUMBERS, ...OTHERS];

/** What may stand in the place of a digest. */
export const DIGESTS: readonly unknown[] = [
  ...ANYTHING,
  HEX.slice(1),
  HEX.toUpperCase(),
  `${HEX}\n`,
  "/".repeat(64),
  HEX,
];

/** Sizes and places that no file has. */
export const SIZES = [0, 1, 2 ** 31, 2 ** 40, 2 ** 53, 2 ** 63, 2 ** 64 - 2048];

/** The one segment of the bag. */
export const SEGMENT = "000001";

/** Puts something else in the place of a file or a directory. */
export function replace(
  path: string,
  name: string,
  by: "directory" | "file" | "link" | "nothing",
): void {
  const target = `${path}/${name}`;
  try {
    Deno.removeSync(target, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (by === "directory") Deno.mkdirSync(target);
  else if (by === "file") Deno.writeTextFileSync(target, "");
  else if (by === "link") Deno.symlinkSync("/dev/zero", target);
}

/** Shows a value in the name of a bag. */
export function show(value: unknown): string {
  const text = typeof value === "string"
    ? JSON.stringify(value)
    : Deno.inspect(value, { depth: 3, breakLength: Infinity });
  return text.length > 80 ? `${text.slice(0, 60)}… (${text.length})` : text;
}
