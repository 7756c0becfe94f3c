import type { ByteSink } from "./_byte_sink.ts";
import { TAG } from "./_canonical_tags.ts";
import { CanonicalWriter } from "./_canonical_writer.ts";
import type { EncodedPart } from "./encoded_value.ts";
import { type Frame, ItemsFrame } from "./_frames.ts";

/** Writes the bytes of the exact digest: every order counts, and so does what is shared. */
export class ExactWriter extends CanonicalWriter {
  readonly #seen = new Map<object, number>();
  protected override readonly nullObjectTag = TAG.nullObject;

  /**
   * Creates a writer for one value, of which all is asked whether it is a proxy.
   *
   * @param sink Where the bytes go; it is empty.
   * @param parts Where the large arrays that are met are noted.
   * @param known Those whose digests are known already.
   */
  constructor(
    sink: ByteSink,
    parts: Map<object, EncodedPart>,
    known?: ReadonlyMap<object, EncodedPart>,
  ) {
    super(sink, Infinity, parts, known);
  }

  protected override enter(value: object): boolean {
    const index = this.#seen.get(value);
    if (index === undefined) {
      this.#seen.set(value, this.#seen.size);
      return true;
    }
    this.noteReference();
    this.sink.byte(TAG.seen);
    this.sink.uint(index);
    return false;
  }

  protected override leave(): void {}

  protected override order(keys: string[]): string[] {
    return keys;
  }

  protected override openEntries(items: readonly unknown[]): Frame {
    return new ItemsFrame(items);
  }

  protected override stackOf(stack: string | undefined): string | undefined {
    return stack;
  }
}
