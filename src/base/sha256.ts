/**
 * SHA-256, by `node:crypto` where there is much to hash. To import that takes a starting program longer
 * than its first key needs for all else that is hashed, and a worker longer than all else together: what
 * is little is hashed here.
 *
 * @module
 */

/** What is being hashed. */
export interface Sha256 {
  /** Goes on with more. */
  update(data: string | Uint8Array): Sha256;
  /** Ends it. */
  digest(): Uint8Array;
  /** Ends it, as hexadecimal digits. */
  digest(encoding: "hex"): string;
}

type Crypto = typeof import("node:crypto");

// The one thing kept here are the module itself, which is the same for everybody, and how much was
// hashed without it.
let crypto: Crypto | undefined;
let hashed = 0;

/** How many bytes an isolate hashes without `node:crypto`: about as long as that takes to be imported. */
const LIMIT = 2 ** 16;

/**
 * Creates a SHA-256 hash.
 *
 * @returns The hash, to be updated.
 */
export function createSha256(): Sha256 {
  return crypto?.createHash("sha256") ?? new SmallSha256();
}

function loadCrypto(): Crypto {
  // deno-lint-ignore no-process-global -- importing node:process costs as much as node:crypto
  return crypto ??= process.getBuiltinModule("node:crypto") as Crypto;
}

const ENCODER = new TextEncoder();

/** Keeps what it is given until all is there, or it is too much. */
class SmallSha256 implements Sha256 {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;
  #large: Sha256 | undefined;

  update(data: string | Uint8Array): this {
    // Who has given it may write to it again.
    const piece = typeof data === "string" ? ENCODER.encode(data) : data;
    if (this.#large === undefined && hashed + this.#length + piece.length > LIMIT) {
      this.#large = loadCrypto().createHash("sha256");
      for (const earlier of this.#pieces) this.#large.update(earlier);
    }
    if (this.#large !== undefined) {
      this.#large.update(piece);
      return this;
    }
    this.#pieces.push(piece === data ? piece.slice() : piece);
    this.#length += piece.length;
    return this;
  }

  digest(): Uint8Array;
  digest(encoding: "hex"): string;
  digest(encoding?: "hex"): Uint8Array | string {
    if (this.#large !== undefined) {
      return encoding === undefined ? this.#large.digest() : this.#large.digest(encoding);
    }
    hashed += this.#length;
    const digest = hash(this.#pieces, this.#length);
    return encoding === undefined ? digest : digest.toHex();
  }
}

/** The square roots of the first 8 primes, and the cube roots of the first 64, behind the point. */
// deno-fmt-ignore
const START = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];
// deno-fmt-ignore
const ROUNDS = Uint32Array.of(
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
);

/**
 * Hashes what is there at once.
 *
 * @see {@link https://doi.org/10.6028/NIST.FIPS.180-4} sections 5.1.1 and 6.2.2
 */
function hash(pieces: readonly Uint8Array[], length: number): Uint8Array {
  // Behind all come a bit, and how many bits there were in the last 8 bytes.
  const padded = new Uint8Array(Math.ceil((length + 9) / 64) * 64);
  let end = 0;
  for (const piece of pieces) {
    padded.set(piece, end);
    end += piece.length;
  }
  padded[length] = 0x80;
  const view = new DataView(padded.buffer);
  // It is less than the limit.
  view.setUint32(padded.length - 4, length * 8);
  const state = Uint32Array.from(START);
  const words = new Uint32Array(64);
  for (let at = 0; at < padded.length; at += 64) {
    for (let i = 0; i < 16; i++) words[i] = view.getUint32(at + 4 * i);
    extend(words);
    mix(state, words);
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (const [i, word] of state.entries()) digest.setUint32(4 * i, word);
  return new Uint8Array(digest.buffer);
}

/** Makes 64 words of the first 16. */
function extend(words: Uint32Array): void {
  for (let i = 16; i < 64; i++) {
    const a = words[i - 15] ?? 0;
    const b = words[i - 2] ?? 0;
    const small0 = (a >>> 7 | a << 25) ^ (a >>> 18 | a << 14) ^ a >>> 3;
    const small1 = (b >>> 17 | b << 15) ^ (b >>> 19 | b << 13) ^ b >>> 10;
    words[i] = (words[i - 16] ?? 0) + small0 + (words[i - 7] ?? 0) + small1;
  }
}

function mix(state: Uint32Array, words: Uint32Array): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state;
  for (let i = 0; i < 64; i++) {
    const big1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
    const choice = e & f ^ ~e & g;
    const first = (h + big1 + choice + (ROUNDS[i] ?? 0) + (words[i] ?? 0)) | 0;
    const big0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
    const majority = a & b ^ a & c ^ b & c;
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + big0 + majority) | 0;
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] = (state[i] ?? 0) + word;
}
