import { endOf, type RecordPlan } from "../call/call_query.ts";
import type { CallRecord } from "../call/call_record.ts";
import { LateModule } from "../base/lazy_import.ts";
import { toArrayPart } from "../value/array_part.ts";
import { FileHandle } from "../value/file/file_handle.ts";
import type { Digest, EncodedPart, Payload } from "../value/value.ts";
import { stackFailures, uniteFailures } from "./layered_failures.ts";
import { stackUses, uniteUses } from "./layered_uses.ts";
import { MemoryLeases } from "./memory_stores.ts";
import type {
  CallFeed,
  CallStore,
  Found,
  IsWanted,
  LayersDescription,
  Lease,
  LeaseStore,
  MaybePromise,
  RecordChange,
  Stores,
  StoreStatistics,
  TellDamaged,
  ValueStore,
  ValueSweeper,
} from "./stores.ts";

const COPYING = new LateModule(() => import("./copy_call.ts"));

const MISS: Found<unknown> = { hit: false };

/** How each kind is made of its layers. */
export const LAYERED: Record<LayersDescription["type"], (layers: readonly Stores[]) => Stores> = {
  stack: stackStores,
  union: unionStores,
  readOnly: unionStores,
};

/**
 * Puts stores on top of others: what the first does not have is looked up in those beneath it, and
 * copied into the first; what is new goes to the first.
 *
 * @param layers The stores, at least one.
 * @returns The stores; they can travel if all can.
 */
export function stackStores(layers: readonly Stores[]): Stores {
  const [top] = layers;
  if (top === undefined) throw new TypeError("Cannot stack caches: there is none");
  const { leases, sweeper, readOnly } = top;
  return {
    values: layerValues(layers, (value) => top.values.put(value), top),
    calls: new StackedCalls(layers, top),
    leases,
    layers,
    ...stackFailures(layers),
    ...stackUses(layers),
    ...(sweeper !== undefined && { sweeper }),
    swept: layers.flatMap((layer) => layer.swept ?? [layer]),
    namers: namersOf(top),
    ...(readOnly !== undefined && { readOnly }),
    statistics: () => count(layers),
    resultOf(record, isWanted = ANY) {
      const read = () => top.resultOf?.(record, NONE) ?? readValue(top, record.result);
      return withPieces(firstHit(read, () => rescue(record, layers, isWanted)), layers, top);
    },
    ...describe("stack", layers),
  };
}

/**
 * Reads several stores as one, and changes none of them.
 *
 * @param layers The stores, the first one asked first.
 * @returns The stores; they can travel if all can.
 */
export function unionStores(layers: readonly Stores[]): Stores {
  const values = layerValues(layers, refuse("store a value in"));
  return {
    values,
    calls: uniteCalls(layers),
    layers,
    leases: new MemoryLeases(),
    ...uniteFailures(layers),
    ...uniteUses(layers),
    readOnly: true,
    statistics: () => count(layers),
    resultOf({ key, result }, isWanted = ANY) {
      const find = async () => (await findCall(key, layers, isWanted))?.found ?? MISS;
      return withPieces(firstHit(() => values.get(result), find), layers);
    },
    ...describe(layers.length === 1 ? "readOnly" : "union", layers),
  };
}

/** Looks on where a layer has nothing, or bytes that are no value. */
function firstHit(
  ask: () => MaybePromise<Found<unknown>>,
  next: () => MaybePromise<Found<unknown>>,
): MaybePromise<Found<unknown>> {
  return firstKnown(ask, ({ hit }) => hit, next);
}

/** Asks the next where one does not know, or cannot tell: its error is told of where none of them knows. */
function firstKnown<T>(
  ask: () => MaybePromise<T>,
  isKnown: (answer: T) => boolean,
  next: () => MaybePromise<T>,
): MaybePromise<T> {
  const look = (answer: T): MaybePromise<T> => isKnown(answer) ? answer : next();
  const goOn = async (error: unknown): Promise<T> => {
    const answer = await next();
    if (isKnown(answer)) return answer;
    throw error;
  };
  try {
    const answer = ask();
    if (!(answer instanceof Promise)) return isKnown(answer) ? answer : next();
    return answer.then(look, goOn);
  } catch (error) {
    return goOn(error);
  }
}

