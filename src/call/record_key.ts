import type { Digest } from "../value/value.ts";
import { digestKey, type TaskIdentity } from "./call_key.ts";
import type { CallRecord, IgnoredPosition } from "./call_record.ts";

/** How many parameters that do not count are looked for. */
const MOST_IGNORED = 4;

/** How many keys are tried before a record is given up. */
const MOST_TRIES = 10_000;

/** Makes the key of a record again from other digests of its arguments. */
type MakeKey = (identity: TaskIdentity, args: readonly Digest[], scheme: number) => Digest;

/**
 * Finds out how the key of a record was made. An old record does not tell which parameters do not
 * count, but there is only one way to get its key.
 *
 * @param record The record.
 * @returns Makes keys in the same way, or `undefined` when the way is unknown.
 */
export function findKeyOf(record: CallRecord): MakeKey | undefined {
  const { key, scheme, args } = record;
  const identity = toIdentity(record);
  const { ignored } = identity;
  let tries = 0;
  for (
    const gaps of ignored === undefined ? toGaps(args.length) : toOwnGaps(ignored, args.length)
  ) {
    if (++tries > MOST_TRIES) return undefined;
    const make: MakeKey = (identity, args, scheme) => {
      const counted = args.flatMap((digest, i) => [...Array(gaps[i] ?? 0).fill(null), digest]);
      return digestKey(identity, counted, scheme);
    };
    if (make(identity, args.map(({ digest }) => digest), scheme) === key) return make;
  }
  return undefined;
}

/**
 * Tells what makes up the key of a record beside the arguments.
 *
 * @param record The record.
 * @returns The task.
 */
export function toIdentity({ module, task, version, code, ignored }: CallRecord): TaskIdentity {
  return {
    address: { module, name: task },
    ...(version !== undefined && { version }),
    ...(code !== undefined && { code }),
    ...(ignored !== undefined && { ignored }),
  };
}

/** How many parameters that do not count stand before each argument, as the record tells. */
function toOwnGaps(ignored: readonly IgnoredPosition[], length: number): [] | [readonly number[]] {
  // Anybody may have written the record, which is looked at here for the first time.
  if (!Array.isArray(ignored)) return [];
  const gaps: number[] = [];
  const left = new Set<IgnoredPosition>(ignored);
  for (let position = 0; gaps.length < length; position++) {
    let gap = 0;
    for (; left.has(position); position++) gap++;
    if (left.has(`...${position}`)) return [];
    gaps.push(gap);
  }
  return [gaps];
}

/** How many parameters that do not count may stand before each argument: few of them first. */
function* toGaps(length: number): Generator<readonly number[]> {
  yield [];
  for (let ignored = 1; length > 0 && ignored <= MOST_IGNORED; ignored++) {
    yield* divide(ignored, length);
  }
}

/** All ways to divide a number among so many places. */
function* divide(sum: number, places: number): Generator<readonly number[]> {
  if (places === 1) {
    yield [sum];
    return;
  }
  for (let first = sum; first >= 0; first--) {
    for (const rest of divide(sum - first, places - 1)) yield [first, ...rest];
  }
}
