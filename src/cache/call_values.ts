import type { ArgumentRecord, CallRecord } from "../call/call_record.ts";
import type { Found, MaybePromise, Stores } from "../store/stores.ts";
import type { Digest } from "../value/value.ts";

/** What is known of an argument or a result: the value, that there is none, or that it cannot be had. */
export type KnownValue =
  | { readonly state: "there"; readonly value: unknown }
  | { readonly state: "absent" }
  | { readonly state: "unknown" };

const ABSENT: KnownValue = { state: "absent" };
const UNKNOWN: KnownValue = { state: "unknown" };

/** The arguments and the result of one call, read when they are first asked for. */
export class CallValues {
  readonly #stores: Stores;
  readonly #record: CallRecord;
  readonly #read = new Map<Digest, KnownValue>();

  /**
   * Reads nothing yet.
   *
   * @param stores Where the call is.
   */
  constructor(stores: Stores, record: CallRecord) {
    this.#stores = stores;
    this.#record = record;
  }

  /** The result; a call that has failed has none. */
  result(): Promise<KnownValue> {
    if (this.#record.failure !== undefined) return Promise.resolve(ABSENT);
    return this.#once(
      this.#record.result,
      () => this.#stores.resultOf?.(this.#record) ?? this.#stores.values.get(this.#record.result),
    );
  }

  /** What the record says of the argument of a parameter. */
  argument(name: string): ArgumentRecord | undefined {
    return this.#record.args.find((argument) => argument.name === name);
  }

  /**
   * Gives an argument by the name of its parameter; where no parameter has it, a field of an argument
   * that is a plain object, as `"rate"` or `"options.rate"`.
   *
   * @param name The name.
   */
  async named(name: string): Promise<KnownValue> {
    const own = this.argument(name);
    if (own !== undefined) return await this.#valueOf(own);
    const dot = name.indexOf(".");
    const holder = dot === -1 ? undefined : this.argument(name.slice(0, dot));
    const [holders, field] = holder === undefined
      ? [this.#record.args, name]
      : [[holder], name.slice(dot + 1)];
    let missing = ABSENT;
    for (const argument of holders) {
      const known = await this.#valueOf(argument);
      if (known.state === "unknown") missing = known;
      else if (known.state === "there" && isPlainObject(known.value)) {
        if (Object.hasOwn(known.value, field)) {
          return { state: "there", value: known.value[field] };
        }
      }
    }
    return missing;
  }

  #valueOf({ value }: ArgumentRecord): Promise<KnownValue> {
    return value === undefined
      ? Promise.resolve(UNKNOWN)
      : this.#once(value, () => this.#stores.values.get(value));
  }

  async #once(digest: Digest, get: () => MaybePromise<Found<unknown>>): Promise<KnownValue> {
    const known = this.#read.get(digest) ?? await read(get);
    this.#read.set(digest, known);
    return known;
  }
}

async function read(get: () => MaybePromise<Found<unknown>>): Promise<KnownValue> {
  try {
    const found = await get();
    return found.hit ? { state: "there", value: found.value } : UNKNOWN;
  } catch (error) {
    // Bytes that are whole, but of nothing that can be decoded.
    if (error instanceof SyntaxError) return UNKNOWN;
    throw error;
  }
}

/** Tells whether a value is an object of fields, as an item of a sweep is. */
export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
