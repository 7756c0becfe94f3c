import type { ArgumentRecord, CallRecord, Json } from "../call/call_record.ts";
import type { KeyedCall } from "../call/call_key.ts";
import { DIGEST_SCHEME, digestArgument } from "../value/digest_value.ts";
import type { Digest } from "../value/encoded_value.ts";
import { QuiverError } from "../errors.ts";
import type { Cache } from "./cache.ts";
import type { Warn } from "./warn.ts";

/** The least that lies between the ends of two calls, in milliseconds: far more than rounding takes. */
const TICK = 2 ** -10;

/** The same as a part of the time, where a clock says that it is thousands of years later. */
const PRECISION = 2 ** -50;

/**
 * Tells when calls began and how long they took, so exactly that their ends are in order, those of
 * one millisecond included: the wall clock says which millisecond it is, the steady one goes on
 * between. When the wall clock is set back, later calls end right behind the last one until it has
 * come up again.
 */
class CallClock {
  /** What the steady clock lacks to be the time; kept within what the wall clock says. */
  #origin = performance.timeOrigin;
  #last = 0;

  /** Notes the end of a call that began when the steady clock said `begun`. */
  end(begun: number): { readonly started: number; readonly duration: number } {
    const before = Date.now();
    const now = performance.now();
    const time = Math.min(Math.max(this.#origin + now, before), Date.now() + 1 - TICK);
    this.#origin = time - now;
    const duration = now - begun;
    const next = this.#last + Math.max(TICK, this.#last * PRECISION);
    const started = Math.max(time, next) - duration;
    // As whoever reads the record adds it up.
    this.#last = started + duration;
    return { started, duration };
  }
}

/** One for all that ends in this isolate. */
const CLOCK = new CallClock();

/** Options of {@linkcode computeCall}. */
export interface ComputeOptions {
  /** What goes into the record beside the call itself. */
  readonly metadata: { readonly [name: string]: Json };
  /** Told of faults of the cache. */
  readonly warn: Warn;
}

/**
 * Runs the body of a call and remembers what it returned.
 *
 * Arguments are stored before the body runs, which may change them, and compared with the key: what
 * the caller has changed meanwhile must not be remembered under the key of something else. The
 * result is stored before the record, so that a record never names a value that is not there.
 * Nothing is remembered when the body throws.
 *
 * @param cache The cache.
 * @param call The call.
 * @param body Runs the task's function.
 * @param options Metadata, and who is told of faults.
 * @returns What the body returned.
 * @throws {QuiverError} When an argument is not what the key was made of; the body does not run.
 */
export async function computeCall(
  cache: Cache,
  call: KeyedCall,
  body: () => unknown,
  { metadata, warn }: ComputeOptions,
): Promise<unknown> {
  const { name, module } = call.address;
  if (cache.readOnly) {
    warn(`Cannot remember a call of "${name}": the cache is read-only; the call runs each time`);
    return await body();
  }
  const args = await storeArguments(cache, call, warn);
  const begun = performance.now();
  const value = await body();
  const { started, duration } = CLOCK.end(begun);
  const result = await store(cache, value, "result", (error) => {
    warn(`Cannot store the result of "${name}": the call is not remembered`, error);
  });
  if (result === undefined) return value;
  const record: CallRecord = {
    key: call.key,
    scheme: DIGEST_SCHEME,
    module,
    task: name,
    ...(call.version !== undefined && { version: call.version }),
    ...(call.code !== undefined && { code: call.code }),
    args,
    ...(call.ignored !== undefined && { ignored: call.ignored }),
    result,
    started,
    duration,
    metadata,
  };
  try {
    await cache.putRecord(record);
  } catch (error) {
    warn(`Cannot record a call of "${name}": it is not remembered`, error);
  }
  return value;
}

/** Stores the arguments, and makes sure that they are still those that the key was made of. */
async function storeArguments(
  cache: Cache,
  { address: { name }, args, positions, values }: KeyedCall,
  warn: Warn,
): Promise<ArgumentRecord[]> {
  const stored: ArgumentRecord[] = [];
  for (const [index, record] of args.entries()) {
    const position = positions[index] ?? index;
    const root = `args[${position}]`;
    const value = values[position];
    // A function that has a digest is a task, which is code: there is nothing of it to store.
    const isTask = typeof value === "function";
    const digest = isTask ? undefined : await store(cache, value, root, (error) => {
      warn(`Cannot store an argument of "${name}": its record keeps the digest only`, error);
    });
    if (digest !== record.digest && digestArgument(value, { root }) !== record.digest) {
      throw new QuiverError(
        `Cannot run "${name}" as ${root} is not what its key was made of: it was changed while the ` +
          "call waited, or lost its class on the way to a worker; pass a copy, or plain data",
      );
    }
    stored.push(digest === undefined ? record : { ...record, value: digest });
  }
  return stored;
}

async function store(
  cache: Cache,
  value: unknown,
  root: string,
  failed: (error: unknown) => void,
): Promise<Digest | undefined> {
  try {
    return await cache.putValue(value, root);
  } catch (error) {
    failed(error);
    return undefined;
  }
}
