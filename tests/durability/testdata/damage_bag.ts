import { toShortDigest } from "../../bag/_short_digest.ts";

/** A call that may be lost. */
export interface Victim {
  /** The key. */
  readonly key: string;
  /** An array that only its result has. */
  readonly own: Float64Array;
}

/**
 * Damages a bag so that at most one call is lost.
 *
 * @param path The bag.
 * @param n Chooses what is damaged.
 * @param victim The call that may be lost.
 */
export function damageBag(path: string, n: number, { key, own }: Victim): void {
  const segments = Array.from(Deno.readDirSync(`${path}/segments`), ({ name }) => name)
    .map((name) => `${path}/segments/${name}`);
  const journals = Array.from(Deno.readDirSync(`${path}/journal`), ({ name }) => name)
    .map((name) => `${path}/journal/${name}`);
  const bytes = new Uint8Array(own.buffer).slice(0, 64);
  const kinds = [
    () => flip([...segments.filter((file) => file.endsWith(".h5")), ...journals], bytes),
    () => flip([`${path}/calls.jsonl`], new TextEncoder().encode(toShortDigest(key))),
    () => Deno.writeTextFileSync(`${path}/manifest.json`, "damaged"),
    () => segments.filter((file) => file.endsWith(".index")).forEach((file) => cut(file)),
    () => cut(`${path}/values.h5`),
    () => Deno.writeTextFileSync(`${path}/calls.jsonl`, "\nno line\n", { append: true }),
  ];
  kinds[n % kinds.length]?.();
}

/** Changes a bit in the bytes wherever they are. */
function flip(files: readonly string[], bytes: Uint8Array): void {
  for (const path of files) {
    using file = Deno.openSync(path, { read: true, write: true });
    const content = new Uint8Array(file.statSync().size);
    for (let at = 0; at < content.length;) at += file.readSync(content.subarray(at)) ?? Infinity;
    for (let at = content.indexOf(bytes[0] ?? 0); at !== -1;) {
      if (bytes.every((byte, i) => content[at + i] === byte)) {
        file.seekSync(at + 3, Deno.SeekMode.Start);
        file.writeSync(Uint8Array.of((bytes[3] ?? 0) ^ 1));
      }
      at = content.indexOf(bytes[0] ?? 0, at + 1);
    }
  }
}

function cut(file: string): void {
  try {
    Deno.truncateSync(file, Deno.statSync(file).size >> 1);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
