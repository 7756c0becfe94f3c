import { QuiverError } from "../../base/errors.ts";
import type { CallDemand, Capacity } from "../../task/comforts.ts";
import type { DispatchedCall } from "./call.ts";
import { PriorityQueue } from "./queue.ts";
import { RateWindow } from "../../task/rate_window.ts";

/** What calls wait for beside a worker. */
export interface AdmissionOptions {
  /** What there is. */
  readonly capacity: Capacity;
  /** Has a call wait for a worker: before others if it has waited here. */
  readonly admit: (call: DispatchedCall, waited: boolean) => void;
  /** Takes one back that waits for a worker; tells whether it did. */
  readonly recall: (call: DispatchedCall) => boolean;
  /** The ids of the calls by whose bodies one was made that have taken something. */
  readonly around: (call: DispatchedCall) => readonly number[];
  /** Ends a call that would wait for ever. */
  readonly refuse: (call: DispatchedCall, error: Error) => void;
  /** Told when calls were admitted at a time of their own. */
  readonly admitted: () => void;
}

/** Calls of one task that wait here, or one that was made by a call which has taken something. */
interface Lane {
  /** Whether somebody who has taken something waits for it: it goes first, past all reservations. */
  readonly dependent: boolean;
  readonly demand: CallDemand;
  readonly amounts: Amounts;
  readonly queue: PriorityQueue<DispatchedCall>;
  /** Of what there was too little for the first of them since the last was admitted. */
  readonly missed: Set<string>;
}

type Amounts = ReadonlyMap<string, number>;

/** What a call has taken. */
interface Grant {
  readonly lane: Lane;
  /** Without what calls around it have taken already. */
  readonly amounts: Amounts;
  /** Whether it counts for a rate, and has not begun. */
  coming: boolean;
}

