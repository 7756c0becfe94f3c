import { stripVTControlCharacters } from "node:util";

/** How much of its end is kept, in bytes. */
const KEPT_BYTES = 4096;

/**
 * What a process prints to standard error: it goes on to that of this program, and its end is kept, in
 * which the process may say why it ends.
 */
export class ErrorOutput {
  /** What is printed when the process has started: what keeps it from that is told in an error. */
  #held: Uint8Array[] | undefined = [];
  #kept: Uint8Array[] = [];
  #keptBytes = 0;

  /**
   * Takes what was printed.
   *
   * @param piece Some of it.
   */
  read(piece: Uint8Array): void {
    if (this.#held === undefined) print(piece);
    else this.#held.push(piece);
    this.#kept.push(piece);
    this.#keptBytes += piece.length;
    // A piece more than is needed may stay, but not many small ones.
    while (this.#keptBytes - (this.#kept[0]?.length ?? 0) >= KEPT_BYTES) {
      this.#keptBytes -= this.#kept.shift()?.length ?? 0;
    }
  }

  /** The process has started: what it prints goes on. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const piece of held) print(piece);
  }

  /** The last that was printed, without colours; `undefined` if there is nothing. */
  get text(): string | undefined {
    const bytes = Uint8Array.from(this.#kept.flatMap((piece) => [...piece])).subarray(-KEPT_BYTES);
    const text = stripVTControlCharacters(new TextDecoder().decode(bytes)).trim();
    return text === "" ? undefined : text;
  }
}

function print(piece: Uint8Array): void {
  try {
    for (let at = 0; at < piece.length;) at += Deno.stderr.writeSync(piece.subarray(at));
  } catch {
    // Nobody reads it any more.
  }
}
