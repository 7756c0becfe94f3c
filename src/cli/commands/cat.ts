import { type CommandModule, UsageError } from "../command.ts";
import { toExactJson } from "../exact_json.ts";
import { findDigest } from "../find_call.ts";
import { toText } from "../format.ts";
import { openCache } from "../open_cache.ts";
import { toSafeText } from "../safe_text.ts";
import { writeJson } from "../terminal.ts";

interface CatOptions {
  readonly json?: boolean;
  readonly raw?: boolean;
}

/** Prints a value. */
export const command: CommandModule<CatOptions> = {
  takesCache: true,
  operands: [{
    name: "digest[/path]",
    about: "the digest of a value, or the key of a call for its result, and where in it",
    required: true,
  }],
  examples: [
    ["cat 3f2a", "prints the result of the call"],
    ["cat 3f2a/spectrum/0 --json", "has a part of it as JSON; only that is read"],
    ["cat 9c41 --raw > plot.png", "writes the bytes of an image into a file"],
  ],
  configure(command) {
    command
      .option("--json", "as one line of JSON that loses nothing")
      .option("--raw", "a text or bytes as they are; other values are refused");
  },
  async run(call) {
    const [place = ""] = call.operands;
    const { terminal, options: { json, raw } } = call;
    if (json && raw) throw new UsageError("Cannot use both --json and --raw");
    const [, short = "", path = ""] = /^([^/]*)\/?(.*)$/s.exec(place) ?? [];
    await using handle = await openCache(call);
    const { cache } = handle;
    const found = await findDigest(cache, short);
    if (found.kind === "call" && found.record.failure !== undefined) {
      throw new Error(
        `There is no result of ${short}: the call has failed; see quiver show ${short}`,
      );
    }
    const digest = found.kind === "call" ? found.record.result : found.digest;
    const value = await cache.read(digest, path);
    if (json) writeJson(terminal, toExactJson(value));
    else if (raw || (terminal.width === undefined && isRaw(value))) terminal.write(toRaw(value));
    else terminal.write(`${toSafeText(typeof value === "string" ? value : toText(value))}\n`);
  },
};

function isRaw(value: unknown): boolean {
  return typeof value === "string" || value instanceof Uint8Array || value instanceof ArrayBuffer;
}

function toRaw(value: unknown): string | Uint8Array {
  if (typeof value === "string") return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  throw new Error(`Cannot print it as it is: it is neither text nor bytes; use --json`);
}