/**
 * Has the files of a value take from any layer the pieces that their own one has lost.
 *
 * @param top What is given back a piece that it has lost; it may be read-only.
 */
function withPieces(
  found: MaybePromise<Found<unknown>>,
  layers: readonly Stores[],
  top?: Stores,
): MaybePromise<Found<unknown>> {
  if (found instanceof Promise) return found.then((found) => withPieces(found, layers, top));
  if (!found.hit || found.files === undefined) return found;
  for (const handle of found.files) {
    const state = FileHandle.stateOf(handle);
    const load = (digest: Digest) => state.load?.(digest) ?? loadPiece(digest, layers, top);
    FileHandle.settle(handle, { ...state, load });
  }
  return found;
}

function loadPiece(
  digest: Digest,
  layers: readonly Stores[],
  top: Stores | undefined,
): Payload | undefined {
  for (const layer of layers) {
    const found = readValue(layer, digest);
    // A file is read at once, or not at all.
    if (found instanceof Promise || !found.hit || !(found.value instanceof Uint8Array)) continue;
    const part = toArrayPart(found.value, "Uint8Array");
    if (part.digest !== digest) continue;
    if (top !== undefined && layer !== top && top.readOnly !== true) giveBack(part, top);
    return part;
  }
  return undefined;
}

/** Stores a piece of a file; the file is there all the same if that fails. */
function giveBack(part: EncodedPart, { values }: Stores): void {
  try {
    const put = values.put({ ...part, parts: [] });
    if (put instanceof Promise) put.catch(() => {});
  } catch {
    // The next who reads it tries again.
  }
}

/** Reads a value; what is whole and cannot be decoded is none. */
function readValue({ values }: Stores, digest: Digest): MaybePromise<Found<unknown>> {
  const refuse = (error: unknown): Found<unknown> => {
    if (!(error instanceof SyntaxError)) throw error;
    // What is stored next takes its place.
    values.reject?.(digest);
    return MISS;
  };
  try {
    const found = values.get(digest);
    return found instanceof Promise ? found.catch(refuse) : found;
  } catch (error) {
    return refuse(error);
  }
}

/** A call whose result is there. */
interface KnownCall {
  readonly record: CallRecord;
  /** Where record and value are. */
  readonly stores: Stores;
  readonly found: Found<unknown> & { readonly hit: true };
}

/** Any record counts, or none. */
const [ANY, NONE]: readonly [IsWanted, IsWanted] = [() => true, () => false];

/** Finds a call with its result: each layer may have computed another one for itself. */
async function findCall(
  key: Digest,
  layers: readonly Stores[],
  isWanted: IsWanted,
): Promise<KnownCall | undefined> {
  for (const stores of layers) {
    let found = MISS;
    const isThere = async (record: CallRecord) => {
      if (await isWanted(record)) found = await readValue(stores, record.result);
      return found.hit;
    };
    const first = await stores.calls.get(key);
    if (first === undefined) continue;
    // The first of its layers that has the record need not be the one that has the value.
    const record = await isThere(first) ? first : await stores.calls.findOther?.(key, isThere);
    if (record !== undefined && found.hit) return { record, stores, found };
  }
  return undefined;
}

/**
 * Gives the result of a call of which the first layer has the record and has lost the value, and gives
 * the first layer back what it has lost.
 *
 * @param isWanted Tells which other result of the call would do.
 */
