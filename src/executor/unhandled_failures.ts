import { sleep } from "../base/abortable.ts";
import {
  CancelledError,
  DependencyError,
  ExecutorShutdownError,
  UnhandledFailuresError,
} from "../base/errors.ts";
import { writeNote, writeWarning } from "../base/warning.ts";
import { dependsOnGivenUp } from "../task/call_arguments.ts";
import type { CallStatus, CallTracker } from "../task/future.ts";
import { currentWorker } from "../worker/current_worker.ts";

/** So many failures that nobody has looked at are kept, the first and the last: the others are counted. */
const MOST_KEPT = 100;
/** So many of them a message names. */
const MOST_NAMED = 5;
/** So many owners that nobody closes are kept with theirs. */
const MOST_OWNERS = 100;
/** So much of the text of each. */
const MOST_TEXT = 200;

/** A call that has failed. */
interface Failure {
  readonly task: string;
  readonly reason: unknown;
}

/** What is told of failures: how many, and those of them that were kept. */
interface Taken {
  readonly count: number;
  readonly failures: readonly Failure[];
}

function join(all: readonly Taken[]): Taken {
  let count = 0;
  for (const each of all) count += each.count;
  return { count, failures: all.flatMap(({ failures }) => failures).slice(0, MOST_KEPT) };
}

