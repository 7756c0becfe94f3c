import type { Digest } from "../value/value.ts";
import { digestKey, type TaskIdentity } from "./call_key.ts";
import type { CallRecord, IgnoredPosition } from "./call_record.ts";

/** How many parameters that do not count are looked for. */
const MOST_IGNORED = 4;

/** More parameters no function has. */
const MOST_PARAMETERS = 2 ** 16;

/** How many keys are tried before a record is given up. */
const MOST_TRIES = 10_000;

/** Makes the key of a record again from other digests of its arguments. */
type MakeKey = (identity: TaskIdentity, args: readonly Digest[], scheme: number) => Digest;

/**
 * Finds out how the key of a record was made. An old record does not tell where its arguments stood,
 * or which parameters do not count, but there is only one way to get its key.
 *
 * @returns Makes keys in the same way, or `undefined` when the way is unknown.
 */
export function findKeyOf(record: CallRecord): MakeKey | undefined {
  const { key, scheme, args } = record;
  const identity = toIdentity(record);
  let tries = 0;
  for (const gaps of toGaps(record)) {
    if (++tries > MOST_TRIES) return undefined;
    const make: MakeKey = (identity, args, scheme) => {
      const counted = args.flatMap((digest, i) => [...Array(gaps[i] ?? 0).fill(null), digest]);
      return digestKey(identity, counted, scheme);
    };
    if (make(identity, args.map(({ digest }) => digest), scheme) === key) return make;
  }
  return undefined;
}

/** Tells what makes up the key of a record beside the arguments. */
export function toIdentity(
  { module, task, version, code, ignored, reads }: CallRecord,
): TaskIdentity {
  return {
    address: { module, name: task },
    ...(version !== undefined && { version }),
    ...(code !== undefined && { code }),
    ...(ignored !== undefined && { ignored }),
    // Anybody may have written the record.
    ...(Array.isArray(reads) && { reads: reads.map(Object) }),
  };
}

/** How many parameters that do not count may stand before each argument: what is likely first. */
function toGaps({ args, ignored }: CallRecord): Iterable<readonly number[]> {
  if (args.length > 0 && args.every(({ position }) => position !== undefined)) {
    return toPositionGaps(args);
  }
  return ignored === undefined ? toLikelyGaps(args.length) : toIgnoredGaps(ignored, args.length);
}

/** As the positions of the arguments tell. */
function toPositionGaps(args: CallRecord["args"]): [] | [readonly number[]] {
  const gaps: number[] = [];
  let [next, left] = [0, MOST_PARAMETERS];
  for (const { position = NaN } of args) {
    const gap = position - next;
    left -= gap;
    // Anybody may have written the record, which is looked at here for the first time.
    if (!Number.isInteger(position) || gap < 0 || left < 0) return [];
    gaps.push(gap);
    next = position + 1;
  }
  return [gaps];
}

/** As the positions tell that are ignored. */
function toIgnoredGaps(
  ignored: readonly IgnoredPosition[],
  length: number,
): [] | [readonly number[]] {
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

/** All that there may be: few of them first. */
function* toLikelyGaps(length: number): Generator<readonly number[]> {
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
