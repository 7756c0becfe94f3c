import { type CallResult, doubtCall, type ResultSource } from "../../cache/get_or_compute.ts";
import type { TaskAddress } from "../../call/call_record.ts";
import {
  digestFunction,
  type HandedCode,
  type SourceWitness,
  SourceWitnesses,
} from "../../call/module_sources.ts";
import { runInScope } from "../../scope/current_scope.ts";
import { type CallNotes, describeScope, isFunctionOfHere, type Scope } from "../../scope/scope.ts";
import {
  type CallRunner,
  IN_THIS_ISOLATE,
  type ReadyCall,
  type RememberedCall,
} from "../../task/call_task.ts";
import {
  findTask,
  refuseRepl,
  sourceOf,
  type TaskDefinition,
  tasksOf,
} from "../../task/definition.ts";
import type { CancelSignal } from "../../base/abortable.ts";
import { withDefaults } from "../../base/check_options.ts";
import type { CallDemand, Comforts } from "../../task/comforts.ts";
import { CallAnswer, type CallStatus, type OnAbort, type SentCall } from "../../task/future.ts";
import { type Carried, fromCarried } from "../../value/carry_value.ts";
import { toThrown } from "../../value/codec/thrown_value.ts";
import { holdsSpecial } from "../../value/holds_special.ts";
import { isShared, memoryOf, type SharedMemory } from "../../value/share.ts";
import type { Digest } from "../../value/value.ts";
import type { CallRequest, Outcome, ValueOrigin } from "../../worker/worker.ts";
import type { CallOptions } from "../call_options.ts";
import type { CallObserver, OutcomeListener } from "../dispatch/call.ts";
import { noteAttempts } from "../../task/retries.ts";
import {
  type CallCheck,
  type CallContext,
  type CallFlags,
  LACKS,
  type Remembering,
  toCallContext,
  toRemoteCall,
} from "../wire/call_context.ts";
import { encodeTasks, type TaskReference, type TaskReferences } from "../wire/task_arguments.ts";

/** How a call is made, by what its task says and by what its caller does. */
type MadeOptions = CallOptions & Pick<Comforts, "demand">;

/** The status of a call together with how it is made, as the dispatcher asks for them. */
class OptionedCall implements CallObserver {
  readonly deadline: number | undefined;
  readonly onAbort: OnAbort | undefined;
  readonly gracePeriod: number | undefined;
  readonly retries: CallOptions["retries"];
  readonly demand: CallDemand | undefined;
  readonly #status: CallStatus;

  /**
   * Joins the two.
   *
   * @param status Where the call stands.
   * @param options How it is made.
   */
  constructor(status: CallStatus, options: MadeOptions) {
    this.#status = status;
    this.deadline = options.deadline;
    this.onAbort = options.onAbort;
    this.gracePeriod = options.gracePeriod;
    this.retries = options.retries;
    this.demand = options.demand;
  }

  get priority(): number {
    return this.#status.priority;
  }

  get cancellation(): CancelSignal {
    return this.#status.cancellation;
  }

  sent(call: SentCall): void {
    this.#status.sent(call);
  }

  onMessage(kind: string, data: unknown): void {
    this.#status.onMessage(kind, data);
  }
}

/** The answer to a call that a dispatcher runs. */
class RunAnswer extends CallAnswer implements OutcomeListener {
  readonly #scope: Scope;

  /**
   * Creates an answer that is not there yet.
   *
   * @param scope The scope of the call, which is told of warnings.
   */
  constructor(scope: Scope) {
    super();
    this.#scope = scope;
  }