/** The calls of one owner that have failed, and whose futures nobody has looked at. */
class FailureLog {
  #added = new WeakSet<CallStatus>();
  readonly #kept = new Map<CallStatus, Failure>();
  #last: CallStatus | undefined;
  #count = 0;

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  /** A call has failed. */
  add(call: CallStatus, reason: unknown): void {
    if (this.#kept.size >= MOST_KEPT && this.#last !== undefined) this.#kept.delete(this.#last);
    this.#kept.set(call, { task: call.name, reason });
    this.#last = call;
    this.#added.add(call);
    this.#count++;
  }

  /** Somebody looks at a call that has failed. */
  delete(call: CallStatus): void {
    if (!this.#added.delete(call)) return;
    this.#kept.delete(call);
    this.#count--;
  }

  /** Takes all out, which then are told of. */
  take(): Taken {
    const taken = { count: this.#count, failures: [...this.#kept.values()] };
    this.#kept.clear();
    this.#last = undefined;
    this.#added = new WeakSet();
    this.#count = 0;
    return taken;
  }
}

/**
 * Those who have such failures, for the end of a program that closes nothing. As all that Deno tells at
 * the end of a program goes to the whole of it, there is one.
 */
class FailuresAtExit {
  readonly #owners = new Set<UnhandledFailures>();
  /** Those of owners that were too many. */
  #left: Taken = { count: 0, failures: [] };
  #listens = false;
  #printsSuppressed = false;
  readonly #report = (): void => {
    const error = this.take();
    // As of any error that nobody has caught: it is printed, and the exit code says it.
    if (error !== undefined) reportError(error);
  };

  /** An owner has some. */
  add(owner: UnhandledFailures): void {
    this.#owners.add(owner);
    const [oldest] = this.#owners;
    if (this.#owners.size > MOST_OWNERS && oldest !== undefined) {
      this.#owners.delete(oldest);
      this.#left = join([this.#left, oldest.take()]);
    }
    if (this.#listens) return;
    this.#listens = true;
    addEventListener("beforeunload", this.#report);
    // All that is told of to who calls `Deno.exit()`.
    addEventListener("unload", this.#report);
  }

  /**
   * Has errors printed of which Deno 2.9 prints none: a program that ends because of an error, and whose
   * executor is disposed of by that and throws another, ends with a `SuppressedError` that has both.
   */
  printSuppressed(): void {
    if (this.#printsSuppressed) return;
    this.#printsSuppressed = true;
    addEventListener("unhandledrejection", ({ reason, defaultPrevented }) => {
      const errors = reason instanceof SuppressedError ? flatten(reason) : [];
      if (defaultPrevented || !errors.some((each) => each instanceof UnhandledFailuresError)) {
        return;
      }
      const text = errors.map((each) => Deno.inspect(each)).join("\n");
      writeWarning({ message: `${errors.length} errors end the program:\n${text}` });
    });
  }

  /** An owner has none any more. */
  delete(owner: UnhandledFailures): void {
    this.#owners.delete(owner);
  }

  /** Takes those of all owners out; an error that names them, if there are any. */
  take(): UnhandledFailuresError | undefined {
    const taken = join([this.#left, ...Array.from(this.#owners, (owner) => owner.take())]);
    this.#left = { count: 0, failures: [] };
    this.#owners.clear();
    return toError(taken);
  }
}

const AT_EXIT = new FailuresAtExit();

/**
 * Takes the failures out that nobody in this isolate has looked at: a worker that ends has nobody else
 * to tell of them.
 *
 * @returns An error that names them, if there are any.
 */
export function takeUnhandledFailures(): UnhandledFailuresError | undefined {
  return AT_EXIT.take();
}

/** What is waited for at the end. */
interface Wait {
  /** How many calls there are that have not ended. */
  readonly pending: () => number;
  /** What could be done about them. */
  readonly remedy?: string;
}

/**
 * The calls of an executor or a worker context that have failed though nobody looks at their futures.
 * Those end no program in the middle; whoever closes the owner is told of them.
 */
export class UnhandledFailures {
  /** Keeps count of what is made of results, which fails as they do. */
  readonly derived: CallTracker = {
    get derived(): CallTracker {
      return this;
    },
    began: () => void this.#unsettledParts++,
    ended: () => void this.#unsettledParts--,
    failed: (call, reason) => this.add(call, reason),
    seen: (call) => this.delete(call),
  };
  readonly #log = new FailureLog();
  /** Errors by which calls end when their caller ends them all. */
  readonly #expected = new Set<new (message: string) => Error>();
  #unsettledParts = 0;

  /** Keeps count of calls that are refused, as the owner is closed: nobody will close it again. */
  get refused(): CallTracker {
    return this.#expected.has(ExecutorShutdownError) ? this.derived : REFUSED.derived;
  }

  /** A call has failed, and nobody has looked at its future. */
  add(call: CallStatus, reason: unknown): void {
    const cause = reason instanceof DependencyError ? reason.cause : reason;
    for (const Expected of this.#expected) if (cause instanceof Expected) return;
    if (dependsOnGivenUp(reason)) return;
    this.#log.add(call, reason);
    AT_EXIT.add(this);
  }

  /** Somebody looks at a call that has failed. */
  delete(call: CallStatus): void {
    this.#log.delete(call);
    if (this.#log.count === 0) AT_EXIT.delete(this);
  }

  /** Calls that have not started are about to be cancelled. */
  expectCancellation(): void {
    this.#expected.add(CancelledError);
  }

  /** All calls are about to be ended. */
  expectTermination(): void {
    this.#expected.add(ExecutorShutdownError);
  }

  /**
   * Waits for the end of what has run the calls, and tells of the failures that nobody has looked at.
   * Where that takes longer than a moment, whoever sits at the terminal is told of it.
   *
   * @param ended Settles when all has ended.
   * @param wait For what.
   * @throws What that rejects with, {@linkcode UnhandledFailuresError}, or an `AggregateError` of both.
   */
  async conclude(ended: Promise<void>, wait: Wait): Promise<void> {
    const timer = noteLater(wait);
    const [end] = await Promise.allSettled([ended]);
    clearTimeout(timer);
    // What is made of a result fails a little later than the call.
    if (this.#unsettledParts > 0) await sleep(0);
    AT_EXIT.delete(this);
    const unhandled = toError(this.take());
    if (unhandled !== undefined) AT_EXIT.printSuppressed();
    if (end.status === "fulfilled") {
      if (unhandled !== undefined) throw unhandled;
      return;
    }
    if (unhandled === undefined) throw end.reason;
    throw new AggregateError(
      [unhandled, end.reason],
      "Cannot end the workers as they should, and calls have failed: see errors",
    );
  }

  /** Takes the failures out that nobody has looked at. */
  take(): Taken {
    return this.#log.take();
  }
}

/** Whoever waits for longer wants to know for what, in milliseconds. */
const PATIENCE = 1000;

function noteLater({ pending, remedy }: Wait): ReturnType<typeof setTimeout> | undefined {
  if (pending() === 0 || currentWorker() !== undefined) return undefined;
  const timer = setTimeout(() => {
    const count = pending();
    if (count === 0) return;
    const calls = count === 1 ? "1 call has" : `${count} calls have`;
    writeNote(`workers are to end when ${calls} ended${remedy === undefined ? "" : `; ${remedy}`}`);
  }, PATIENCE);
  Deno.unrefTimer(timer);
  return timer;
}

/** Of all owners together. */
const REFUSED = new UnhandledFailures();

function toError({ count, failures }: Taken): UnhandledFailuresError | undefined {
  if (count === 0) return undefined;
  const named = failures.slice(0, MOST_NAMED).map(({ task, reason }) =>
    `"${task}" (${toText(reason)})`
  );
  const more = count - named.length;
  const list = more > 0 ? `${named.join(", ")} and ${more} more` : named.join(", ");
  const [subject, verb, them] = count === 1
    ? ["1 call", "has", "it"]
    : [`${count} calls`, "have", "them"];
  const errors = failures.map(({ reason }) => reason);
  return new UnhandledFailuresError(
    `Cannot pass over ${subject} that ${verb} failed, as nobody has looked at ${
      count === 1 ? "its future" : "their futures"
    }: ${list}; await ${them}, or catch what ${them === "it" ? "it throws" : "they throw"}`,
    count,
    errors,
    { cause: errors[0] },
  );
}

function flatten({ suppressed, error }: SuppressedError): unknown[] {
  const first = suppressed instanceof SuppressedError ? flatten(suppressed) : [suppressed];
  return [...first, error];
}

function toText(reason: unknown): string {
  let text: string;
  try {
    text = String(reason);
  } catch {
    text = "what has no text";
  }
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text;
}
