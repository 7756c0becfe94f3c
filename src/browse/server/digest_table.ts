const BYTES = 32;
const WORDS = BYTES / 4;
const DIGEST_REGEXP = /^[0-9a-f]{64}$/;

/**
 * Numbers digests in the order in which they come, from 0 on. A million take 40 MB, where as texts in a
 * `Map` they take five times that.
 */
export class DigestTable {
  #bytes = new Uint8Array(64 * BYTES);
  #words = new Uint32Array(this.#bytes.buffer);
  /** At which number plus one each place of the hash table points. */
  #places = new Uint32Array(128);
  #size = 0;
  readonly #wanted = new Uint8Array(BYTES);
  readonly #wantedWords = new Uint32Array(this.#wanted.buffer);
  /** Whoever makes digests up must not know which collide. */
  readonly #seed: number = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** Gives the digest of a number. */
  at(index: number): string {
    return this.#bytes.subarray(index * BYTES, (index + 1) * BYTES).toHex();
  }

  /**
   * Finds a digest.
   *
   * @returns Its number, -1 when it is not there.
   */
  find(digest: string): number {
    if (!DIGEST_REGEXP.test(digest)) return -1;
    this.#wanted.setFromHex(digest);
    return (this.#places[this.#place(this.#wantedWords, 0)] ?? 0) - 1;
  }

  /**
   * Adds a digest, if it is new.
   *
   * @returns Its number; -1 of what is no digest.
   */
  add(digest: string): number {
    if (!DIGEST_REGEXP.test(digest)) return -1;
    this.#wanted.setFromHex(digest);
    let place = this.#place(this.#wantedWords, 0);
    const known = this.#places[place] ?? 0;
    if (known > 0) return known - 1;
    if (2 * this.#size >= this.#places.length) {
      this.#grow();
      place = this.#place(this.#wantedWords, 0);
    }
    if ((this.#size + 1) * BYTES > this.#bytes.length) {
      const bytes = new Uint8Array(2 * this.#bytes.length);
      bytes.set(this.#bytes);
      this.#bytes = bytes;
      this.#words = new Uint32Array(bytes.buffer);
    }
    this.#bytes.set(this.#wanted, this.#size * BYTES);
    this.#places[place] = this.#size + 1;
    return this.#size++;
  }

  #grow(): void {
    this.#places = new Uint32Array(2 * this.#places.length);
    for (let index = 0; index < this.#size; index++) {
      this.#places[this.#place(this.#words, index * WORDS)] = index + 1;
    }
  }

  /** Where a digest is, or would be. */
  #place(words: Uint32Array, offset: number): number {
    const mask = this.#places.length - 1;
    let hash = this.#seed;
    for (let i = 0; i < WORDS; i++) {
      hash = Math.imul(hash ^ (words[offset + i] ?? 0), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    let place = hash & mask;
    for (;;) {
      const index = (this.#places[place] ?? 0) - 1;
      if (index < 0 || this.#isAt(index, words, offset)) return place;
      place = (place + 1) & mask;
    }
  }

  #isAt(index: number, words: Uint32Array, offset: number): boolean {
    const at = index * WORDS;
    for (let i = 0; i < WORDS; i++) {
      if (this.#words[at + i] !== words[offset + i]) return false;
    }
    return true;
  }
}
