/**
 * What only calls that are to be remembered need; loaded with the first of them.
 *
 * @module
 */
import {
  CancelledError,
  ChangedArgumentError,
  ExecutorShutdownError,
  ScopeClosedError,
} from "../base/errors.ts";
import { importLater } from "../base/lazy_import.ts";
import { nextTurn } from "../base/abortable.ts";
import type { Warn } from "../base/warning.ts";
import { type Cache, RecordCheck } from "../cache/cache.ts";
import { CLOCK } from "../cache/flights.ts";
import {
  type CallResult,
  getOrCompute,
  isOfExecutor,
  lookUp,
  type Refusal,
  type RunBody,
  sharingOf,
} from "../cache/get_or_compute.ts";
import type { KeyedCall, KeyedRead } from "../call/call_key.ts";
import type { CallNotes, Refresh, Scope } from "../scope/scope.ts";
import type { Found } from "../store/stores.ts";
import { toPart, UnreadFile, writeExact } from "../value/digest/digest_value.ts";
import { pathTo } from "../value/digest/refusal.ts";
import { pinShared } from "../value/share.ts";
import type { FileHandle } from "../value/file/file_handle.ts";
import type { EncodedPart } from "../value/value.ts";
import {
  arePrimitive,
  type BufferParts,
  type BufferTools,
  findStandIns,
  freezeArguments,
  type FrozenArguments,
  type OwnArguments,
} from "./call_arguments.ts";
import {
  computeCall,
  type ComputeCallOptions,
  findCallers,
  noteCall,
  refuseRecursion,
  toRecordMetadata,
} from "./compute_call.ts";
import { definitionOf, type TaskDefinition } from "./definition.ts";
import { type CallStatus, Future } from "./future.ts";

/** What looks at files: loaded with the first that is an argument. */
type CachedFiles = typeof import("../cache/cached_files.ts");
type KeepFailure = typeof import("../cache/keep_failure.ts");

export { lookUp, toRecordMetadata };

/** A call whose futures have been awaited. */
export interface ReadyCall {
  /** The task. */
  readonly definition: TaskDefinition;
  /** The scope that the call was made in. */
  readonly scope: Scope;
  /** The arguments. */
  readonly args: readonly unknown[];
  /** The same as they were when the call was made, if that matters and they might change. */
  readonly frozen?: FrozenArguments | undefined;
  /** What the task reads by name, once that was looked at. */
  readonly reads?: readonly KeyedRead[];
  /** Whether there are shared values among the arguments, which the body gets in their places. */
  readonly shared?: boolean | undefined;
  /** Has this call run though it is known. */
  readonly refresh?: Refresh | undefined;
  /** Told when the body starts; its cancellation ends the wait for the result. */
  readonly status: CallStatus;
  /** How its result is remembered, if it is to be. */
  readonly remembered?: RememberedCall;
}

/** A call that has a key, when its body is to run. */
export interface RememberedCall {
  /** The cache that is to have the result. */
  readonly cache: Cache;
  /** The call with its key. */
  readonly call: KeyedCall;
  /** Whether it is computed under the lease of its key; if not, others may compute it too. */
  readonly leased: boolean;
  /** Takes what is noted of it while its body runs here. */
  readonly notes: CallNotes;
  /**
   * Takes the lease, runs the body and stores the result: here, and not before a worker is free for
   * the body, as others wait for the lease.
   */
  compute(body: RunBody, options?: BodyOptions): Promise<CallResult>;
}

/** How the body of a call that is remembered is run. */
export interface BodyOptions extends Pick<ComputeCallOptions, "refuse" | "noted"> {
  /** Whether the body may change its arguments, and gets some of its own: those sent to a worker are. */
  readonly copies?: boolean;
}

/** Where and how the bodies of calls run. */
export interface CallRunner {
  /**
   * Runs the body of a call. One that is to be remembered is computed by its own `compute`, which is
   * given the body, unless a worker can do that: it opens the cache by itself.
   *
   * @returns What the body returned; of a call that is to be remembered, a `CallResult`.
   */
  run(ready: ReadyCall): unknown;
}

/**
 * Tells whether the key of a call can be made at once: its task was read, and so were those that are
 * arguments.
 *
 * @returns Whether it can.
 */
