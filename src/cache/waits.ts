import { DeadlockError } from "../base/errors.ts";
import type { Warn } from "../base/warning.ts";
import type { WaitBoard } from "../store/stores.ts";
import type { Digest } from "../value/value.ts";

/** After how many milliseconds a wait is told to other processes: most are over by then. */
const FIRST_DELAY = 50;
const LONGEST_DELAY = 500;

/** A wait that may turn out to be for ever. */
export interface Waiting extends Disposable {
  /** Aborted with a `DeadlockError` when the call waits for itself by way of others. */
  readonly signal: AbortSignal;
}

interface OwnWait extends Wait {
  readonly controller: AbortController;
  readonly warn: Warn;
}

/**
 * The waits of calls whose bodies run meanwhile, and with them a lease or a flight of their own.
 *
 * Only such waits can close a cycle, so that calls at the top level never come here. In one isolate
 * a cycle shows at once. Among isolates each tells the others, through the board of the leases, what
 * its calls wait for, and looks again and again, as nothing tells that a new cycle was closed.
 *
 * A cycle counts when all its waits are read twice: then each of them lasted from its first reading
 * to its second, and all of them stood at the moment between.
 */
export class Waits {
  readonly #board: WaitBoard | undefined;
  readonly #own = new Set<OwnWait>();
  readonly #graph = new WaitGraph();
  #told = "";
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Creates it; nothing waits yet.
   *
   * @param board Tells other isolates; absent when no other can hold a lease.
   */
  constructor(board: WaitBoard | undefined) {
    this.#board = board;
  }

