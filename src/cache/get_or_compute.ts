import {
  CancelledError,
  ChangedArgumentError,
  DeadlineError,
  ExecutorShutdownError,
  FileError,
  IndigestibleError,
  UnclonableError,
  WorkerDiedError,
} from "../base/errors.ts";
import { GiveUpTimer } from "../base/abortable.ts";
import { importLater, LateModule } from "../base/lazy_import.ts";
import type { Warn } from "../base/warning.ts";
import { checkArgument, countedValue, isUnchanged, type KeyedCall } from "../call/call_key.ts";
import type { ArgumentRecord, CallRecord, Json } from "../call/call_record.ts";
import { whenSettled } from "../store/memory_stores.ts";
import type { Found, Lease, MaybePromise } from "../store/stores.ts";
import { memoriesIn } from "../value/share.ts";
import { MemoryGuard } from "../value/shared_guard.ts";
import { type Digest, type EncodedPart, type EncodedValue, VALUE_KIND } from "../value/value.ts";
import {
  type Cache,
  type EncodeValue,
  RecordCheck,
  type RecordJudge,
  type Validity,
} from "./cache.ts";
import {
  type CallResult,
  type CallTime,
  CLOCK,
  type RaisableCall,
  Sharing,
  toRecord,
} from "./flights.ts";
import { type CallName, noteLongWait } from "./waits.ts";

export type { CallResult, RaisableCall, ResultSource } from "./flights.ts";
export type { CallName } from "./waits.ts";

const MISS: Found<unknown> = { hit: false };

/** Loaded with the first result that is stored: no key needs the codec. */
const DECODING = new LateModule(() => import("../value/codec/decode_value.ts"));

/** What looks at files: loaded with the first that is an argument or a result. */
type CachedFiles = typeof import("./cached_files.ts");

/** Options of {@linkcode getOrCompute}. */
export interface GetOrComputeOptions {
  /** What the call is named in messages. */
  readonly name: string;
  /** Whether one computes and the others wait; if not, each of them computes. */
  readonly singleFlight: boolean;
  /** How long a call waits for another that computes its key, in milliseconds. */
  readonly leaseTimeout: number;
  /**
   * After how long a wait for another isolate or process is told of, in milliseconds.
   *
   * @default {5000}
   */
  readonly longWait?: number;
  /**
   * Computes the result and stores it, here or elsewhere: as {@linkcode computeLeased} does, or as
   * {@linkcode computeUnleased}.
   */
  readonly compute: (leased: boolean) => Promise<CallResult>;
  /** The calls that wait for this one, as it is made by their bodies; asked for only by who waits. */
  readonly callers: () => readonly CallName[];
  /** The call itself: raised when another that waits for it is of a higher priority. */
  readonly call: RaisableCall;
  /** The call waits for another. */
  readonly waitFor: (call: RaisableCall) => void;
  /** Told of faults of the cache. */
  readonly warn: Warn;
  /** Ends waiting for others with the signal's reason; asked for only by who waits. */
  readonly signal: () => AbortSignal;
  /** Whether the call, or one around it, was given up: what it fails with then is not for others. */
  readonly givenUp: () => boolean;
  /** Whether the caller has just looked, and found nothing: see {@linkcode lookUp}. */
  readonly missed?: boolean;
  /** What goes into the record beside the call itself. */
  readonly metadata: { readonly [name: string]: Json };
  /** The directory of output files; the working directory, if not given. */
  readonly outputs?: string | undefined;
  /** How long results count; for ever, if not given. */
  readonly validity?: Validity | undefined;
}

/**
 * Answers a call: look up, else wait for whoever computes it already, else compute.
 *
 * Within an isolate those who come second share the promise of the first; across isolates and
 * processes the lease of the key decides who computes. A fault of the cache costs a warning, never
 * the result.
 *
 * @throws {DeadlockError} When the call waits, by way of others, for one of its callers.
 */