function isKeyable(definition: TaskDefinition, args: readonly unknown[]): boolean {
  return definition.profile !== undefined && (arePrimitive(args) || !args.some(isUnread));
}

/**
 * Reads what must be read before the key of a call can be made.
 *
 * @param warn Told what cannot be seen of code.
 * @returns Why the call can have no key; nothing when it can.
 */
export async function makeKeyable(
  definition: TaskDefinition,
  args: readonly unknown[],
  warn: Warn,
): Promise<Unreadable | undefined> {
  for (const one of [definition, ...args.filter(isUnread).map(definitionOf)]) {
    try {
      await one?.readProfile();
      for (const warning of one?.takeWarnings() ?? []) warn(warning, undefined, false);
    } catch (cause) {
      const whose = one === definition ? "its code" : `the code of its argument "${one?.name}"`;
      return { reason: `${whose} cannot be read`, cause };
    }
  }
  return undefined;
}

/** Why a call has no key. */
interface Unreadable {
  /** What is the matter. */
  readonly reason: string;
  /** What was thrown. */
  readonly cause: unknown;
}

function isUnread(argument: unknown): boolean {
  return definitionOf(argument)?.unread ?? false;
}

/**
 * Makes the key of a call that is keyable.
 *
 * @param warn Told why the call has no key.
 * @param parts The digests of large arrays that are known; those that are made are added.
 * @param reads What the task reads by name holds now.
 * @returns The call, or `undefined` when it cannot be remembered; `"unread"` when there are files among
 * the arguments of which nobody has settled yet what they stand for.
 */
export function prepareCall(
  definition: TaskDefinition,
  args: readonly unknown[],
  warn: Warn,
  parts?: Map<object, EncodedPart>,
  reads?: readonly KeyedRead[],
): KeyedCall | "unread" | undefined {
  const { profile } = definition;
  if (profile === undefined) return undefined;
  if (reads === undefined && (definition.reads !== undefined || args.some(readsByName))) {
    return "unread";
  }
  definition.checkNames(profile);
  const missing = definition.missingParameter(profile, args);
  if (missing !== undefined) {
    return warnOf(definition, `"${missing}" must be given`, undefined, warn);
  }
  try {
    return definition.toKeyedCall(args, parts, reads);
  } catch (error) {
    if (error instanceof UnreadFile) return "unread";
    if (error instanceof ScopeClosedError) throw error;
    // What the caller's own getters and methods throw is no reason to lose the result, either.
    return warnOf(definition, "an argument has no digest", error, warn);
  }
}

/**
 * Makes the key of a call that is keyable, files among its arguments included.
 *
 * @param arguments_ The arguments as they were when the call was made.
 * @param warn Told why the call has no key.
 * @param scope Whose cache remembers what files were.
 * @returns The call, or `undefined` when it cannot be remembered.
 * @throws {FileError} When a file cannot be read.
 */
export async function prepareSettled(
  definition: TaskDefinition,
  { values, parts, files }: Pick<FrozenArguments, "values" | "parts" | "files">,
  warn: Warn,
  scope: Scope,
): Promise<KeyedCall | undefined> {
  const call = prepareCall(definition, values, warn, new Map(parts));
  if (call !== "unread") return call;
  const reads = await readFiles(scope.cache, definition, { args: values, files }, scope.warn);
  const settled = prepareCall(definition, values, warn, new Map(parts), reads);
  return settled === "unread" ? undefined : settled;
}

/** Settles what files among arguments stand for, and looks at what the task reads by name. */
async function readFiles(
  cache: Cache | undefined,
  { reads }: TaskDefinition,
  { args, files }: { readonly args: readonly unknown[]; readonly files: readonly FileHandle[] },
  warn: Warn,
): Promise<readonly KeyedRead[] | undefined> {
  const { fileDigestsOf, settleFiles, toKeyedReads } = await importLater<CachedFiles>("cached");
  const digests = fileDigestsOf(cache, warn);
  settleFiles(files, digests);
  const given = args.flatMap((value) => definitionOf(value)?.reads ?? []);
  if (reads === undefined && given.length === 0) return undefined;
  const { inputs = [], env = [], called = [] } = reads ?? {};
  const others = [...called, ...given.flatMap((one) => [one, ...one.called])];
  return toKeyedReads({ inputs, env, called: others }, digests);
}

