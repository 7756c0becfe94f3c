import type { DiskValues } from "../../disk/disk_stores.ts";
import { decodeValue } from "../../value/codec/decode_value.ts";
import { digestValue } from "../../value/digest/digest_value.ts";
import { isPayloadOf } from "../../value/is_payload_of.ts";
import type { Digest, Payload } from "../../value/value.ts";

/** Whether a value is there and decodes, or is not there, or is whole but not what it should be. */
export type ValueState = "sound" | "missing" | "wrong";

/** Reads values copy by copy, and tells which copies are whole but wrong: behind one there may be others. */
export class CheckedValues {
  readonly #values: DiskValues;
  readonly #digests: boolean;
  readonly #onRead: (bytes: number) => void;
  readonly #states = new Map<Digest, ValueState>();
  /** Values and parts of which a copy was found to be whole but wrong. */
  readonly wrong = new Set<Digest>();

  /**
   * Prepares the check; nothing is read yet.
   *
   * @param values The values, which nobody else reads by the same handle.
   * @param digests Whether digests are computed again.
   * @param onRead Told how many bytes were read.
   */
  constructor(values: DiskValues, digests: boolean, onRead: (bytes: number) => void) {
    this.#values = values;
    this.#digests = digests;
    this.#onRead = onRead;
  }

  /** What is known of a value, which is read if it was not yet. */
  stateOf(digest: Digest): ValueState {
    const state = this.#states.get(digest) ?? this.#read(digest);
    this.#states.set(digest, state);
    return state;
  }

  /** Whether a value is sound, or was put again meanwhile. */
  isSoundNow(digest: Digest): boolean {
    return this.#states.get(digest) === "sound" || this.#read(digest) === "sound";
  }

  #read(digest: Digest): ValueState {
    for (let found: ValueState = "missing";; found = "wrong") {
      const state = this.#readCopy(digest);
      // A copy that was rejected is not read again, so that there is an end.
      if (state === "missing") return found;
      if (state !== "wrong") return state;
      if (!this.#rejectWrong(digest)) return "wrong";
    }
  }

  #readCopy(digest: Digest): ValueState {
    let missing = false;
    const load = (part: Digest) => {
      const payload = this.#load(part);
      if (payload === undefined) missing = true;
      return payload;
    };
    const payload = load(digest);
    if (payload === undefined) return "missing";
    try {
      const value = decodeValue(payload, load);
      return this.#digests && digestValue(value) !== digest ? "wrong" : "sound";
    } catch {
      // Whatever a decoder says of bytes that are whole: they are not what the digest is of.
      return missing ? "missing" : "wrong";
    }
  }

  #load(digest: Digest): Payload | undefined {
    const payload = this.#values.load(digest);
    if (payload !== undefined) this.#onRead(payload.bytes.length);
    return payload;
  }

  /** Takes a value's copies out that would be read; tells whether there may be others. */
  #rejectWrong(digest: Digest): boolean {
    const wrong = this.#values.listWrong(digest);
    for (const one of wrong) this.wrong.add(one);
    return wrong.map((one) => this.#values.rejectPart(one)).some((again) => again);
  }

  /**
   * Tells whether a copy of a value is wrong.
   *
   * @param digest The digest that it lies under.
   * @param payload The copy, whole; its bytes are free to be used.
   */
  isWrong(digest: Digest, payload: Payload): boolean {
    return !isPayloadOf(digest, payload, (part) => this.#load(part));
  }
}
