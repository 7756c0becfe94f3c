import { endOf } from "../call/call_query.ts";
import type { CallRecord } from "../call/call_record.ts";
import { KEY_SCHEME } from "../call/call_key.ts";
import { toPortableModule } from "../call/projects.ts";
import { findKeyOf, toIdentity } from "../call/record_key.ts";
import { digestArgument } from "../value/digest/digest_value.ts";
import type { Digest } from "../value/value.ts";
import { KnownUses, toUseSets, withoutUses } from "./known_uses.ts";
import type { Lease, LeaseStore, Stores } from "./stores.ts";

/** What may be different of a task's calls. */
export type IdentityChange = Partial<
  Pick<CallRecord, "module" | "task" | "version" | "code" | "parts" | "ignored">
>;

/** What became of the records. */
export interface RekeyResult {
  /** How many calls have another key now. */
  readonly moved: number;
  /** How many have the key that they should have. */
  readonly unchanged: number;
  /** How many stay as they are as it is not known how their key was made, or an argument is gone. */
  readonly unknown: number;
}

/** The schemes of keys whose digests of arguments are those of today. */
const ARGUMENT_SCHEMES = [1, KEY_SCHEME];

/** A record that is to have another key. */
interface Move {
  readonly from: CallRecord;
  readonly to: CallRecord;
}

/**
 * Gives calls the keys that they would have today. All new records are written before old ones go,
 * each under the lease of its key; where two calls get one key, that which ended last is kept.
 *
 * @param stores Where the records are.
 * @param change Tells what is different of a call.
 * @returns What became of them.
 */
export async function rekeyStores(
  stores: Stores,
  change: (record: CallRecord) => IdentityChange,
): Promise<RekeyResult> {
  const moves: Move[] = [];
  let [unchanged, unknown] = [0, 0];
  // All are known before the first is written: two may change their keys with each other.
  for await (const from of stores.calls.records()) {
    // The project of a module may have a name by now.
    const to = await rekey(stores, from, { ...toPortable(from), ...change(from) });
    if (to === undefined) unknown++;
    else if (to.key === from.key) unchanged++;
    else moves.push({ from, to });
  }
  const moving = new Map(moves.map(({ from }) => [from.key, from]));
  const written = new Map<Digest, CallRecord>();
  for (const { to } of moves) {
    const other = written.get(to.key);
    if (other !== undefined && endOf(other) > endOf(to)) continue;
    if (await writeNew(stores, to, moving.get(to.key))) written.set(to.key, to);
  }
  const old = moves.map(({ from }) => from).filter(({ key }) => !written.has(key));
  const { uses } = stores;
  if (uses !== undefined) {
    const known = new KnownUses(uses.read());
    uses.carry(moves.flatMap(({ from, to }) => toUseSets(known.of(from.key), to.key)));
  }
  for (const from of old) await forgetOld(stores, from);
  uses?.forget(old.map(({ key }) => key));
  return { moved: moves.length, unchanged, unknown };
}

function toPortable({ module }: CallRecord): IdentityChange {
  // Anybody may have written the record.
  return { module: typeof module === "string" ? toPortableModule(module) : module };
}

/** What became of calls that were to hold for other code. */
export interface AcceptedRecords {
  /** Those that do, as they were. */
  readonly accepted: readonly CallRecord[];
  /** How many of them were known under their new keys already. */
  readonly known: number;
  /** How many do not, as it is not known how their key was made, or an argument is gone. */
  readonly unknown: number;
}

/**
 * Makes the results of calls known for other code, too; the calls stay what they are. Where two have
 * one key then, the one that ended last is taken.
 *
 * @param records The calls.
 * @param change The other code.
 * @param dryRun Whether nothing is written.
 */
export async function acceptRecords(
  stores: Stores,
  records: readonly CallRecord[],
  change: IdentityChange,
  dryRun: boolean,
): Promise<AcceptedRecords> {
  const moves = new Map<Digest, Move>();
  let [known, unknown] = [0, 0];
  for (const from of records) {
    const to = await rekey(stores, from, change);
    if (to === undefined) unknown++;
    else if (await stores.calls.get(to.key) !== undefined) known++;
    else {
      const other = moves.get(to.key);
      if (other === undefined || endOf(other.to) < endOf(to)) moves.set(to.key, { from, to });
    }
  }
  if (!dryRun) { for (const { to } of moves.values()) await writeNew(stores, to, undefined); }
  return { accepted: Array.from(moves.values(), ({ from }) => from), known, unknown };
}

async function rekey(
  stores: Stores,
  found: CallRecord,
  change: IdentityChange,
): Promise<CallRecord | undefined> {
  const { signature: _, ...record } = withoutUses(found);
  const makeKey = findKeyOf(record);
  if (makeKey === undefined) return undefined;
  const { parts, ...rest } = record;
  // Its parts are those of its own code.
  const own = parts === undefined || "code" in change ? rest : record;
  const changed = withoutUndefined({ ...own, ...change, scheme: KEY_SCHEME });
  const { version } = changed;
  if (version !== undefined && typeof version !== "string" && !Number.isFinite(version)) {
    throw new TypeError(
      `Cannot rekey calls: a version is a string or a finite number, not ${version}`,
    );
  }
  const args: CallRecord["args"][number][] = [];
  for (const argument of record.args) {
    const digest = ARGUMENT_SCHEMES.includes(record.scheme)
      ? argument.digest
      : await digestAgain(stores, argument.value);
    if (digest === undefined) return undefined;
    args.push({ ...argument, digest });
  }
  const digests = args.map(({ digest }) => digest);
  return { ...changed, args, key: makeKey(toIdentity(changed), digests, KEY_SCHEME) };
}

/** A field that is set to `undefined` is one that the call does not have any more. */
function withoutUndefined({ version, code, parts, ignored, ...record }: CallRecord): CallRecord {
  return {
    ...record,
    ...(version !== undefined && { version }),
    ...(code !== undefined && { code }),
    ...(parts !== undefined && { parts }),
    ...(ignored !== undefined && { ignored }),
  };
}

async function digestAgain(
  { values }: Stores,
  value: Digest | undefined,
): Promise<Digest | undefined> {
  const found = value === undefined ? undefined : await values.get(value);
  return found?.hit === true ? digestArgument(found.value) : undefined;
}

/** Writes a record, unless a newer one has its key; the one that goes elsewhere does not count. */
async function writeNew(
  { calls, leases }: Stores,
  record: CallRecord,
  leaving: CallRecord | undefined,
): Promise<boolean> {
  using _lease = await take(leases, record.key);
  const known = await calls.get(record.key);
  if (known !== undefined && !isSameCall(known, leaving) && endOf(known) > endOf(record)) {
    return false;
  }
  await calls.put(record);
  return true;
}

/** Forgets a record, unless somebody has stored another one under its key. */
async function forgetOld({ calls, leases }: Stores, record: CallRecord): Promise<void> {
  using _lease = await take(leases, record.key);
  if (isSameCall(await calls.get(record.key), record)) await calls.delete(record.key);
}

/**
 * Tells whether two records are of one run of a call.
 *
 * @param b Another record of the same call.
 * @returns Whether they are.
 */
export function isSameCall(a: CallRecord | undefined, b: CallRecord | undefined): boolean {
  return a !== undefined && b !== undefined && a.result === b.result && endOf(a) === endOf(b);
}

/** Waits for whoever computes the key: what they store is newer. */
async function take(leases: LeaseStore, key: Digest): Promise<Lease> {
  for (;;) {
    const lease = leases.tryAcquire(key);
    if (lease !== undefined) return lease;
    await leases.changed(key);
  }
}
