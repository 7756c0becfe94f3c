import { outside } from "../ambient.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { Digest, EncodedValue, Payload } from "../value/encoded_value.ts";
import { abortable } from "./abortable.ts";
import type {
  CallStore,
  Found,
  Lease,
  LeaseStore,
  MaybePromise,
  Stores,
  ValueStore,
} from "./stores.ts";

/**
 * Creates stores that live as long as this isolate and are shared with nobody.
 *
 * @returns The stores.
 */
export function createMemoryStores(): Stores {
  return { values: new MemoryValues(), calls: new MemoryCalls(), leases: new MemoryLeases() };
}

type Decoding = typeof import("./decode_found.ts");

/** Keeps encoded bytes, so that nobody can change what is stored by changing what was given. */
class MemoryValues implements ValueStore {
  readonly #payloads = new Map<Digest, Payload>();
  /** Loaded with the first value: a worker that remembers nothing never pays for the codec. */
  #decode: Decoding["decodeFound"] | undefined;

  put(value: EncodedValue): void {
    for (const { digest, kind, bytes } of [...value.parts, value]) {
      if (!this.#payloads.has(digest)) this.#payloads.set(digest, { kind, bytes: bytes.slice() });
    }
  }

  get(digest: Digest): MaybePromise<Found<unknown>> {
    if (!this.#payloads.has(digest)) return { hit: false };
    if (this.#decode !== undefined) return this.#decode(digest, (part) => this.#copy(part));
    return outside(() => import("./decode_found.ts")).then(({ decodeFound }) => {
      this.#decode = decodeFound;
      return this.get(digest);
    });
  }

  reject(digest: Digest): boolean {
    this.#payloads.delete(digest);
    return false;
  }

  /** The decoder owns what it is given. */
  #copy(digest: Digest): Payload | undefined {
    const payload = this.#payloads.get(digest);
    return payload && { kind: payload.kind, bytes: payload.bytes.slice() };
  }
}

class MemoryCalls implements CallStore {
  readonly #records = new Map<Digest, CallRecord>();

  put(record: CallRecord): void {
    this.#records.set(record.key, freeze(structuredClone(record)));
  }

  get(key: Digest): CallRecord | undefined {
    return this.#records.get(key);
  }

  delete(key: Digest): boolean {
    return this.#records.delete(key);
  }

  records(): Iterable<CallRecord> {
    return this.#records.values();
  }
}

/** Whoever gets a record must not change what is stored; a copy for each would slow down hits. */
function freeze<T extends object>(value: T): T {
  for (const item of Object.values(value)) {
    if (typeof item === "object" && item !== null) freeze(item);
  }
  return Object.freeze(value);
}

/** Leases among the callers of this isolate. */
export class MemoryLeases implements LeaseStore {
  readonly #held = new Map<Digest, PromiseWithResolvers<void>>();

  /** As the interface says. */
  tryAcquire(key: Digest): Lease | undefined {
    if (this.#held.has(key)) return undefined;
    const freed = Promise.withResolvers<void>();
    this.#held.set(key, freed);
    return {
      key,
      [Symbol.dispose]: () => {
        if (this.#held.get(key) !== freed) return;
        this.#held.delete(key);
        freed.resolve();
      },
    };
  }

  /** As the interface says. */
  async changed(key: Digest, signal?: AbortSignal): Promise<void> {
    const freed = this.#held.get(key)?.promise;
    if (freed !== undefined) await abortable(freed, signal);
  }
}