/** Whether a value is a task that reads something by name. */
function readsByName(value: unknown): boolean {
  return typeof value === "function" && definitionOf(value)?.reads !== undefined;
}

/** Tells why a call is not remembered. */
function warnOf(
  { name }: TaskDefinition,
  reason: string,
  cause: unknown,
  warn: Warn,
): undefined {
  warn(`Cannot remember a call of "${name}": ${reason}; the call runs anyway`, cause);
}

/** How large buffers are digested. */
export const BUFFER_TOOLS: BufferTools = { toPart, write: writeExact, pathTo };

/**
 * Answers a call through a cache: the key is made, and the cache answers or the runner runs the body.
 *
 * Before anything is waited for, the arguments are either digested, looked up and found, or frozen:
 * a hit need not copy them.
 *
 * @param runner Runs the body.
 * @returns The result, at once where the cache knows it at once.
 */
export function rememberCall(cache: Cache, ready: ReadyCall, runner: CallRunner): unknown {
  const { definition, args } = ready;
  if (isKeyable(definition, args)) return rememberKeyable(cache, ready, runner);
  const frozen = freeze(ready);
  if (frozen === undefined) return runner.run(ready);
  return makeKeyable(definition, args, ready.scope.warn).then((unreadable) => {
    frozen.frozen?.endTurn();
    if (unreadable === undefined) return rememberKeyable(cache, frozen, runner);
    warnOf(definition, unreadable.reason, unreadable.cause, ready.scope.warn);
    return runner.run(toPlain(frozen));
  });
}

function rememberKeyable(cache: Cache, ready: ReadyCall, runner: CallRunner): unknown {
  const { definition, args, scope, status, frozen, reads } = ready;
  frozen?.refuseMoved(definition.name);
  const parts = arePrimitive(args) ? undefined : new Map<object, EncodedPart>(frozen?.parts);
  const prepared = prepareCall(definition, args, scope.warn, parts, reads);
  if (prepared === "unread") return rememberFiles(cache, ready, runner, parts);
  if (prepared === undefined) return runner.run(toPlain(ready));
  status.keyed(prepared.key);
  if (scope.notes !== undefined) noteCall(scope.notes, prepared.key);
  if (scope.chain !== undefined) refuseRecursion(definition.name, prepared.key, scope.chain);
  const { name, validity } = definition;
  const { warn, outputs } = scope;
  const refresh = ready.refresh ?? scope.refresh;
  const call = refresh === undefined ? prepared : { ...prepared, since: sinceOf(refresh) };
  const check = RecordCheck.of(call, { name, warn, validity }, status);
  const found = lookUp(cache, call, { name, warn, outputs, judge: check ?? status });
  const asked = { cache, call, runner, check };
  // A hit that the cache knows at once is answered without a tick of any promise.
  if (!(found instanceof Promise)) return answerFound(found, ready, asked, parts);
  const fixed = freeze(ready, parts);
  if (fixed === undefined) return runner.run(ready);
  return found.then((found) => {
    fixed.frozen?.endTurn();
    return answerFound(found, fixed, asked);
  });
}

/** Only what begins from now on counts, and so does the same for all that is refreshed together. */
function sinceOf(refresh: Refresh): number {
  return refresh.since ??= CLOCK.mark();
}

/** A call that was looked up. */
interface AskedCall {
  readonly cache: Cache;
  readonly call: KeyedCall;
  readonly runner: CallRunner;
  /** What has told whether the record counts; absent where all do. */
  readonly check: RecordCheck | undefined;
}

/** What files stand for, among the arguments or read by name, is settled once for the whole call. */
function rememberFiles(
  cache: Cache,
  ready: ReadyCall,
  runner: CallRunner,
  parts: BufferParts | undefined,
): unknown {
  const fixed = freeze(ready, parts);
  if (fixed === undefined) return runner.run(ready);
  const { args, definition, frozen, scope: { warn } } = fixed;
  const files = frozen?.files ?? [];
  return readFiles(cache, definition, { args, files }, warn).then((reads) => {
    frozen?.endTurn();
    return rememberKeyable(cache, reads === undefined ? fixed : { ...fixed, reads }, runner);
  });
}

