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

/** Throws what is hard to write down. */
export const throwsAnything = task(import.meta, function throwsAnything(kind: number): never {
  const error = new RangeError("x".repeat(1_000_000));
  if (kind === 0) throw new AggregateError([error, 1], "both");
  if (kind === 1) {
    error.cause = error;
    throw error;
  }
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  throw kind === 2 ? proxy : { toString: revoke, [Symbol.for("Deno.customInspect")]: proxy };
});

export const throwsText = task(import.meta, function throwsText(n: number, data: Uint8Array) {
  if (data.length === 0) return n;
  throw `no error ${n}`;
});
