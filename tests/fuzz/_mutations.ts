import * as fc from "fast-check";

/** What happens to bytes: some are changed, cut out, put in, or copied from elsewhere in them. */
export type Mutation =
  | { readonly type: "set"; readonly at: number; readonly byte: number }
  | { readonly type: "cut"; readonly at: number; readonly length: number }
  | { readonly type: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly type: "copy"; readonly from: number; readonly at: number; readonly length: number };

/** Bytes that mean something in one of the formats more often than others. */
const BYTE: fc.Arbitrary<number> = fc.oneof(
  fc.nat(255),
  fc.constantFrom(0, 1, 0x0a, 0x22, 0x51, 0x5b, 0x5f, 0x7b, 0x7d, 0x7f, 0x80, 0x81, 0x9a, 0xa1),
  fc.constantFrom(0xbb, 0xc0, 0xf6, 0xf7, 0xf9, 0xfb, 0xff),
);

/** Positions are taken modulo the length. */
const POSITION: fc.Arbitrary<number> = fc.nat(1 << 20);

/** A few mutations, one after another. */
export const MUTATIONS: fc.Arbitrary<Mutation[]> = fc.array(
  fc.oneof<fc.Arbitrary<Mutation>[]>(
    fc.record({ type: fc.constant("set"), at: POSITION, byte: BYTE }),
    fc.record({ type: fc.constant("cut"), at: POSITION, length: fc.nat(64) }),
    fc.record({
      type: fc.constant("insert"),
      at: POSITION,
      bytes: fc.uint8Array({ maxLength: 20 }),
    }),
    fc.record({ type: fc.constant("copy"), from: POSITION, at: POSITION, length: fc.nat(200) }),
  ),
  { minLength: 1, maxLength: 6 },
);

/** Changes bytes. */
export function mutate(bytes: Uint8Array, mutations: readonly Mutation[]): Uint8Array<ArrayBuffer> {
  return mutations.reduce((content, mutation) => mutateOnce(content, mutation), copy(bytes));
}

function mutateOnce(bytes: Uint8Array<ArrayBuffer>, mutation: Mutation): Uint8Array<ArrayBuffer> {
  const at = mutation.at % (bytes.length + 1);
  const head = bytes.subarray(0, at);
  switch (mutation.type) {
    case "set":
      if (at < bytes.length) bytes[at] = mutation.byte;
      return bytes;
    case "cut":
      return concatenate(head, bytes.subarray(at + mutation.length));
    case "insert":
      return concatenate(head, mutation.bytes, bytes.subarray(at));
    case "copy": {
      const from = mutation.from % (bytes.length + 1);
      const piece = bytes.slice(from, from + mutation.length);
      return concatenate(head, piece, bytes.subarray(at));
    }
  }
}

function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

/** Puts pieces together. */
export function concatenate(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
