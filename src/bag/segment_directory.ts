import type { Digest } from "../value/value.ts";
import type { DigestTable } from "./digest_table.ts";
import { toPrefix } from "./table_row.ts";

/** Segments of up to this many values are looked for together: a bag of large arrays has hundreds. */
const FEW_ROWS = 256;

/**
 * Tells which of many segments may have a digest, so that a look-up does not ask each of them.
 *
 * @typeParam S What is known of a segment.
 */
export class SegmentDirectory<S extends { readonly table: DigestTable }> {
  /** Segments of many values: there are few of them, as small ones are merged. */
  readonly #large: readonly S[];
  /** Segments of few values, by the prefixes of these. */
  readonly #few = new Map<number, S[]>();

  /**
   * Takes the segments.
   *
   * @param segments The segments, in the order in which they are to be asked.
   */
  constructor(segments: readonly S[]) {
    this.#large = segments.filter(({ table }) => table.size > FEW_ROWS);
    for (const segment of segments) {
      if (segment.table.size > FEW_ROWS) continue;
      for (const prefix of segment.table.prefixes) {
        const others = this.#few.get(prefix);
        if (others === undefined) this.#few.set(prefix, [segment]);
        else others.push(segment);
      }
    }
  }

  /**
   * Names the segments that may have a digest.
   *
   * @param digest The digest.
   * @returns The segments; no other has it.
   */
  find(digest: Digest): readonly S[] {
    const few = this.#few.size === 0 ? undefined : this.#few.get(toPrefix(digest));
    return few === undefined ? this.#large : few.concat(this.#large);
  }
}