async function rescue(
  record: CallRecord,
  layers: readonly Stores[],
  isWanted: IsWanted,
): Promise<Found<unknown>> {
  const [top, ...others] = layers;
  if (top === undefined) return MISS;
  const below = unionStores(others);
  const same = await below.values.get(record.result);
  const known = same.hit
    ? { record, stores: below, found: same }
    : await findCall(record.key, layers, isWanted);
  if (known === undefined || top.readOnly === true) return known?.found ?? MISS;
  try {
    const { copyCall, copyValues } = COPYING.loaded ?? await COPYING.load();
    // A record that is there stays as it is.
    const copy = known.record === record ? copyValues : copyCall;
    await copy(known.record, known.stores, top);
  } catch {
    // The answer is there all the same; the next one who asks copies it, or tries to.
  }
  return known.found;
}

function refuse(action: string): () => never {
  return () => {
    throw new TypeError(`Cannot ${action} this cache: it is read-only`);
  };
}

function describe(
  type: LayersDescription["type"],
  layers: readonly Stores[],
): { readonly description?: LayersDescription } {
  const described = layers.map(({ description }) => description)
    .filter((description) => description !== undefined);
  return described.length < layers.length ? {} : { description: { type, layers: described } };
}

function count(layers: readonly Stores[]): StoreStatistics {
  const counted = layers.map(({ statistics }) => statistics?.());
  const storage = counted[0]?.storage;
  const sum = (name: "rejectedSignatures" | "rejectedValues") =>
    counted.reduce((all, one) => all + (one?.[name] ?? 0), 0);
  return {
    rejectedSignatures: sum("rejectedSignatures"),
    rejectedValues: sum("rejectedValues"),
    ...(storage !== undefined && { storage }),
  };
}

function layerValues(
  layers: readonly Stores[],
  put: ValueStore["put"],
  top?: Stores,
): ValueStore {
  const get = (digest: Digest, index: number): MaybePromise<Found<unknown>> => {
    const layer = layers[index];
    if (layer === undefined) return { hit: false };
    return firstHit(() => readValue(layer, digest), () => get(digest, index + 1));
  };
  return {
    put,
    get: (digest) => withPieces(get(digest, 0), layers, top),
    // Nobody knows which of them gave it.
    reject: (digest) => layers.map(({ values }) => values.reject?.(digest) ?? false).includes(true),
  };
}

/** The records of several stores, each key once: the first that has it counts. */
function uniteCalls(layers: readonly Stores[]): CallStore {
  const get = (key: Digest, index: number): MaybePromise<CallRecord | undefined> => {
    const layer = layers[index];
    if (layer === undefined) return undefined;
    return firstKnown(() => layer.calls.get(key), isRecord, () => get(key, index + 1));
  };
  const only = layers.length === 1 ? layers[0]?.calls : undefined;
  return {
    put: refuse("record a call in"),
    get: (key) => get(key, 0),
    findOther: (key, isWanted) => findOtherIn(layers, key, isWanted),
    ...(only?.count && { count: only.count.bind(only) }),
    delete: refuse("forget a call of"),
    isForgotten: (key) => isForgottenIn(layers, key),
    records: (damaged, plan) => eachOnce(layers, damaged, plan),
  };
}

function isRecord(record: CallRecord | undefined): boolean {
  return record !== undefined;
}

async function findOtherIn(
  layers: readonly Stores[],
  key: Digest,
  isWanted: IsWanted,
): Promise<CallRecord | undefined> {
  for (const { calls } of layers) {
    try {
      const record = await calls.get(key);
      if (record === undefined) continue;
      if (await isWanted(record)) return record;
      const other = await calls.findOther?.(key, isWanted);
      if (other !== undefined) return other;
    } catch {
      // Whoever asked has a record, and goes on without this layer.
    }
  }
  return undefined;
}

async function isForgottenIn(layers: readonly Stores[], key: Digest): Promise<boolean> {
  for (const { calls } of layers) if (await calls.isForgotten?.(key)) return true;
  return false;
}

