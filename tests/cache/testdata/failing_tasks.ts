// Tasks that fail until a file is there, wherever they run.
import { task } from "@quiver/quiver";

function isMissing(file: string): boolean {
  try {
    Deno.statSync(file);
    return false;
  } catch {
    return true;
  }
}

export const needs = task(
  import.meta,
  function needs(file: string, options: { b: number; a: number }): number {
    console.log(`looks for ${options.a}`);
    if (!isMissing(file)) return options.a;
    throw new RangeError("it is missing", { cause: new TypeError("nobody has made it") });
  },
);

export const callsIt = task(
  import.meta,
  async function callsIt(file: string): Promise<number> {
    return 1 + await needs(file, { b: 1, a: 2 });
  },
);

export const dies = task(import.meta, function dies(n: number): number {
  console.error("about to die");
  Deno.exit(n);
});

export const throwsText = task(import.meta, function throwsText(n: number, data: Uint8Array) {
  if (data.length === 0) return n;
  throw `no error ${n}`;
});
