/**
 * How a long message crosses the channel to a process, in which none may be longer than 4 GiB: in
 * pieces, which are announced.
 *
 * ```text
 * message       what V8 has written, which begins with 0xFF, or
 * announcement  u8 0, 7 bytes that say nothing, f64 length; little endian
 * pieces        so many bytes, in as many messages as it takes
 * ```
 *
 * @module
 */

/** What is sent, or written, at once: in Deno 2.9.6 a write of 2 GiB never ends. */
export const PIECE_BYTES = 64 * 1024 * 1024;

const ANNOUNCEMENT_BYTES = 16;
const LENGTH = 8;

/**
 * Takes a message apart.
 *
 * @param bytes What V8 has written.
 * @param most How long a piece may be.
 * @returns What is sent: the message as it is, unless it is longer than a piece.
 */
export function* toPieces(bytes: Uint8Array, most: number = PIECE_BYTES): Iterable<Uint8Array> {
  if (bytes.length <= most) return yield bytes;
  const announcement = new Uint8Array(ANNOUNCEMENT_BYTES);
  new DataView(announcement.buffer).setFloat64(LENGTH, bytes.length, true);
  yield announcement;
  // A view would go with all of its buffer.
  for (let at = 0; at < bytes.length; at += most) yield bytes.slice(at, at + most);
}

/** Puts messages together. */
export class PieceReader {
  readonly #received: (bytes: Uint8Array) => void;
  /** There while pieces are awaited. */
  #whole: Uint8Array | undefined;
  #length = 0;

  /**
   * Begins to read.
   *
   * @param received Is given each message.
   */
  constructor(received: (bytes: Uint8Array) => void) {
    this.#received = received;
  }

  /**
   * Takes what was sent.
   *
   * @param bytes A message, an announcement, or a piece.
   * @throws {RangeError} When there is no memory for what was announced.
   */
  read(bytes: Uint8Array): void {
    if (this.#whole !== undefined) this.#add(this.#whole, bytes);
    else if (bytes[0] !== 0) this.#received(bytes);
    else {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      this.#whole = new Uint8Array(view.getFloat64(LENGTH, true));
      this.#length = 0;
    }
  }

  #add(whole: Uint8Array, piece: Uint8Array): void {
    whole.set(piece, this.#length);
    this.#length += piece.length;
    if (this.#length < whole.length) return;
    this.#whole = undefined;
    this.#received(whole);
  }
}
