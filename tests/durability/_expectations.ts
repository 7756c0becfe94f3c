import { assert, assertEquals } from "@std/assert";
import type { Bag } from "@quiver/quiver";
import { digestValue } from "../../src/value/digest/digest_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { computeSpecimen, specimen } from "./testdata/specimen.ts";

/** What a bag has to say of a call or a value: that it knows it, that it does not, or either. */
type Expected = "hit" | "miss" | "maybe" | "value";

/** A call or value of a program that was killed. */
export interface Item {
  readonly name: string;
  readonly n: number;
  readonly size: number;
  readonly digest: string;
  /** The digests of the arrays that HDF5 tools see. */
  readonly arrays: readonly string[];
}

/** The calls and values that may be asked for, each digested once. */
export type Catalogue = Map<string, Item>;

/** What a bag must know after all that programs were told of it. */
export class Expectations {
  readonly #items = new Map<string, { readonly item: Item; expected: Expected }>();
  readonly #catalogue: Catalogue;

  /** Expects nothing yet. */
  constructor(catalogue: Catalogue = new Map()) {
    this.#catalogue = catalogue;
  }

  /** Takes a line that a program has printed. */
  take(line: string, name: string, toSize: (n: number) => number): void {
    const [what = "", text = ""] = line.split(" ");
    if (what === "done") return;
    assert(what === "hit" || what === "miss" || what === "maybe" || what === "value", line);
    const n = Number(text);
    const key = `${name} ${n}`;
    const item = this.#catalogue.get(key) ?? toItem(name, n, toSize(n));
    this.#catalogue.set(key, item);
    // In the order in which programs said so.
    const known = this.#items.get(key);
    if (known === undefined) this.#items.set(key, { item, expected: what });
    else known.expected = what;
  }

  /** How many calls and values are promised to be there or not. */
  get promised(): number {
    return this.#items.values().filter(({ expected }) => expected !== "maybe").toArray().length;
  }

  /** Lets go of the promises of all but the last calls of a writer. */
  keepLast(name: string, count: number): void {
    for (const known of [...this.#items.values()].reverse()) {
      if (known.item.name !== name || count-- <= 0) known.expected = "maybe";
    }
  }

  /** What each call or value is called: writer and number. */
  get labels(): Iterable<string> {
    return this.#items.keys();
  }

  /** What is expected of one call alone. */
  only(label: string): Expectations {
    const one = new Expectations();
    const known = this.#items.get(label);
    if (known !== undefined) one.#items.set(label, known);
    return one;
  }

  /** The digests of all arrays that must be in the bag. */
  get arrays(): Set<string> {
    const known = this.#items.values().filter(({ expected }) =>
      expected === "hit" || expected === "value"
    );
    return new Set(known.flatMap(({ item }) => item.arrays));
  }

  /** Looks for everything: what is promised is there, and whatever is there is right. */
  async check(bag: Bag): Promise<void> {
    for (const { item: { name, n, size, digest }, expected } of this.#items.values()) {
      const key = await specimen.digest(name, n, size);
      const record = await bag.record(key);
      if (record !== undefined) assertEquals(record.result, digest, `${name} ${n}`);
      // Values come before records, and go after them.
      const isKnown = expected === "value" || record !== undefined;
      const found = await bag.value(digest);
      if (found.hit) assertEquals(digestValue(found.value), digest, `${name} ${n}`);
      assert(found.hit || !isKnown, `${name} ${n} is lost`);
      if (expected === "maybe") continue;
      assertEquals(`${name} ${n}: ${isKnown}`, `${name} ${n}: ${expected !== "miss"}`);
    }
  }
}

function toItem(name: string, n: number, size: number): Item {
  const { digest, parts } = encodeValue(computeSpecimen(name, n, size));
  return { name, n, size, digest, arrays: parts.map(({ digest }) => digest) };
}
