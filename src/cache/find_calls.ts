import { ANYTHING, checkOptions, OBJECT, type OptionRules } from "../base/check_options.ts";
import type { QuiverWarning } from "../base/warning.ts";
import {
  AMOUNT,
  type CallTemplate,
  endOf,
  hasUseTags,
  isTest,
  type KnownTask,
  TEMPLATE_FIELDS,
  toMatcher,
  toPlan,
  type Wanted,
} from "../call/call_query.ts";
import type { CallRecord } from "../call/call_record.ts";
import { ask, Condition } from "../call/condition.ts";
import { KnownUses } from "../store/known_uses.ts";
import type { Stores, UseStore } from "../store/stores.ts";
import { digestArgument } from "../value/digest/digest_value.ts";
import type { Digest } from "../value/value.ts";
import { CallValues, type KnownValue } from "./call_values.ts";

/**
 * What an argument or a result is to be: equal to a value, which is compared by its digest, as `where`
 * says, or as a function tells.
 */
export type WantedValue =
  | Condition
  | ((value: never) => boolean)
  | object
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined;

/** What calls are to have in common, their values included; fields that are not given do not count. */
export interface QueryTemplate extends CallTemplate {
  /**
   * Arguments by the names of their parameters; where no parameter has the name, it is that of a field of
   * an argument that is a plain object: `rate`, or `options.rate`. A value is compared by its digest, the
   * order of keys left out. A condition or a function needs the argument itself: calls of which it is not
   * stored, or damaged, are left out with a warning.
   */
  args?: { readonly [name: string]: WantedValue };
  /** The result, in the same ways. */
  result?: WantedValue;
  /**
   * How many bytes the result takes as it is stored, its parts included; in caches that can tell.
   */
  size?: Wanted<number>;
}

/** Which calls are meant: those of a task, what they have in common, or a function that tells. */
export type RecordQuery =
  | QueryTemplate
  | KnownTask
  | ((record: CallRecord) => boolean);

const FIELDS: OptionRules<QueryTemplate> = {
  ...TEMPLATE_FIELDS,
  args: OBJECT,
  result: ANYTHING,
  size: AMOUNT,
};

/** Tells whether the value of a call is what is wanted; nothing where it is not known. */
type ValueTest = (values: CallValues, record: CallRecord) => Promise<boolean | undefined>;

/** Finds calls, or counts them. */
export interface CallFinder {
  /** Goes over their records, from the beginning. */
  find(): AsyncGenerator<CallRecord>;
  /** Counts them without reading them, where the cache can do that. */
  count(): Promise<number | undefined>;
}

/**
 * Finds calls.
 *
 * @param stores Where they are.
 * @param query Which are meant.
 * @param warn Told once of each look-up that passed over records that are damaged, or whose values are
 * not known.
 * @throws {TypeError} When the template has an unknown field.
 */
export function createFinder(
  stores: Stores,
  query: RecordQuery,
  warn: (warning: QuiverWarning) => void,
): CallFinder {
  const isTemplate = typeof query !== "function" && !("address" in query);
  if (isTemplate) checkOptions("match calls", query, FIELDS, "no field");
  const { args = {}, result, size, ...template }: QueryTemplate = isTemplate ? query : {};
  const known = isTemplate ? template : query;
  const matches = toMatcher(known);
  const plan = toPlan(known);
  const tests = Object.entries(args).map(([name, wanted]) => toArgumentTest(name, wanted));
  if (result !== undefined) tests.push(toResultTest(result));
  const isSize = size === undefined ? undefined : toSizeTest(stores, size);
  const isWhole = tests.length === 0 && isSize === undefined;
  const { calls, uses } = stores;
  const isFailed = isTemplate && template.state === "failed";
  return {
    async count() {
      if (isFailed || !isWhole || calls.count === undefined) return undefined;
      if (usedWith(uses, template.tags).size > 0) return undefined;
      const passed = new PassedOver(warn);
      const count = await calls.count(plan, passed.damaged);
      if (count !== undefined) passed.tell();
      return count;
    },
    async *find() {
      const passed = new PassedOver(warn);
      const known = new KnownUses(uses?.read() ?? []);
      // A store may leave out by their own tags what others have used with these.
      const used = isFailed ? new Set<Digest>() : usedWith(uses, template.tags);
      const isWanted = async (found: CallRecord): Promise<CallRecord | undefined> => {
        const record = known.addTo(found);
        if (!matches(record) || isSize?.(record) === false) return undefined;
        return tests.length === 0 || await areWanted(tests, stores, record, passed)
          ? record
          : undefined;
      };
      try {
        for await (
          const found of isFailed ? findFailed(stores) : calls.records(passed.damaged, plan)
        ) {
          used.delete(found.key);
          const record = await isWanted(found);
          if (record !== undefined) yield record;
        }
        for (const key of used) {
          const found = await calls.get(key);
          const record = found && await isWanted(found);
          if (record !== undefined) yield record;
        }
      } finally {
        passed.tell();
      }
    },
  };
}