class StackedCalls implements CallStore {
  readonly #layers: readonly Stores[];
  readonly #top: Stores;
  readonly #below: Stores;
  /** Calls that are being copied up: who asks meanwhile waits for the same copy. */
  readonly #copies = new Map<Digest, Promise<CallRecord | undefined>>();

  constructor(layers: readonly Stores[], top: Stores) {
    this.#layers = layers;
    this.#top = top;
    this.#below = unionStores(layers.slice(1));
  }

  put(record: CallRecord, lease?: Lease): MaybePromise<boolean | void> {
    return this.#top.calls.put(record, lease);
  }

  get(key: Digest): MaybePromise<CallRecord | undefined> {
    return firstKnown(() => this.#top.calls.get(key), isRecord, () => this.#fetch(key));
  }

  /** As the interface says; what is newer than what the first has is copied into it. */
  async findOther(key: Digest, isWanted: IsWanted): Promise<CallRecord | undefined> {
    const other = await findOtherIn(this.#layers, key, isWanted);
    if (other === undefined) return undefined;
    const known = await this.#top.calls.get(key);
    if (known === undefined || endOf(known) < endOf(other)) await this.#copy(other);
    return other;
  }

  #fetch(key: Digest): Promise<CallRecord | undefined> {
    const running = this.#copies.get(key);
    if (running !== undefined) return running;
    const copy = this.#copyUp(key).finally(() => this.#copies.delete(key));
    this.#copies.set(key, copy);
    return copy;
  }

  async #copyUp(key: Digest): Promise<CallRecord | undefined> {
    const record = await this.#below.calls.get(key);
    if (record !== undefined) await this.#copy(record);
    return record;
  }