/**
 * Holds calls that may not begin yet, before they wait for a worker: those that are tried again after a
 * while, and those of which only so many may run, or begin in a time, or for which too little is there of
 * what they need. No worker waits with them, and calls that ask for nothing never come here.
 *
 * Those of a higher priority go first, then who came first. Where there is too little for one, nobody
 * behind it takes of that, so that one which needs much comes to it; whoever needs none of it goes past.
 * What a call has taken it holds until its worker is done with it.
 *
 * A call that was made by the body of another one, in this isolate, may use what that has taken. If it
 * needs more, it waits; where all who could make room wait themselves for calls that wait here, it is
 * refused.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #free = new Map<string, number>();
  readonly #lanes = new Map<CallDemand, Lane>();
  readonly #rates = new Map<CallDemand, RateWindow>();
  readonly #held = new Map<DispatchedCall, Lane>();
  /** Those of them that were made by a call which has taken something; each has a lane of its own. */
  readonly #dependent = new Map<DispatchedCall, Lane>();
  readonly #grants = new Map<DispatchedCall, Grant>();
  readonly #delays = new Map<DispatchedCall, ReturnType<typeof setTimeout>>();
  /** Until the next may begin of those that wait for nothing else. */
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Creates what holds nothing.
   *
   * @param options What there is, and who is told.
   */
  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#fill();
  }

  /** All is there. */
  #fill(): void {
    const { limits = {}, has = {} } = this.#options.capacity;
    for (const [name, count] of Object.entries(limits)) this.#free.set(`limit ${name}`, count);
    for (const [name, amount] of Object.entries(has)) this.#free.set(`need ${name}`, amount);
  }

  /** How many calls are held. */
  get size(): number {
    return this.#held.size + this.#delays.size;
  }

  /** Whether a call is held, and waits for no worker. */
  holds(call: DispatchedCall): boolean {
    return this.#held.has(call) || this.#delays.has(call);
  }

  /** Takes a call, which may be admitted at once. */
  enter(call: DispatchedCall, delay = 0): void {
    if (delay > 0) {
      this.#delays.set(call, setTimeout(() => this.#return(call), delay));
      return;
    }
    const { demand } = call;
    if (demand === undefined) return this.#options.admit(call, true);
    const isDependent = this.#options.around(call).length > 0;
    const known = isDependent ? undefined : this.#lanes.get(demand);
    this.#hold(call, known ?? this.#open(demand, isDependent)).queue.push(call);
    this.#pump(call);
  }

  /** A call needs no place any more: it has ended, or its worker is done with it. */
  leave(call: DispatchedCall): void {
    clearTimeout(this.#delays.get(call));
    this.#delays.delete(call);
    this.#withdraw(call);
    if (this.#release(call)) this.#pump();
  }

  /** The body of a call begins. */
  begun(call: DispatchedCall): void {
    const grant = this.#grants.get(call);
    if (grant?.coming !== true) return;
    grant.coming = false;
    this.#rates.get(grant.lane.demand)?.begin(performance.now());
    this.#pump();
  }

  /**
   * A call is more urgent now.
   *
   * @returns Whether it is held.
   */
  raise(call: DispatchedCall, priority: number): boolean {
    const lane = this.#held.get(call);
    if (lane === undefined) {
      if (!this.#delays.has(call)) return false;
      call.priority = priority;
      return true;
    }
    lane.queue.delete(call);
    call.priority = priority;
    lane.queue.push(call);
    this.#pump();
    return true;
  }

  /** Gives all that are held. */
  takeAll(): DispatchedCall[] {
    const all = [...this.#held.keys(), ...this.#delays.keys()];
    for (const call of this.#held.keys()) this.#withdraw(call);
    for (const timer of this.#delays.values()) clearTimeout(timer);
    this.#delays.clear();
    clearTimeout(this.#timer);
    return all;
  }

  /** Its wait is over. */
  #return(call: DispatchedCall): void {
    this.#delays.delete(call);
    this.enter(call);
    this.#options.admitted();
  }

  #hold(call: DispatchedCall, lane: Lane): Lane {
    this.#held.set(call, lane);
    if (lane.dependent) this.#dependent.set(call, lane);
    return lane;
  }

  #open(demand: CallDemand, dependent: boolean): Lane {
    const { limits, needs } = demand;
    const amounts = new Map<string, number>([
      ...limits.map((name) => [`limit ${name}`, 1] as const),
      ...Object.entries(needs).map(([name, amount]) => [`need ${name}`, amount] as const),
    ].filter(([name]) => this.#free.has(name)));
    const queue = new PriorityQueue<DispatchedCall>();
    const lane = { demand, amounts, queue, missed: new Set<string>(), dependent };
    if (!dependent) this.#lanes.set(demand, lane);
    if (demand.rate !== undefined && !this.#rates.has(demand)) {
      this.#rates.set(demand, new RateWindow(demand.rate));
    }
    return lane;
  }

  #withdraw(call: DispatchedCall): void {
    const lane = this.#held.get(call);
    if (lane === undefined) return;
    this.#held.delete(call);
    this.#dependent.delete(call);
    lane.queue.delete(call);
  }

  #release(call: DispatchedCall): boolean {
    const grant = this.#grants.get(call);
    if (grant === undefined) return false;
    this.#grants.delete(call);
    for (const [name, amount] of grant.amounts) give(this.#free, name, amount);
    if (grant.coming) this.#rates.get(grant.lane.demand)?.giveBack();
    // Sums of fractions are not exact.
    if (this.#grants.size === 0) this.#fill();
    return true;
  }

  /**
   * Admits all that may begin.
   *
   * @param entering The one that has just come.
   */
  #pump(entering?: DispatchedCall): void {
    /** Of these somebody waits for more than there is. */
    const reserved = new Set<string>();
    let open = this.#waiting;
    let next = Infinity;
    for (let lane = first(open); lane !== undefined; lane = first(open)) {
      const { queue: { front: call }, demand, missed } = lane;
      if (call === undefined) break;
      const wait = this.#rates.get(demand)?.wait(performance.now()) ?? 0;
      next = Math.min(next, wait > 0 ? wait : Infinity);
      const amounts = this.#ownAmounts(call, lane);
      const lacking = wait > 0 ? [] : this.#lacking(amounts);
      if (lacking.length > 0 && this.#recallFor(call, lane, lacking)) {
        reserved.clear();
        open = this.#waiting;
        continue;
      }
      for (const name of lacking) missed.add(name);
      const isFree = lane.dependent || ![...amounts.keys()].some((name) => reserved.has(name));
      if (wait === 0 && lacking.length === 0 && isFree) {
        this.#admit(call, lane, amounts, call !== entering);
        if (lane.queue.size === 0) open.delete(lane);
        continue;
      }
      if (wait === 0) { for (const name of missed) reserved.add(name); }
      open.delete(lane);
    }
    this.#setTimer(next);
    this.#refuseDeadlocked();
  }

  get #waiting(): Set<Lane> {
    const lanes = [...this.#dependent.values(), ...this.#lanes.values()];
    return new Set(lanes.filter(({ queue }) => queue.size > 0));
  }

  #admit(call: DispatchedCall, lane: Lane, amounts: Amounts, waited: boolean): void {
    this.#withdraw(call);
    lane.missed.clear();
    for (const [name, amount] of amounts) give(this.#free, name, -amount);
    const rate = this.#rates.get(lane.demand);
    rate?.admit();
    this.#grants.set(call, { lane, amounts, coming: rate !== undefined });
    this.#options.admit(call, waited);
  }

  /**
   * Those that matter less and wait for a worker give back what a call lacks; none that would go before
   * it, and take it again.
   */
  #recallFor(
    { priority }: DispatchedCall,
    { dependent }: Lane,
    lacking: readonly string[],
  ): boolean {
    let recalled = false;
    for (const [call, { lane, amounts }] of this.#grants) {
      const goesBefore = call.priority >= priority || (lane.dependent && !dependent);
      if (goesBefore || !lacking.some((name) => amounts.has(name))) continue;
      if (!this.#options.recall(call)) continue;
      this.#release(call);
      this.#hold(call, lane).queue.unshift(call);
      recalled = true;
    }
    return recalled;
  }

  /** What a call takes beside what calls around it have taken. */
  #ownAmounts(call: DispatchedCall, { amounts }: Lane): Amounts {
    const around = this.#grantsAround(call);
    if (around.length === 0) return amounts;
    const taken = (name: string) =>
      Math.max(...around.map(([, { lane }]) => lane.amounts.get(name) ?? 0));
    const own = [...amounts].map(([name, amount]) => [name, amount - taken(name)] as const);
    return new Map(own.filter(([, amount]) => amount > 0));
  }

  #grantsAround(call: DispatchedCall): (readonly [DispatchedCall, Grant])[] {
    const around = this.#options.around(call);
    return around.length === 0 ? [] : [...this.#grants].filter(([{ id }]) => around.includes(id));
  }

  #lacking(amounts: Amounts, free: Amounts = this.#free): string[] {
    const isThere = (name: string, amount: number) => (free.get(name) ?? 0) >= amount * (1 - 1e-9);
    return [...amounts].filter(([name, amount]) => !isThere(name, amount))
      .map(([name]) => name);
  }

  /** Until one may begin that waits for its rate alone. */
  #setTimer(wait: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (wait === Infinity) return;
    this.#timer = setTimeout(() => {
      this.#pump();
      this.#options.admitted();
    }, Math.ceil(wait));
  }

  /** Supposes that all go on that can, and refuses who waits all the same. */
  #refuseDeadlocked(): void {
    if (this.#dependent.size === 0) return;
    let waiting = [...this.#held].filter(([call]) => this.#dependent.has(call));
    const free = new Map(this.#free);
    let holding = [...this.#grants];
    for (let before = -1; before !== waiting.length;) {
      before = waiting.length;
      const stuck = new Set(waiting.flatMap(([call]) => this.#options.around(call)));
      for (const [, { amounts }] of holding.filter(([{ id }]) => !stuck.has(id))) {
        for (const [name, amount] of amounts) give(free, name, amount);
      }
      holding = holding.filter(([{ id }]) => stuck.has(id));
      waiting = waiting.filter(([call, lane]) =>
        this.#lacking(this.#ownAmounts(call, lane), free).length > 0
      );
    }
    for (const [call, lane] of waiting) {
      if (!this.#held.has(call)) continue;
      const lacking = this.#lacking(this.#ownAmounts(call, lane)).map((name) =>
        JSON.stringify(name.slice(name.indexOf(" ") + 1))
      );
      this.#options.refuse(
        call,
        new QuiverError(
          `Cannot run "${call.request.task}": it needs ${
            lacking.join(", ")
          }, which is held by calls ` +
            "that wait for this one or for others like it; let the call around it need that, too",
        ),
      );
    }
  }
}

function give(free: Map<string, number>, name: string, amount: number): void {
  free.set(name, (free.get(name) ?? 0) + amount);
}

/** Whose first call comes before those of the others. */
function first(lanes: ReadonlySet<Lane>): Lane | undefined {
  let best: Lane | undefined;
  for (const lane of lanes) if (best === undefined || isBefore(lane, best)) best = lane;
  return best;
}

function isBefore(lane: Lane, other: Lane): boolean {
  if (lane.dependent !== other.dependent) return lane.dependent;
  const { front } = lane.queue;
  const { front: next } = other.queue;
  if (front === undefined || next === undefined) return next === undefined;
  if (front.priority !== next.priority) return front.priority > next.priority;
  return front.id < next.id;
}