/** The calls that were used with some tags. */
function usedWith(uses: UseStore | undefined, tags: CallTemplate["tags"]): Set<Digest> {
  if (tags === undefined || uses === undefined) return new Set();
  return new KnownUses(uses.read()).keysWith((found) => hasUseTags(found, tags));
}

/** Goes over the failures that no later success has cleared, the oldest first. */
async function* findFailed({ failures, calls }: Stores): AsyncGenerator<CallRecord> {
  for (const record of await failures?.records() ?? []) {
    const known = await calls.get(record.key);
    if (known === undefined || endOf(known) < endOf(record)) yield record;
  }
}

async function areWanted(
  tests: readonly ValueTest[],
  stores: Stores,
  record: CallRecord,
  passed: PassedOver,
): Promise<boolean> {
  const values = new CallValues(stores, record);
  let isKnown = true;
  for (const test of tests) {
    const answer = await test(values, record);
    if (answer === false) return false;
    if (answer === undefined) isKnown = false;
  }
  if (!isKnown) passed.unknown(record);
  return isKnown;
}

function toArgumentTest(name: string, wanted: WantedValue): ValueTest {
  const isLike = toValueTest(wanted, `args.${name}`);
  if (isTest(wanted)) return async (values) => isLike(await values.named(name));
  const digest = toDigest(wanted, `args.${name}`);
  return async (values) => {
    const argument = values.argument(name);
    // By its digest it is known whether it is stored or not.
    if (argument !== undefined) return argument.digest === digest;
    return isLike(await values.named(name));
  };
}

function toResultTest(wanted: WantedValue): ValueTest {
  const isLike = toValueTest(wanted, "result");
  return async (values) => isLike(await values.result());
}

function toValueTest(
  wanted: WantedValue,
  root: string,
): (known: KnownValue) => boolean | undefined {
  if (wanted instanceof Condition) {
    return (known) => {
      if (known.state === "unknown") return undefined;
      return wanted.matches(known.state === "there" ? known.value : undefined);
    };
  }
  if (typeof wanted === "function") {
    // A function that tells, of whatever type it takes its value to be.
    const test = wanted as (value: unknown) => boolean;
    return (known) => {
      if (known.state === "unknown") return undefined;
      return known.state === "there" && ask(test, known.value);
    };
  }
  const digest = toDigest(wanted, root);
  return (known) => {
    if (known.state === "unknown") return undefined;
    if (known.state === "absent") return wanted === undefined;
    return toDigest(known.value, "value") === digest;
  };
}

function toDigest(value: unknown, root: string): string {
  return digestArgument(value, { root });
}

function toSizeTest(stores: Stores, wanted: Wanted<number>): (record: CallRecord) => boolean {
  const sweepers = (stores.swept ?? [stores]).map(({ sweeper }) => sweeper)
    .filter((sweeper) => sweeper !== undefined);
  if (sweepers.length === 0) {
    throw new TypeError(
      "Cannot match calls by `size`: this cache cannot tell what its values take; ask a part of it",
    );
  }
  const describe = (digest: string) => {
    for (const sweeper of sweepers) {
      const found = sweeper.describe(digest);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return ({ result }) => {
    const found = describe(result);
    if (found === undefined) return wanted instanceof Condition && wanted.matches(undefined);
    const bytes = found.parts.reduce(
      (sum, part) => sum + (describe(part)?.bytes ?? 0),
      found.bytes,
    );
    if (wanted instanceof Condition) return wanted.matches(bytes);
    return typeof wanted === "function" ? ask(wanted, bytes) : bytes === wanted;
  };
}

/** What one look-up has passed over, which is told at its end. */
class PassedOver {
  readonly #warn: (warning: QuiverWarning) => void;
  #damaged = 0;
  #firstDamaged = "";
  #unknown = 0;
  #firstUnknown = "";

  constructor(warn: (warning: QuiverWarning) => void) {
    this.#warn = warn;
  }

  /** A record is damaged. */
  readonly damaged = (where: string): void => {
    if (this.#damaged++ === 0) this.#firstDamaged = where;
  };

  /** Whether a call matches is not known. */
  unknown({ key }: CallRecord): void {
    if (this.#unknown++ === 0) this.#firstUnknown = key;
  }

  tell(): void {
    if (this.#damaged > 0) {
      const records = this.#damaged === 1 ? "a damaged record" : `${this.#damaged} damaged records`;
      const message = `Cannot read ${records} of calls, first ${this.#firstDamaged}: the others ` +
        "are found; a call whose record is damaged runs again when it is next asked for";
      this.#warn({ message });
    }
    if (this.#unknown > 0) {
      const calls = this.#unknown === 1 ? "a call matches" : `${this.#unknown} calls match`;
      const message = `Cannot tell whether ${calls}, first ${this.#firstUnknown}: an argument or ` +
        "result that is asked for is not stored, or is damaged; such calls are left out; arguments " +
        "that are compared with a value are known by their digests";
      this.#warn({ message });
    }
  }
}