  resolve(outcome: Outcome): void {
    const plain = outcome.type === "value" && outcome.warnings.length === 0;
    if (plain && !outcome.carried) this.succeed(outcome.value);
    // Who is warned, and classes of errors, are the user's: they run when the dispatcher is done.
    else queueMicrotask(() => this.#unwrap(outcome));
  }

  reject(reason: unknown): void {
    this.fail(reason);
  }

  #unwrap(outcome: Outcome): void {
    let value: unknown;
    try {
      ({ value } = unwrapOutcome(outcome, this.#scope));
    } catch (error) {
      return this.fail(error);
    }
    this.succeed(value);
  }
}

type ValueOutcome = Extract<Outcome, { type: "value" }>;

/** Brings calls to workers. */
interface Dispatches {
  /**
   * Runs a call on a worker.
   *
   * @param observer Gives the call up, and is told when it starts.
   * @param listener Told how it ended.
   */
  dispatch(request: CallRequest, observer: CallObserver, listener: OutcomeListener): void;
}

/** Options of {@linkcode WorkerRunner}. */
interface RunnerOptions {
  /**
   * Whether arguments that are shared values may go beside the others.
   *
   * @default {true}
   */
  readonly splits?: boolean;
  /**
   * Whether workers read large arguments out of the cache, where they are in it: to send them would take
   * longer.
   *
   * @default {false}
   */
  readonly reads?: boolean;
  /**
   * Whether workers are handed the code of the tasks that a task may call, as they may not read it.
   *
   * @default {false}
   */
  readonly handsCode?: boolean;
}

/** Runs the bodies of calls on workers. */
export class WorkerRunner implements CallRunner {
  readonly #dispatcher: Dispatches;
  readonly #loadsCode: boolean;
  readonly #splits: boolean;
  readonly #reads: boolean;
  readonly #handsCode: boolean;

  /**
   * Creates a runner.
   *
   * @param dispatcher Brings calls to workers.
   * @param loadsCode Whether the workers import the code of tasks by themselves.
   * @param options How arguments may go.
   */
  constructor(
    dispatcher: Dispatches,
    loadsCode: boolean,
    { splits = true, reads = false, handsCode = false }: RunnerOptions = {},
  ) {
    this.#handsCode = handsCode;
    this.#reads = reads;
    this.#dispatcher = dispatcher;
    this.#loadsCode = loadsCode;
    this.#splits = splits;
  }

  /** As the interface says; the call may be made with options. */
  run(ready: ReadyCall, given?: CallOptions): unknown {
    const { definition, remembered, scope } = ready;
    const { comforts } = definition;
    const options = comforts === undefined
      ? given
      : withDefaults<MadeOptions>(comforts, given ?? {});
    if (definition.isOfRepl) {
      const message = `${refuseRepl(definition.name)}; it runs here meanwhile`;
      scope.warn(message, undefined, false);
      return IN_THIS_ISOLATE.run(ready);
    }
    if (remembered === undefined) {
      const answer = new RunAnswer(scope);
      this.#dispatch(ready, toFlags(options), answer, options);
      return answer;
    }
    return remembered.cache.secretDescription === undefined
      ? this.#computeHere(ready, remembered, options)
      : this.#computeThere(ready, remembered, options);
  }

  /** A cache that cannot travel is filled from here; the worker compares what it got with the key. */
  #computeHere(
    ready: ReadyCall,
    remembered: RememberedCall,
    options: MadeOptions | undefined,
  ): Promise<CallResult> {
    let source: ValueOrigin | undefined;
    const body = async () => {
      const outcome = await this.#send(ready, { check: toCheck(ready, remembered) }, options);
      source = outcome.source;
      return outcome.value;
    };
    const refuse = () => source === "unfit" || source === "unstored" ? source : undefined;
    // What a worker says is what `WorkerCalls` has made.
    const noted = () => typeof source === "object" ? source.notes as CallNotes : undefined;
    return remembered.compute(body, { refuse, noted });
  }

  /** The worker takes the lease when it comes to the call, and stores the result. */
  async #computeThere(
    ready: ReadyCall,
    remembered: RememberedCall,
    options: MadeOptions | undefined,
  ): Promise<CallResult> {
    const { call, leased } = remembered;
    warnOfFunctions(ready);
    const own = { call: toRemoteCall(call, leased) };
    if (ready.shared === true) await storeShared(remembered, ready);
    const stored = this.#reads ? findStored(ready, remembered) : [];
    const sent = stored.length === 0
      ? await this.#send(ready, own, options)
      : await this.#sendReading(ready, { ...own, stored }, options);
    const { value, source = "unstored" } = sent;
    // The worker looks, too, unless it is killed before.
    if (ready.shared === true && source === "computed") {
      doubtCall(remembered.cache, { ...call, values: ready.args }, ready.scope.warn);
    }
    // What a worker says is what `WorkerCalls` has made.
    return { value, source: source as ResultSource };
  }