function answerFound(
  found: Found<unknown>,
  ready: ReadyCall,
  { cache, call, runner, check }: AskedCall,
  parts?: BufferParts,
): unknown {
  if (found.hit) {
    if (check?.stale) revalidate(cache, call, ready, runner, parts);
    cache.count(true);
    ready.status.recalled(true);
    return found.value;
  }
  const fixed = freeze(ready, parts);
  if (fixed === undefined) return runner.run(ready);
  const missed = check?.rejected === undefined ? call : { ...call, rejected: check.rejected };
  const result = computeMissed(cache, withValues(missed, fixed), fixed, runner);
  fixed.frozen?.endTurn();
  // A file that has changed is the same one the next time.
  if (ready.frozen !== undefined || (fixed.frozen?.filed.length ?? 1) > 0) return result;
  return result.catch((error) => {
    // They were digested, then copied, and something in them is another each time it is read. The
    // copy is not.
    const { frozen } = fixed;
    const stable = frozen?.lent.length === 0 && frozen.kept.length === 0;
    if (!(error instanceof ChangedArgumentError) || !stable) throw error;
    return rememberKeyable(cache, fixed, runner);
  });
}

/**
 * Computes a result anew that was given though it has expired: once, whoever asks meanwhile, and when
 * the caller has gone on.
 */
function revalidate(
  cache: Cache,
  call: KeyedCall,
  ready: ReadyCall,
  runner: CallRunner,
  parts?: BufferParts,
): void {
  const { definition: { name }, scope, status: { tracker } } = ready;
  const { revalidating } = sharingOf(cache).flights;
  if (cache.readOnly || revalidating.has(call.key)) return;
  const fixed = freeze(ready, parts);
  if (fixed === undefined) return;
  revalidating.add(call.key);
  fixed.frozen?.endTurn();
  // Nobody around it waits for it, nor can give it up.
  const { chain: _, control: __, notes: ___, ...own } = scope;
  const run = async (status: CallStatus) => {
    await nextTurn();
    const ready = { ...fixed, status, scope: { ...own, singleFlight: true } };
    return await computeMissed(cache, withValues(call, fixed), ready, runner);
  };
  const future = new Future(name, run, tracker);
  const end = () => void revalidating.delete(call.key);
  future.then(end, (cause) => {
    end();
    if (isOfExecutor(cause)) return;
    scope.warn(
      `Cannot compute a stale result of "${name}" anew: the next call tries`,
      cause,
      false,
    );
  });
}

async function computeMissed(
  cache: Cache,
  call: KeyedCall,
  ready: ReadyCall,
  runner: CallRunner,
): Promise<unknown> {
  const { definition, scope, status } = ready;
  const { name, validity } = definition;
  const { warn, singleFlight, leaseTimeout, outputs } = scope;
  const metadata = toRecordMetadata(scope);
  const { value, source } = await getOrCompute(cache, call, {
    name,
    warn,
    outputs,
    validity,
    singleFlight,
    leaseTimeout,
    metadata,
    callers: () => findCallers(scope.chain, cache.id),
    missed: true,
    call: status,
    waitFor: (call) => status.waitFor(call),
    signal: () => status.signal,
    givenUp: () => status.aborted || scope.control?.aborted === true,
    compute: async (leased) => {
      const begun = performance.now();
      const notes: CallNotes = {};
      const remembered: RememberedCall = {
        cache,
        call,
        leased,
        notes,
        compute: (body, { copies = false, refuse, noted } = {}) =>
          computeCall(cache, { definition, scope, call, leased, notes }, body, {
            ...{ take: copies ? toTake(call, ready.frozen) : undefined, thorough: copies, noted },
            refuse: () => refuse?.() ?? refuseOtherCode(ready),
          }),
      };
      try {
        // What `compute` gives, or a worker in its place.
        const result = await runner.run({ ...ready, remembered }) as CallResult;
        if (result.source === "busy") status.waits();
        return result;
      } catch (error) {
        if (keepsFailure(cache, ready, error)) {
          const { output, attempts } = status.trace;
          const storeArguments = definition.storeArguments ?? scope.storeArguments;
          const kept = { error, begun, attempts, output, metadata, storeArguments, warn };
          await noteFailure("keep", ready, ({ keepFailure }) => keepFailure(cache, call, kept));
        }
        throw error;
      }
    },
  });
  const hit = source === "cache";
  // What has failed before has succeeded now.
  if (!hit && cache.stores.failures?.seen.has(call.key) && !cache.readOnly) {
    await noteFailure("clear", ready, ({ clearFailure }) => clearFailure(cache, call));
  }
  cache.count(hit);
  status.recalled(hit);
  return value;
}

