/**
 * Results that are put into a cache by hand: those of a call that was prepared, and those that are known
 * already. Loaded with the first of them.
 *
 * @module
 */
import { QuiverError } from "../base/errors.ts";
import type { Warn } from "../base/warning.ts";
import type { KeyedCall } from "../call/call_key.ts";
import type { CallRecord } from "../call/call_record.ts";
import { capture, copyLarge } from "../value/capture.ts";
import type { Digest } from "../value/value.ts";
import type { Cache, PreparedCall } from "./cache.ts";
import { type ComputeOptions, computeUnleased } from "./get_or_compute.ts";

/** A call with its key, as its task has made it. */
export interface KeyedRequest {
  /** The call. */
  readonly call: KeyedCall;
  /** What goes into its record beside that. */
  readonly metadata: CallRecord["metadata"];
  /** Told of what costs no result. */
  readonly warn: Warn;
  /** The directory of output files; the working directory, if not given. */
  readonly outputs?: string | undefined;
}

/** What a prepared call is abandoned with. */
class Abandoned {}

/** A call whose arguments are stored. */
class StoredCall implements PreparedCall {
  readonly key: Digest;
  readonly #name: string;
  readonly #end: PromiseWithResolvers<unknown>;
  readonly #stored: Promise<void>;
  #state: "prepared" | "committed" | "abandoned" = "prepared";

  /**
   * Takes over a call.
   *
   * @param call The call.
   * @param end Ends it, with its result or without.
   * @param stored Settles when its result is stored, or is not to be.
   */
  constructor(call: KeyedCall, end: PromiseWithResolvers<unknown>, stored: Promise<void>) {
    this.key = call.key;
    this.#name = call.address.name;
    this.#end = end;
    this.#stored = stored;
  }

  async commit(result: unknown): Promise<void> {
    if (this.#state !== "prepared") {
      throw new QuiverError(
        `Cannot commit a call of "${this.#name}": it was ${this.#state} already; prepare it again`,
      );
    }
    // It is what it is now, whatever the caller does with it. Where that throws, nothing is committed yet.
    const [value] = capture([result], { large: copyLarge, bare: true }).values;
    this.#state = "committed";
    this.#end.resolve(value);
    await this.#stored;
  }

  async abandon(): Promise<void> {
    if (this.#state === "prepared") {
      this.#state = "abandoned";
      this.#end.reject(new Abandoned());
    }
    if (this.#state === "abandoned") await this.#stored;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abandon();
  }
}

/**
 * Prepares a call: stores its arguments as they are now, and has others wait for it.
 *
 * @param request The call.
 * @throws {TypeError} When the cache is read-only.
 */
export async function prepareRequest(
  cache: Cache,
  request: KeyedRequest,
): Promise<PreparedCall> {
  const { call, call: { key, address: { name } } } = request;
  refuseReadOnly(cache, `prepare a call of "${name}"`);
  const end = Promise.withResolvers<unknown>();
  const begun = Promise.withResolvers<void>();
  // Where another computes it, too, whoever ends last has its result remembered.
  const lease = cache.stores.leases.tryAcquire(key);
  const stored = store(cache, request, `commit a call of "${name}"`, {
    lease,
    body: () => {
      begun.resolve();
      return end.promise;
    },
  }).catch((error) => {
    if (!(error instanceof Abandoned)) throw error;
  }).finally(() => lease?.[Symbol.dispose]());
  // Without a body that has begun, something is wrong with the arguments.
  await Promise.race([begun.promise, stored]);
  stored.catch(() => {});
  return new StoredCall(call, end, stored);
}

/**
 * Remembers a result that is known already.
 *
 * @param request The call.
 * @param result The result.
 * @throws {TypeError} When the cache is read-only.
 * @throws {QuiverError} When it cannot be stored.
 */
export async function seedRequest(
  cache: Cache,
  request: KeyedRequest,
  result: unknown,
): Promise<void> {
  const action = `seed a call of "${request.call.address.name}"`;
  refuseReadOnly(cache, action);
  await store(cache, request, action, { body: () => result });
}

function refuseReadOnly(cache: Cache, action: string): void {
  if (cache.readOnly) throw new TypeError(`Cannot ${action}: the cache is read-only`);
}

/** As every call is computed; but what is not stored is an error, as nothing else comes of it. */
async function store(
  cache: Cache,
  { call, metadata, warn, outputs }: KeyedRequest,
  action: string,
  { body, lease }: Pick<ComputeOptions, "lease"> & { readonly body: () => unknown },
): Promise<void> {
  const faults: Parameters<Warn>[] = [];
  const options = {
    metadata: () => metadata,
    outputs,
    lease,
    warn: (...fault: Parameters<Warn>) => {
      faults.push(fault);
    },
  };
  const { source } = await computeUnleased(cache, call, body, options);
  if (source !== "computed") {
    const [reason = "it was forgotten meanwhile", cause] = faults.pop() ?? [];
    throw new QuiverError(`Cannot ${action}: ${reason}`, { cause });
  }
  for (const fault of faults) warn(...fault);
}