  /** What a worker does not find is sent after all. */
  async #sendReading(
    ready: ReadyCall,
    { stored, ...own }: Remembering & Required<Pick<CallContext, "stored">>,
    options: MadeOptions | undefined,
  ): Promise<ValueOutcome> {
    const args = [...ready.args];
    for (const [position] of stored) args[position] = undefined;
    const outcome = await this.#send({ ...ready, args }, { ...own, stored }, options);
    return outcome.source === LACKS ? await this.#send(ready, own, options) : outcome;
  }

  async #send(
    ready: ReadyCall,
    own: Remembering & Pick<CallContext, "stored">,
    options: MadeOptions | undefined,
  ): Promise<ValueOutcome> {
    const found = this.#loadsCode ? findSources(ready, this.#handsCode) : undefined;
    const sources = found instanceof Promise ? await found : found;
    const flags = {
      ...own,
      ...((ready.frozen?.lent.length ?? 0) > 0 && { lent: true }),
      ...(sources !== undefined && { sources }),
      ...toFlags(options),
    };
    const result = Promise.withResolvers<Outcome>();
    this.#dispatch(ready, flags, result, options);
    return unwrapOutcome(await result.promise, ready.scope);
  }

  #dispatch(
    { definition: { address }, scope, args, status, shared }: ReadyCall,
    flags: CallFlags | undefined,
    listener: OutcomeListener,
    options: MadeOptions | undefined,
  ): void {
    const { priority } = status;
    const split = shared === true && this.#splits ? splitShared(args) : undefined;
    const own = split === undefined ? flags : { ...flags, shared: split.positions };
    const context = toCallContext(scope, priority > 0 ? { ...own, priority } : own);
    const observer = options === undefined ? status : new OptionedCall(status, options);
    const request = { module: address.module, task: address.name, args, context };
    if (split !== undefined) {
      const { rest, memories } = split;
      const sent = { ...request, args: rest, shared: memories };
      return this.#dispatcher.dispatch(sent, observer, listener);
    }
    const encoded = holdsSpecial(args)
      ? encodeRequest(request, priority > 0 ? { ...scope, priority } : scope)
      : request;
    this.#dispatcher.dispatch(encoded, observer, listener);
  }
}

/** Where a worker records a call, it has only what it can find. */
function warnOfFunctions({ scope: { collect = [], warn } }: ReadyCall): void {
  for (const { name } of collect.filter(isFunctionOfHere)) {
    warn(
      `Cannot collect "${name}" of calls on workers: it is a plain function; make it a task, which ` +
        "they can find",
      undefined,
      false,
    );
  }
}

/** From this size on an argument is read where it is stored, in bytes. */
const LARGE_ARGUMENT = 2 ** 20;

/** Finds arguments with large arrays that the cache has, such as results of other calls. */
function findStored(
  { frozen }: ReadyCall,
  { cache, call }: RememberedCall,
): readonly (readonly [position: number, digest: Digest])[] {
  const { values } = cache.stores;
  return call.args.flatMap(({ position }) => {
    const digest = frozen?.findStored(position, LARGE_ARGUMENT);
    return digest !== undefined && values.holds?.(digest) ? [[position, digest] as const] : [];
  });
}

