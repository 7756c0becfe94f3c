import { TAG } from "./_canonical_tags.ts";
import type { ByteSink } from "./_byte_sink.ts";
import { CanonicalWriter } from "./_canonical_writer.ts";
import type { EncodedPart } from "./encoded_value.ts";
import { type Frame, SortedFrame } from "./_frames.ts";

/**
 * Asking more objects than these would be felt in the time of a hit. Whatever else is a proxy is found
 * when the call is a miss: structured clone takes none.
 */
const PROXY_CHECKS = 4;

/** Writes the bytes of the argument digest: no order counts that a caller would not think of. */
export class ArgumentWriter extends CanonicalWriter {
  readonly #ancestors: object[] = [];
  protected override readonly nullObjectTag = TAG.object;

  /**
   * Creates a writer for one value.
   *
   * @param sink Where the bytes go; it is empty.
   * @param parts The large arrays whose digests are known; those that are met are added.
   */
  constructor(sink: ByteSink, parts: Map<object, EncodedPart>) {
    super(sink, PROXY_CHECKS, parts);
  }

  protected override enter(value: object): boolean {
    const index = this.#ancestors.lastIndexOf(value);
    if (index < 0) {
      this.#ancestors.push(value);
      return true;
    }
    this.sink.byte(TAG.ancestor);
    this.sink.uint(this.#ancestors.length - index);
    return false;
  }

  protected override leave(): void {
    this.#ancestors.pop();
  }

  protected override order(keys: string[]): string[] {
    return isSorted(keys) ? keys : keys.sort();
  }

  protected override openEntries(items: readonly unknown[], width: number): Frame {
    return new SortedFrame(items, width, this.sink);
  }

  /** It is read once for a key. */
  protected override isComputed(): boolean {
    return false;
  }

  protected override stackOf(): undefined {
    return undefined;
  }
}

function isSorted(keys: readonly string[]): boolean {
  let last = "";
  for (const key of keys) {
    if (key < last) return false;
    last = key;
  }
  return true;
}