/** What is imported while the body runs may be other code than its key was made of. */
function refuseOtherCode({ definition, args, scope }: ReadyCall): Refusal | undefined {
  const tasks = [definition, ...args.map(definitionOf)];
  const changed = tasks.map((one) => one?.findChangedCode()).find((url) => url !== undefined);
  if (changed === undefined) return undefined;
  scope.warn(
    `Cannot remember calls of "${definition.name}": "${changed}" has changed since their keys were ` +
      "made, and is imported while they run; start the program again",
  );
  return "unfit";
}

/** Whether the failure of a call is kept: not one that says nothing of the call itself. */
function keepsFailure(cache: Cache, { scope, status }: ReadyCall, error: unknown): boolean {
  const { stores: { failures, description }, readOnly } = cache;
  const isOnExecutor = status.tracker !== undefined || scope.nesting !== undefined;
  const isUsual = isOnExecutor && failures !== undefined && description !== undefined;
  const { keepFailures = isUsual } = scope;
  if (!keepFailures || readOnly || status.aborted || scope.control?.aborted === true) return false;
  return !(error instanceof CancelledError || error instanceof ExecutorShutdownError ||
    error instanceof ChangedArgumentError);
}

/** The call ends as it would by itself, whatever is wrong with the failures that are kept. */
async function noteFailure(
  verb: "keep" | "clear",
  { definition: { name }, scope: { warn } }: ReadyCall,
  note: (failures: KeepFailure) => Promise<void>,
): Promise<void> {
  try {
    await note(await importLater<KeepFailure>("failures"));
  } catch (cause) {
    warn(`Cannot ${verb} the failure of "${name}": nothing else is lost`, cause, false);
  }
}

/** The same call with its arguments frozen, if they are not; `undefined` when they cannot be read. */
function freeze(ready: ReadyCall, parts?: BufferParts): ReadyCall | undefined {
  const { definition, args, scope, frozen } = ready;
  if (frozen !== undefined || arePrimitive(args)) return ready;
  const options = { tools: BUFFER_TOOLS, ...(parts !== undefined && { parts }) };
  const fixed = freezeArguments(definition.name, args, scope.warn, options);
  if (fixed === undefined) return undefined;
  return { ...ready, args: fixed.values, frozen: fixed, shared: fixed.holdsShared };
}

function toPlain(ready: ReadyCall): ReadyCall {
  if (ready.frozen !== undefined) return { ...ready, args: ready.frozen.toPlain() };
  const { shared } = findStandIns(ready.args);
  return shared ? { ...ready, args: pinShared(ready.args), shared } : ready;
}

/** The call with the arguments that its body gets. */
function withValues(call: KeyedCall, { args, frozen }: ReadyCall): KeyedCall {
  if (frozen === undefined) return call;
  const { kept, filed, holdsShared } = frozen;
  return {
    ...call,
    values: withGiven(call, args, frozen),
    ...(kept.length > 0 && { kept }),
    ...(filed.length > 0 && { files: filed }),
    ...(holdsShared && { shared: true }),
  };
}

/** Puts arguments that do not count for the key back as they were given. */
function withGiven(
  { args }: KeyedCall,
  values: readonly unknown[],
  { given, holdsShared }: FrozenArguments,
): readonly unknown[] {
  // Handles are the call's own.
  if (holdsShared) return values;
  const counted = new Set(args.map(({ position }) => position));
  return values.map((value, index) => counted.has(index) ? value : given[index]);
}

/**
 * So many bytes of large buffers, which the body gets as its own, are copied when the call is made. More
 * are copied when the body begins, and compared: hundreds of calls may be made with them at once.
 */
const COPIED_AT_ONCE = 2 ** 23;

/** Takes the arguments of a call for its body, which may change them. */
function toTake(
  call: KeyedCall,
  frozen: FrozenArguments | undefined,
): (() => OwnArguments) | undefined {
  if (frozen === undefined) return undefined;
  const take = () => {
    const { values, parts } = frozen.own(call.address.name);
    return { values: withGiven(call, values, frozen), parts };
  };
  if (frozen.sharedBytes > COPIED_AT_ONCE) return take;
  const taken = take();
  return () => taken;
}