/** Arguments of which some are shared values. */
interface SplitArguments {
  /** The others in their places. */
  readonly rest: readonly unknown[];
  readonly positions: NonNullable<CallContext["shared"]>;
  readonly memories: readonly SharedMemory[];
}

/** Takes shared values out of arguments; nothing where something else in them is special, too. */
function splitShared(args: readonly unknown[]): SplitArguments | undefined {
  const rest = args.map((value) => isShared(value) ? undefined : value);
  if (holdsSpecial(rest)) return undefined;
  const positions: (readonly [number, string])[] = [];
  const memories = new Set<SharedMemory>();
  for (const [index, value] of args.entries()) {
    if (!isShared(value)) continue;
    const memory = memoryOf(value);
    positions.push([index, memory.id]);
    memories.add(memory);
  }
  return { rest, positions, memories: [...memories] };
}

/** Stores shared values once, so that no worker has to. */
async function storeShared(
  { cache, call: { address: { name } } }: RememberedCall,
  { args, scope: { warn } }: ReadyCall,
): Promise<void> {
  if (cache.readOnly) return;
  for (const value of args) {
    if (!isShared(value)) continue;
    const memory = memoryOf(value);
    if (memory.storedIn.has(cache)) continue;
    memory.storedIn.add(cache);
    try {
      memory.stored = await cache.putValue(value);
    } catch (error) {
      warn(`Cannot store a shared value for "${name}": workers store it themselves`, error);
    }
  }
}

/** A call with a deadline or a rate says when its body starts. */
function toFlags(options: MadeOptions | undefined): CallFlags | undefined {
  const { deadline = Infinity, demand } = options ?? {};
  return deadline === Infinity && demand?.rate === undefined ? undefined : { announce: true };
}

/** What was copied when the call was made is what the worker gets; the rest is looked at there. */
function toCheck({ frozen }: ReadyCall, { call }: RememberedCall): CallCheck {
  const loose = new Set([...frozen?.kept ?? [], ...frozen?.lent ?? []]);
  const digests = call.args.flatMap(({ position, digest }) => {
    const isLoose = loose.has(position) || typeof call.values[position] === "function";
    return isLoose ? [[position, digest] as const] : [];
  });
  return { digests };
}

/** The key is made of the code of tasks among the arguments, too. */
function findSources(
  { definition, args, shared }: ReadyCall,
  hands: boolean,
): SourceWitness | Promise<SourceWitness> {
  const none = shared === true ? splitShared(args) !== undefined : !holdsSpecial(args);
  if (none) return CODE_SOURCES.get(definition, hands);
  const tasks = referencesOf(args, definition.name).flatMap(({ address }) =>
    findTask(address) ?? []
  );
  return Promise.all(tasks.map((task) => CODE_SOURCES.get(task, hands)))
    .then(() => CODE_SOURCES.get(definition, hands));
}

function referencesOf(args: readonly unknown[], name: string): readonly TaskReference[] {
  try {
    return Object.values(encodeTasks(args, name).tasks).flat();
  } catch {
    // Something in them cannot travel: whoever sends them says so.
    return [];
  }
}

function withSources(references: TaskReferences): TaskReferences {
  const entries = Object.entries(references).map(([token, tasks]) => {
    const witnessed = tasks.map((reference) => {
      const sources = CODE_SOURCES.known(reference.address);
      return sources === undefined ? reference : { ...reference, sources };
    });
    return [token, witnessed] as const;
  });
  return Object.fromEntries(entries);
}

function encodeRequest(
  request: CallRequest & { context: CallContext | undefined },
  scope: Scope,
): CallRequest {
  const { args, tasks, callbacks, shared } = encodeTasks(request.args, request.task);
  const context: CallContext = request.context ?? describeScope(scope, undefined);
  const remembered = context.sources !== undefined;
  const references = remembered ? withSources(tasks) : tasks;
  const needs = shared.length > 0 && { needs: shared.map(({ id }) => id) };
  const encoded = {
    ...request,
    args,
    context: { ...context, tasks: references, ...needs },
    ...(shared.length > 0 && { shared }),
  };
  if (callbacks.length === 0) return encoded;
  return {
    ...encoded,
    context: { ...encoded.context, callbacks: true } satisfies CallContext,
    callbacks: callbacks.map((call) => (...args) => runInScope(scope, () => call(...args))),
  };
}