export async function getOrCompute(
  cache: Cache,
  call: KeyedCall,
  options: GetOrComputeOptions,
): Promise<CallResult> {
  const { key } = call;
  for (let look = options.missed !== true;; look = true) {
    const found = look ? await lookUp(cache, call, options) : MISS;
    if (found.hit) return { value: found.value, source: "cache" };
    if (!options.singleFlight) return await runWithoutLease(cache, call, options);
    const flight = sharingOf(cache).flights.get(key);
    if (flight === undefined) return await runAsLeader(cache, call, options);
    options.waitFor(flight.leader);
    const wait = (signal: AbortSignal) => flight.wait(signal, call.since);
    const shared = await waitFor(cache, key, options, wait);
    if (shared === "late") return await runLate(cache, call, options);
    if (shared === undefined) continue;
    // A copy of one's own where the cache has it: two callers must not share a mutable result.
    const own = await lookUp(cache, call, options);
    return { value: own.hit ? own.value : shared.value, source: "cache" };
  }
}

/** How calls share the work in a cache. */
export function sharingOf(cache: Cache): Sharing {
  return cache.sharing((board) => new Sharing(board));
}

/** Runs what another computes for too long, unless that has ended just now. */
async function runLate(
  cache: Cache,
  call: KeyedCall,
  options: GetOrComputeOptions,
): Promise<CallResult> {
  const found = await lookUp(cache, call, options);
  if (found.hit) return { value: found.value, source: "cache" };
  const { leaseTimeout, name, warn } = options;
  warn(
    `Cannot wait longer than ${leaseTimeout} ms for the call of "${name}" that another computes: ` +
      "it runs here too",
  );
  return await runWithoutLease(cache, call, options);
}

/** Without a lease, an eviction would not be noticed where the body runs. */
async function runWithoutLease(
  cache: Cache,
  call: KeyedCall,
  { compute, metadata }: GetOrComputeOptions,
): Promise<CallResult> {
  using running = sharingOf(cache).running.begin(call, metadata);
  const result = await compute(false);
  if (running.evicted && result.source === "computed") await cache.stores.calls.delete(call.key);
  return result;
}

/** Computes as the first of this isolate, for all of it. */
function runAsLeader(
  cache: Cache,
  call: KeyedCall,
  options: GetOrComputeOptions,
): Promise<CallResult> {
  const { key } = call;
  const { flights, running } = sharingOf(cache);
  let waits = false;
  const run = async (): Promise<CallResult> => {
    using _running = running.begin(call, options.metadata);
    for (;;) {
      const result = await options.compute(true);
      if (result.source !== "busy") return result;
      waits = true;
      const wait = (signal: AbortSignal) => cache.stores.leases.changed(key, signal);
      using _note = noteLongWait(options);
      const changed = await waitFor(cache, key, options, wait);
      waits = false;
      if (changed === "late") return await runLate(cache, call, options);
      const found = await lookUp(cache, call, options);
      if (found.hit) return { value: found.value, source: "cache" };
    }
  };
  // What ends the wait of this call, such as a deadlock with its callers, is not for the others, and
  // neither is what is wrong with its own arguments, nor what became of its own executor.
  const isOwn = (error: unknown) =>
    waits || options.givenUp() || isOfArguments(error) || isOfExecutor(error);
  return flights.run(call, run, isOwn, options.call);
}

/** Whether the body was not run to its end: who waits runs it again, on an executor of its own. */
export function isOfExecutor(error: unknown): boolean {
  return error instanceof DeadlineError || error instanceof ExecutorShutdownError ||
    error instanceof CancelledError || error instanceof WorkerDiedError;
}

function isOfArguments(error: unknown): boolean {
  return error instanceof ChangedArgumentError ||
    (error instanceof UnclonableError || error instanceof IndigestibleError) &&
      error.path.startsWith("args");
}