  async #copy(record: CallRecord): Promise<void> {
    if (this.#top.readOnly === true) return;
    try {
      const { copyCall } = COPYING.loaded ?? await COPYING.load();
      await copyCall(record, this.#below, this.#top);
    } catch {
      // The answer is there all the same; the next one who asks copies it, or tries to.
    }
  }

  /** Beneath first: when that fails, the call is still known everywhere. */
  async delete(key: Digest): Promise<boolean> {
    await this.#copies.get(key);
    let known = false;
    for (const { calls } of this.#layers.toReversed()) {
      if (await calls.get(key) !== undefined && await calls.delete(key)) known = true;
    }
    return known;
  }

  isForgotten(key: Digest): Promise<boolean> {
    return isForgottenIn(this.#layers, key);
  }

  records(damaged?: TellDamaged, plan?: RecordPlan): AsyncIterable<CallRecord> {
    return eachOnce(this.#layers, damaged, plan);
  }

  /** As the interface says: what one layer forgets may still be known to another. */
  feed(): CallFeed {
    return new StackFeed(this.#layers);
  }
}

/** Follows all layers of a stack. */
class StackFeed implements CallFeed {
  readonly #layers: readonly Stores[];
  #feeds: readonly (CallFeed | undefined)[] | undefined;

  constructor(layers: readonly Stores[]) {
    this.#layers = layers;
  }

  async *read(): AsyncGenerator<RecordChange> {
    const changes = await this.#readAll();
    if (this.#feeds === undefined || changes.some(({ type }) => type === "reset")) {
      this.#feeds = this.#layers.map(({ calls }) => calls.feed?.());
      yield* toReset(await this.#readAll());
      return;
    }
    // A call that was forgotten and stored again is as new as its last change.
    const keys = new Set(changes.toReversed().map(keyOf).filter((key) => key !== undefined));
    for (const key of [...keys].reverse()) {
      const record = await findIn(this.#layers, key);
      yield record === undefined ? { type: "delete", key } : { type: "put", record };
    }
  }

  /** What feeds tell, the first layer's last. */
  async #readAll(): Promise<readonly RecordChange[]> {
    const changes: RecordChange[] = [];
    for (const feed of this.#feeds?.toReversed() ?? []) {
      for await (const change of feed?.read() ?? []) changes.push(change);
    }
    return changes;
  }
}

/** All records of several stores, in the order in which their calls have ended. */
function toReset(changes: readonly RecordChange[]): RecordChange[] {
  const records = new Map<Digest, CallRecord>();
  for (const change of changes) {
    if (change.type === "put") records.set(change.record.key, change.record);
    else if (change.type === "delete") records.delete(change.key);
  }
  const sorted = [...records.values()].sort((a, b) => endOf(a) - endOf(b));
  return [{ type: "reset" }, ...sorted.map((record) => ({ type: "put", record }) as const)];
}

function keyOf(change: RecordChange): Digest | undefined {
  if (change.type === "reset") return undefined;
  return change.type === "put" ? change.record.key : change.key;
}

async function findIn(layers: readonly Stores[], key: Digest): Promise<CallRecord | undefined> {
  for (const { calls } of layers) {
    const record = await calls.get(key);
    if (record !== undefined) return record;
  }
  return undefined;
}

/** What a layer leaves out by the plan may still hide a record of a layer beneath it. */
async function* eachOnce(
  layers: readonly Stores[],
  damaged?: TellDamaged,
  plan?: RecordPlan,
): AsyncGenerator<CallRecord> {
  const seen = new Set<Digest>();
  for (const [index, { calls }] of layers.entries()) {
    // Nobody asks for the keys of the last one.
    const isLast = index === layers.length - 1;
    for await (const record of calls.records(damaged, isLast ? plan : undefined)) {
      if (seen.has(record.key)) continue;
      if (!isLast) seen.add(record.key);
      yield record;
    }
  }
}

function namersOf(stores: Stores): readonly Stores[] {
  return stores.namers ?? [stores];
}

/**
 * Sweeps values that belong to calls which are in flight elsewhere. How long those have been so is asked
 * last: what they have put since then was put after the horizon, by the clock of the values.
 */
function toMixedSweeper(sweeper: ValueSweeper, leases: LeaseStore): ValueSweeper {
  return {
    findsParts: sweeper.findsParts ?? false,
    hesitation: sweeper.hesitation ?? 0,
    describe: (digest) => sweeper.describe(digest),
    ...(sweeper.bytes && { bytes: sweeper.bytes.bind(sweeper) }),
    sweep: (live, options) => sweeper.sweep(live, options),
    async horizon(gracePeriod) {
      const own = await sweeper.horizon(gracePeriod);
      const age = leases.age?.() ?? 0;
      return age > gracePeriod ? own - (age - gracePeriod) : own;
    },
  };
}

/**
 * Takes the values of one set of stores and the calls of another. Leases go with the calls: who
 * shares the calls shares the work.
 *
 * @param valuesOf Where values are kept.
 * @param callsOf Where records are kept, and leases taken.
 * @returns The stores; they can travel if both can.
 */
export function mixStores(valuesOf: Stores, callsOf: Stores): Stores {
  const [values, calls] = [valuesOf.description, callsOf.description];
  return {
    values: valuesOf.values,
    calls: callsOf.calls,
    leases: callsOf.leases,
    layers: [callsOf],
    ...(valuesOf.sweeper && { sweeper: toMixedSweeper(valuesOf.sweeper, callsOf.leases) }),
    ...(callsOf.failures !== undefined && { failures: callsOf.failures }),
    ...(callsOf.uses !== undefined && { uses: callsOf.uses }),
    // Where values are kept there may be calls of its own.
    namers: [valuesOf, callsOf].flatMap(namersOf),
    readOnly: (valuesOf.readOnly ?? false) || (callsOf.readOnly ?? false),
    ...(values && calls && { description: { type: "mixed", values, calls } }),
    statistics: () => ({
      rejectedValues: 0,
      ...valuesOf.statistics?.(),
      rejectedSignatures: callsOf.statistics?.().rejectedSignatures ?? 0,
    }),
  };
}