/**
 * Reads how a call ended.
 *
 * @param scope The scope of the call, which is told of warnings.
 * @returns The outcome, when there is a value.
 * @throws What the task threw.
 */
function unwrapOutcome(outcome: Outcome, { warn }: Scope): ValueOutcome {
  for (const warning of outcome.warnings) warn(warning);
  if (outcome.type === "error") {
    throw noteAttempts(toThrown(outcome.error.thrown), outcome.attempts);
  }
  // What a worker says of it is what it has made of it.
  return outcome.carried ? { ...outcome, value: fromCarried(outcome.value as Carried) } : outcome;
}

/**
 * The sources of the tasks that this isolate has loaded, as they were then: the keys that it makes are
 * of that code, and a worker that starts later may find another.
 */
class CodeSources {
  readonly #witnesses = new SourceWitnesses();
  readonly #known = new Map<string, SourceWitness>();
  /** Those that go with the code of the tasks that a task may call. */
  readonly #handed = new WeakMap<TaskDefinition, SourceWitness | Promise<SourceWitness>>();

  /** Gives the witness of a task's module that has one, with the code that was handed over with it. */
  known(address: TaskAddress): SourceWitness | undefined {
    const task = findTask(address);
    const handed = task && this.#handed.get(task);
    return handed === undefined || handed instanceof Promise
      ? this.#known.get(address.module)
      : handed;
  }

  /**
   * Witnesses the sources of a task's module, with the first call that needs it.
   *
   * @param hands Whether the code of the tasks goes with it that the task may call.
   * @returns The witness: at once but for the first time.
   */
  get(task: TaskDefinition, hands: boolean): SourceWitness | Promise<SourceWitness> {
    if (!hands) return this.#witness(task);
    const known = this.#handed.get(task) ?? this.#hand(task);
    this.#handed.set(task, known);
    return known;
  }

  async #hand(task: TaskDefinition): Promise<SourceWitness> {
    const witnessedAt = Date.now();
    const sources = await this.#witness(task);
    const handed = { ...sources, codes: await findCodes(task), witnessedAt };
    this.#handed.set(task, handed);
    return handed;
  }

  #witness({ address: { module }, resolve }: TaskDefinition):
    | SourceWitness
    | Promise<SourceWitness> {
    const known = this.#known.get(module);
    if (known !== undefined) return known;
    const options = resolve === undefined ? {} : { resolve };
    return this.#witnesses.get(module, options).then((files) => {
      const counting = tasksOf(module).filter(({ countsCode }) => countsCode);
      const functions = counting.map(({ name, fn }) =>
        [name, digestFunction(sourceOf(fn))] as const
      );
      const witness = this.#known.get(module) ??
        { ...files, functions: Object.fromEntries(functions) };
      this.#known.set(module, witness);
      return witness;
    });
  }
}

/**
 * The code of a task, and of those that it may call: where that is not read, of all of its module. What
 * cannot be read is left out.
 */
async function findCodes(task: TaskDefinition): Promise<HandedCode[]> {
  const codes: HandedCode[] = [];
  const tasks = new Set([task, ...task.reachesCode ? [] : tasksOf(task.address.module)]);
  // It grows while it is gone over.
  for (const one of tasks) {
    // Whoever calls it is told what fails.
    const read = await one.readProfile().then(() => true, () => false);
    if (!read) continue;
    if (one.toHand !== undefined) codes.push(one.toHand);
    for (const called of one.reached) tasks.add(called);
  }
  return codes;
}

/** What runs in this isolate stays the same for all of its executors. */
export const CODE_SOURCES: CodeSources = new CodeSources();