/** Waits for another; gives `"late"` when that takes longer than the call is to wait. */
async function waitFor<T>(
  cache: Cache,
  key: Digest,
  { name, callers, leaseTimeout, signal, warn }: GetOrComputeOptions,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T | "late"> {
  const calling = callers();
  using waiting = calling.length === 0
    ? undefined
    : sharingOf(cache).waits.begin({ task: name, key }, calling, warn);
  const timeout = leaseTimeout === Infinity ? undefined : new AbortController();
  using _timer = timeout &&
    new GiveUpTimer(leaseTimeout, () => timeout.abort(), { referenced: false });
  const signals = [signal(), waiting?.signal, timeout?.signal].filter((one) => one !== undefined);
  const [first = signal()] = signals;
  try {
    return await wait(signals.length === 1 ? first : AbortSignal.any(signals));
  } catch (error) {
    if (timeout?.signal.aborted !== true || error !== timeout.signal.reason) throw error;
    return "late";
  }
}

/** Runs the function of a task. */
export type RunBody = (values: readonly unknown[]) => unknown;

/**
 * Computes a call under its lease, which is held for just as long as the body runs: whoever waits
 * for it waits for something that makes progress, never for a call in a queue.
 *
 * @returns The result; its source is `"busy"` when somebody else computes it now.
 */
export async function computeLeased(
  cache: Cache,
  call: KeyedCall,
  body: RunBody,
  options: ComputeOptions,
): Promise<CallResult> {
  const { warn, outputs, validity } = options;
  const faults = { name: call.address.name, warn, outputs, validity };
  using held = takeLease(cache, call.key, faults);
  if (held === undefined) return { value: undefined, source: "busy" };
  // Whoever held the lease since the last look-up has stored the result.
  const found = await lookUp(cache, call, faults);
  if (found.hit) return { value: found.value, source: "cache" };
  return await computeUnleased(cache, call, body, { ...options, lease: held.lease });
}

/** Who is told of faults. */
interface Faults {
  /** What the call is named in messages. */
  readonly name: string;
  /** Told of faults of the cache. */
  readonly warn: Warn;
}

/** What is done with what was found, too. */
interface LookUpOptions extends Faults {
  /** The directory of output files; the working directory, if not given. */
  readonly outputs?: string | undefined;
  /** How long results count; for ever, if not given. */
  readonly validity?: Validity | undefined;
  /** Tells which records count, instead of `validity`. */
  readonly judge?: RecordJudge | undefined;
}

/** What of a call it takes to look it up. */
type LookedUpCall = Pick<KeyedCall, "key" | "values" | "since" | "rejected">;

/**
 * Looks a call up; what goes wrong is a miss. The files of a result are put back where they are missing.
 *
 * @param call The call with its key.
 * @param options Who is told of faults, and where files belong.
 * @returns The result, at once where the cache answers at once and there are no files in it.
 * @throws {FileError} When a file cannot be put back.
 */
export function lookUp(
  cache: Cache,
  call: LookedUpCall,
  options: LookUpOptions,
): MaybePromise<Found<unknown>> {
  const found = tryLookUp(cache, call, options);
  if (found instanceof Promise) return found.then((found) => restore(cache, call, found, options));
  return restore(cache, call, found, options);
}

function restore(
  cache: Cache,
  { values: args }: Pick<KeyedCall, "values">,
  found: Found<unknown>,
  { outputs: root, warn }: LookUpOptions,
): MaybePromise<Found<unknown>> {
  if (!found.hit || found.files === undefined) return found;
  return importLater<CachedFiles>("cached")
    .then(({ putBack }) => putBack(cache, found, { root, args, warn }));
}

function tryLookUp(
  cache: Cache,
  call: LookedUpCall,
  options: LookUpOptions,
): MaybePromise<Found<unknown>> {
  const { judge = RecordCheck.of(call, options) } = options;
  try {
    const found = cache.find(call.key, judge);
    return found instanceof Promise ? found.catch((error) => miss(error, options)) : found;
  } catch (error) {
    return miss(error, options);
  }
}

function miss(error: unknown, { name, warn }: Faults): Found<unknown> {
  warn(`Cannot look up a call of "${name}": it runs instead`, error);
  return MISS;
}

/** A lease, if there are any: when they fail, others may compute the call too. */
interface HeldLease extends Disposable {
  readonly lease: Lease | undefined;
}

/** `undefined` when another holds the lease. */
function takeLease(cache: Cache, key: Digest, { name, warn }: Faults): HeldLease | undefined {
  try {
    const lease = cache.stores.leases.tryAcquire(key);
    return lease && {
      lease,
      [Symbol.dispose]: () => {
        try {
          lease[Symbol.dispose]();
        } catch (error) {
          // The result is there by now, and must not be lost for this.
          warn(`Cannot free the lease of a call of "${name}": others may wait for it`, error);
        }
      },
    };
  } catch (error) {
    warn(`Cannot lease a call of "${name}": others may compute it too`, error);
    return { lease: undefined, [Symbol.dispose]: () => {} };
  }
}

/** Which arguments of a call are stored; of the others its record has the digests only. */
type StoredArguments = "all" | "small" | "none";

/** How many bytes an argument has at most that is small, with all arrays in it. */
const SMALL_BYTES = 65_536;

/** Options of {@linkcode computeLeased} and {@linkcode computeUnleased}. */
export interface ComputeOptions {
  /** Which arguments are stored: those of up to 64 KiB each, if not given. */
  readonly storeArguments?: StoredArguments | undefined;
  /** What goes into the record beside the call itself: asked once the body has ended; must not throw. */
  readonly metadata: () => MaybePromise<{ readonly [name: string]: Json }>;
  /** Told of faults of the cache. */
  readonly warn: Warn;
  /** The directory of output files; the working directory, if not given. */
  readonly outputs?: string | undefined;
  /** Takes the arguments just before the body runs; by default those of the call. */
  readonly take?: (() => TakenArguments) | undefined;
  /** Tells, once the body has ended, why what it gave is not to be stored, if it is not. */
  readonly refuse?: (() => Refusal | undefined) | undefined;
  /** Makes what is returned of the result in the turn in which it is there. */
  readonly fix?: (value: unknown) => unknown;
  /** The lease that the call is computed under, if there is one: revoked when it is to be forgotten. */
  readonly lease?: Lease | undefined;
  /** Whether all of a shared value is looked at when the body has ended, and not some of it. */
  readonly thorough?: boolean;
  /** How long results count; for ever, if not given. */
  readonly validity?: Validity | undefined;
}

/** How a body is run, and what is looked at around it. */
interface RunOptions extends ComputeOptions {
  /** Makes sure that files are what the key was made of; absent where there are none. */
  readonly check: ((call: KeyedCall, when: string) => void) | undefined;
  /** Makes of a result what a hit will give; absent where nothing is stored. */
  readonly settle: ((value: unknown) => unknown) | undefined;
}

/** Why what a body gave is not stored: it has no stored form, or is not the result of the key. */
export type Refusal = "unstored" | "unfit";

/** The arguments of a call that is about to run. */
interface TakenArguments {
  /** The arguments. */
  readonly values: readonly unknown[];
  /** The digests of large arrays among them, which nobody can have changed since. */
  readonly parts: ReadonlyMap<object, EncodedPart>;
}

const NO_PARTS: TakenArguments["parts"] = new Map();

/** What is known in the turn in which a body has ended. */
interface Ending {
  /** The arguments as they are stored. */
  readonly args: readonly ArgumentRecord[];
  readonly value: unknown;
  /** When the body began, in milliseconds since 1970, and how long it took. */
  readonly time: CallTime;
  /** The value ready to be stored, or why it is not. */
  readonly encoded: EncodedValue | Refusal;
}

/**
 * Runs the body of a call and remembers what it returned.
 *
 * Arguments are stored before the body runs, which may change them, and compared with the key: a
 * record must not say that a result is that of something else. The result is encoded in the turn in
 * which it is there, before anybody else's code can change it, and stored before the record, so that
 * a record never names a value that is not there. Nothing is remembered when the body throws.
 *
 * @throws {ChangedArgumentError} When an argument is not what the key was made of; the body does not
 * run.
 */
export async function computeUnleased(
  cache: Cache,
  call: KeyedCall,
  body: RunBody,
  options: ComputeOptions,
): Promise<CallResult> {
  const { warn } = options;
  if (cache.readOnly) {
    const { name } = call.address;
    warn(`Cannot remember a call of "${name}": the cache is read-only; the call runs each time`);
  }
  const encode = cache.readOnly ? undefined : cache.encoder ?? await cache.loadEncoder();
  const settle = encode && (DECODING.loaded ?? await DECODING.load()).settleBytes;
  const check = call.files === undefined && call.reads === undefined
    ? undefined
    : await openCheck(cache, warn);
  const ending = run(cache, call, body, encode, { ...options, check, settle });
  const { args, value, time, encoded } = ending instanceof Promise ? await ending : ending;
  if (typeof encoded === "string") return { value, source: encoded };
  if (encoded.files !== undefined) {
    const { checkOutputs } = await importLater<CachedFiles>("cached");
    const place = { root: options.outputs, args: call.values, warn };
    checkOutputs(call.address.name, encoded.files, place);
  }
  const found = options.metadata();
  const metadata = found instanceof Promise ? await found : found;
  const record = toRecord(call, { args, result: encoded.digest, ...time, metadata });
  const stored = await putResult(cache, encoded, record, options);
  if (stored && call.shared) doubtCall(cache, call, warn);
  return { value, source: stored ? "computed" : "unstored" };
}

async function openCheck(cache: Cache, warn: Warn): Promise<NonNullable<RunOptions["check"]>> {
  const files = await importLater<CachedFiles>("cached");
  const digests = files.fileDigestsOf(cache, warn);
  return (call, when) => {
    files.checkFiles(call, digests, when);
    files.checkReads(call, digests, when);
  };
}

/**
 * Stores the arguments and runs the body. Where the stores and the body answer at once, nobody else runs
 * meanwhile, and no more than one call has arguments of its own.
 */
function run(
  cache: Cache,
  asked: KeyedCall,
  body: RunBody,
  encode: EncodeValue | undefined,
  options: RunOptions,
): MaybePromise<Ending> {
  const { warn, refuse, check, settle, fix = (value) => value } = options;
  const { values, parts } = options.take?.() ?? { values: asked.values, parts: NO_PARTS };
  const call = { ...asked, values };
  check?.(call, "since");
  const runBody = (args: readonly ArgumentRecord[]): MaybePromise<Ending> => {
    const begun = performance.now();
    return whenSettled(body(values), (value): Ending => {
      const time = CLOCK.end(begun, call.since);
      check?.(call, "while its body ran");
      const refused = refuse?.();
      const mayChange = call.shared === true || call.kept !== undefined;
      const fit = refused !== "unfit" && (!mayChange || isUnchanged(call, options));
      const encoded = fit ? refused ?? encodeResult(call, value, encode, warn) : "unfit";
      // What is remembered is given as a hit will give it.
      const isPlain = typeof encoded === "string" || encoded.kind === VALUE_KIND.cbor;
      const given = isPlain || settle === undefined ? value : settle(value);
      return { args, value: fix(given), time, encoded };
    });
  };
  if (encode === undefined) {
    for (const argument of call.args) checkArgument(call, argument, parts);
    return runBody(call.args);
  }
  const stored = options.storeArguments ?? "small";
  const storing = storeArguments(cache, call, encode, { stored, warn, parts });
  return storing instanceof Promise ? storing.then(runBody) : runBody(storing);
}

function encodeResult(
  { address: { name } }: KeyedCall,
  value: unknown,
  encode: EncodeValue | undefined,
  warn: Warn,
): EncodedValue | Refusal {
  if (encode === undefined) return "unstored";
  try {
    return encode(value, { root: "result" });
  } catch (error) {
    // What a task says that it has written is there, or the task has failed.
    if (error instanceof FileError) throw error;
    warn(`Cannot store the result of "${name}": the call is not remembered`, error);
    return "unstored";
  }
}

/** Stores the result, then the record; tells whether both are there. */
async function putResult(
  cache: Cache,
  encoded: EncodedValue,
  record: CallRecord,
  { warn, lease }: ComputeOptions,
): Promise<boolean> {
  const { task: name } = record;
  try {
    await cache.stores.values.put(encoded);
  } catch (error) {
    warn(`Cannot store the result of "${name}": the call is not remembered`, error);
    return false;
  }
  try {
    return await cache.putRecord(record, lease) !== false;
  } catch (error) {
    warn(`Cannot record a call of "${name}": it is not remembered`, error);
    return false;
  }
}

/** How arguments are stored. */
interface StoreOptions extends Pick<ComputeOptions, "warn">, Pick<TakenArguments, "parts"> {
  readonly stored: StoredArguments;
}

/** Stores the arguments that count, each once it is known to be what the key was made of. */
function storeArguments(
  cache: Cache,
  call: KeyedCall,
  encode: EncodeValue,
  { stored: which, warn, parts }: StoreOptions,
): MaybePromise<ArgumentRecord[]> {
  const { address: { name }, args } = call;
  const stored: ArgumentRecord[] = [];
  const puts: Promise<void>[] = [];
  const leaveOut = (index: number, record: ArgumentRecord, error: unknown) => {
    warn(`Cannot store an argument of "${name}": its record keeps the digest only`, error);
    stored[index] = record;
  };
  for (const [index, record] of args.entries()) {
    const { position } = record;
    const value = countedValue(call, position);
    // A function that has a digest is a task, which is code: there is nothing of it to store.
    if (which === "none" || typeof value === "function") {
      checkArgument(call, record, parts);
      stored.push(record);
      continue;
    }
    try {
      const encoded = encode(value, { root: `args[${position}]`, parts });
      if (encoded.digest !== record.digest) checkArgument(call, record, parts);
      if (which === "small" && sizeOf(encoded) > SMALL_BYTES) {
        stored.push(record);
        continue;
      }
      const put = cache.stores.values.put(encoded);
      stored.push({ ...record, value: encoded.digest });
      if (put instanceof Promise) puts.push(put.catch((error) => leaveOut(index, record, error)));
    } catch (error) {
      if (error instanceof ChangedArgumentError) throw error;
      checkArgument(call, record, parts);
      leaveOut(index, record, error);
    }
  }
  return puts.length === 0 ? stored : Promise.all(puts).then(() => stored);
}

function sizeOf({ bytes, parts }: EncodedValue): number {
  return parts.reduce((size, part) => size + part.bytes.length, bytes.length);
}

/**
 * Has a call that was remembered be forgotten if somebody turns out to have written into a shared value
 * that it had.
 *
 * @param call The call.
 * @param warn Told when it cannot be forgotten.
 */
export function doubtCall(
  cache: Cache,
  { key, values, address: { name } }: Pick<KeyedCall, "key" | "values" | "address">,
  warn: Warn,
): void {
  const forget = async () => {
    try {
      await cache.evict(key);
    } catch (error) {
      warn(`Cannot forget a call of "${name}", whose shared argument was written to`, error);
    }
  };
  for (const memory of memoriesIn(values)) MemoryGuard.of(memory).remembered(() => void forget());
}
