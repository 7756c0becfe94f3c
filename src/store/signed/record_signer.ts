import { createHmac, timingSafeEqual } from "node:crypto";
import type { ArgumentRecord, CallRecord } from "../../call/call_record.ts";
import { digestArgument } from "../../value/digest/digest_value.ts";
import type { Digest } from "../../value/value.ts";

/** Keeps these signatures apart from all others that may be made with the same key. */
const PURPOSE = "quiver record 1\n";

const SIGNATURE_REGEXP = /^[0-9a-f]{64}$/;

/**
 * Signs records, and tells who signed them.
 *
 * A signature is an HMAC-SHA-256 over the record as JSON carries it, in which the order of names does
 * not count; `src/bag/FORMAT.md` specifies it ("The call log").
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc2104}
 */
export class RecordSigner {
  readonly #signingKey: string;
  readonly #keys: readonly string[];

  /**
   * Creates a signer.
   *
   * @param keys The keys, at least one: the first signs, all verify.
   * @throws {RangeError} If there is no key.
   */
  constructor(keys: readonly string[]) {
    const [first] = keys;
    if (first === undefined) throw new RangeError("Cannot sign records: there is no key");
    this.#signingKey = first;
    this.#keys = [...keys];
  }

  /**
   * Signs a record.
   *
   * @param record The record; a signature that it has is left out.
   * @returns The record as JSON carries it, with its signature.
   */
  sign(record: CallRecord): CallRecord {
    const { signature: _, ...fields } = record;
    // What is signed must be what is read back, where `undefined` is gone and `-0` is `0`.
    const plain: Omit<CallRecord, "signature"> = JSON.parse(JSON.stringify(fields));
    return {
      ...plain,
      signature: toSignature(this.#signingKey, digestArgument(toSigned(plain))).toString("hex"),
    };
  }

  /**
   * Tells whether a record is as the holder of a key signed it.
   *
   * @returns Whether its signature is that of one of the keys.
   */
  verify(record: CallRecord): boolean {
    const { signature, ...fields } = record;
    if (typeof signature !== "string" || !SIGNATURE_REGEXP.test(signature)) return false;
    const digest = digestArgument(toSigned(fields));
    const given = Uint8Array.fromHex(signature);
    return this.#keys.some((key) => timingSafeEqual(toSignature(key, digest), given));
  }
}

/**
 * What is signed of a record: where a repair has noted that an argument is lost, it names it as stored
 * once more. Who has no key can repair, and can make nothing of it but an argument that is missing.
 */
function toSigned(fields: Omit<CallRecord, "signature">): Omit<CallRecord, "signature"> {
  const { args } = fields;
  if (!Array.isArray(args) || !args.some(isLost)) return fields;
  const named = args.map((argument) => {
    if (!isLost(argument)) return argument;
    const { lost, ...others } = argument;
    return { ...others, value: lost };
  });
  return { ...fields, args: named };
}

/** Another program may have written anything. */
function isLost(argument: ArgumentRecord | null): boolean {
  return typeof argument?.lost === "string" && argument.value === undefined;
}

function toSignature(key: string, digest: Digest) {
  return createHmac("sha256", key).update(PURPOSE).update(digest).digest();
}