  /**
   * Takes note of a wait until it is disposed.
   *
   * @param target What is waited for.
   * @param callers The calls that cannot go on before.
   * @param warn Told when others cannot be told, or not be read.
   */
  begin(target: CallName, callers: readonly CallName[], warn: Warn): Waiting {
    const controller = new AbortController();
    const id = crypto.randomUUID();
    const wait = { id, since: Date.now(), target, callers, controller, warn };
    this.#own.add(wait);
    this.#graph.add(wait);
    const cycle = this.#graph.findCycle(wait);
    if (cycle !== undefined) fail(wait, cycle);
    else if (this.#board !== undefined) this.#watch(this.#board, FIRST_DELAY);
    return { signal: controller.signal, [Symbol.dispose]: () => this.#end(wait) };
  }

  #end(wait: OwnWait): void {
    this.#own.delete(wait);
    this.#graph.delete(wait);
    if (this.#own.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#told === "") return;
    this.#told = "";
    try {
      this.#board?.write();
    } catch {
      // A board shows nothing rather than what is no longer so.
    }
  }

  #watch(board: WaitBoard, delay: number): void {
    clearTimeout(this.#timer);
    const timer = setTimeout(() => {
      try {
        this.#look(board);
      } catch (error) {
        this.#warn(error);
      }
      if (this.#own.size > 0) this.#watch(board, Math.min(2 * delay, LONGEST_DELAY));
    }, delay);
    // What holds a lease keeps its process alive, if anything does.
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  #look(board: WaitBoard): void {
    this.#tell(board);
    const first = [...this.#own, ...board.read().flatMap(toWaits)];
    const graph = new WaitGraph(first);
    const suspects = [...this.#own].filter((wait) => graph.findCycle(wait) !== undefined);
    if (suspects.length === 0) return;
    const ids = new Set(first.map(({ id }) => id));
    const second = [...this.#own, ...board.read().flatMap(toWaits)];
    const lasting = new WaitGraph(second.filter(({ id }) => ids.has(id)));
    for (const wait of suspects) {
      const cycle = lasting.findCycle(wait);
      if (cycle === undefined || chooseVictim(cycle)?.id !== wait.id) continue;
      fail(wait, cycle);
      // Other cycles that it stood in are open now, too.
      lasting.delete(wait);
    }
  }

  #tell(board: WaitBoard): void {
    const waits = Array.from(
      this.#own,
      ({ id, since, target, callers }): Wait => ({ id, since, target, callers }),
    );
    const text = waits.map(({ id }) => id).join();
    if (text === this.#told) return;
    board.write({ waits });
    this.#told = text;
  }

  #warn(cause: unknown): void {
    for (const { controller, target, warn } of this.#own) {
      try {
        warn(
          `Cannot look for a deadlock while "${target.task}" is computed elsewhere: ` +
            "calls that wait for one another would wait until `leaseTimeout`",
          cause,
        );
      } catch (error) {
        // Strict scopes want the error instead of the warning.
        controller.abort(error);
      }
    }
  }
}

function fail({ controller, target }: OwnWait, cycle: readonly Wait[]): void {
  const calls = toCalls(cycle);
  controller.abort(new DeadlockError(`Cannot wait for "${target.task}"`, calls));
}

/** A call as it is shown in a cycle. */
export interface CallName {
  /** The task's name. */
  readonly task: string;
  /** The key of the call. */
  readonly key: Digest;
}

/** A call that waits for the result of a key that somebody else computes. */
export interface Wait {
  /** Tells waits apart, over all processes. */
  readonly id: string;
  /** When it began, in milliseconds since 1970. */
  readonly since: number;
  /** What it waits for. */
  readonly target: CallName;
  /** The calls that cannot go on before: those whose bodies made the call, one inside the other. */
  readonly callers: readonly CallName[];
}

/** Waits, by the calls that wait. */
export class WaitGraph {
  readonly #byCaller = new Map<Digest, Set<Wait>>();

  /**
   * Creates a graph.
   *
   * @param waits What it begins with.
   */
  constructor(waits: Iterable<Wait> = []) {
    for (const wait of waits) this.add(wait);
  }

  /** Adds a wait. */
  add(wait: Wait): void {
    for (const { key } of wait.callers) {
      const waits = this.#byCaller.get(key);
      if (waits === undefined) this.#byCaller.set(key, new Set([wait]));
      else waits.add(wait);
    }
  }

  /** Takes a wait out again. */
  delete(wait: Wait): void {
    for (const { key } of wait.callers) {
      const waits = this.#byCaller.get(key);
      if (waits?.delete(wait) && waits.size === 0) this.#byCaller.delete(key);
    }
  }

  /**
   * Finds a cycle in which a wait stands: who computes its target waits for something whose computer
   * waits, and so on, for one of its own callers.
   *
   * @returns The waits of a shortest cycle, the given one first, or `undefined`.
   */
  findCycle(wait: Wait): readonly Wait[] | undefined {
    const own = new Set(wait.callers.map(({ key }) => key));
    const seen = new Set<Digest>();
    /** Through which wait each was come to, in the order in which they are looked at. */
    const from = new Map<Wait, Wait | undefined>([[wait, undefined]]);
    for (const next of from.keys()) {
      const { key } = next.target;
      if (own.has(key)) return toPath(from, next);
      if (seen.has(key)) continue;
      seen.add(key);
      for (const other of this.#byCaller.get(key) ?? []) {
        if (!from.has(other)) from.set(other, next);
      }
    }
    return undefined;
  }
}

function toPath(from: ReadonlyMap<Wait, Wait | undefined>, last: Wait): Wait[] {
  const path: Wait[] = [];
  for (let at: Wait | undefined = last; at !== undefined; at = from.get(at)) path.push(at);
  return path.reverse();
}

/**
 * Names the wait of a cycle that is to fail: the one that began last. All who see the cycle name the
 * same, and of several cycles that touch, at least the youngest wait of all is named by one.
 *
 * @param cycle The waits of the cycle.
 */
export function chooseVictim(cycle: readonly Wait[]): Wait | undefined {
  return cycle.toSorted((a, b) => b.since - a.since || (a.id < b.id ? 1 : -1))[0];
}

/**
 * Shows a cycle as the calls that wait for one another.
 *
 * @param cycle The waits of the cycle.
 * @returns The calls; each waits for the next, the last for the first.
 */
export function toCalls(cycle: readonly Wait[]): CallName[] {
  const targets = cycle.map(({ target }) => target);
  return [...targets.slice(-1), ...targets.slice(0, -1)];
}

/** Reads waits from the note of another process, which may hold anything. */
export function toWaits(note: Record<string, unknown>): Wait[] {
  return Array.isArray(note.waits) ? note.waits.filter(isWait) : [];
}

function isWait(value: unknown): value is Wait {
  return isObject(value) && typeof value.id === "string" && typeof value.since === "number" &&
    isCallName(value.target) && Array.isArray(value.callers) && value.callers.every(isCallName);
}

function isCallName(value: unknown): value is CallName {
  return isObject(value) && typeof value.task === "string" && typeof value.key === "string";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** After how long whoever waits for another isolate or process says so, in milliseconds. */
const LONG_WAIT = 5000;

/** A wait that may take long. */
interface LongWait {
  /** What the call is named. */
  readonly name: string;
  /** How long it waits, in milliseconds. */
  readonly leaseTimeout: number;
  /** Told once. */
  readonly warn: Warn;
  /** After how long, in milliseconds. */
  readonly longWait?: number;
}

/** Says once that a call waits for long: whoever computes it may be stopped, or was given too much. */
export function noteLongWait(
  { name, leaseTimeout, warn, longWait = LONG_WAIT }: LongWait,
): Disposable {
  const end = leaseTimeout === Infinity
    ? "it waits without end, and `leaseTimeout` has it run here, too, after a time"
    : `it runs here, too, after \`leaseTimeout\`, ${leaseTimeout} ms`;
  const timer = setTimeout(() => {
    warn(
      `Waiting for a call of "${name}" that another worker or process computes: ${end}`,
      undefined,
      false,
    );
  }, longWait);
  // The wait itself keeps the program alive, if anything does.
  Deno.unrefTimer(timer);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}
