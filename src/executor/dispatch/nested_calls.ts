import { currentScope } from "../../scope/current_scope.ts";
import type { CallContext } from "../wire/call_context.ts";

/**
 * Calls that the bodies of other calls of the same dispatcher have made, which only happens where
 * workers are in its own isolate. A body that waits for one holds its worker meanwhile: each such worker
 * is counted, so that another may take its place, and no call waits for the end of the one that waits
 * for it.
 */
export class NestedCalls {
  readonly #owner: string;
  /** The bodies that have made them, by call. */
  readonly #callers = new Map<object, object>();
  /** By call, those around it that have taken something of what their dispatcher has. */
  readonly #around = new Map<object, readonly number[]>();
  /** How many each of those has made that have not ended. */
  readonly #counts = new Map<object, number>();

  /**
   * Begins to count.
   *
   * @param owner What the dispatcher is known by to the calls beneath those of its own.
   */
  constructor(owner: string) {
    this.#owner = owner;
  }

  /** How many workers are held by calls that have made others. */
  get holding(): number {
    return this.#counts.size;
  }

  /**
   * Tells what the body of the call to be made may have around it in this isolate: the other dispatchers,
   * and the calls that have taken something, by dispatcher and id.
   *
   * @param id The id of that call, if it takes something.
   * @returns What there is, if anything is.
   */
  flags(id: number | undefined): Pick<CallContext, "within" | "holds"> | undefined {
    const { within: all = [], holds: outer = [] } = currentScope().nesting ?? {};
    const within = all.filter((owner) => owner !== this.#owner);
    const holds = id === undefined ? outer : [...outer, [this.#owner, id] as const];
    if (within.length === 0 && holds.length === 0) return undefined;
    return { ...(within.length > 0 && { within }), ...(holds.length > 0 && { holds }) };
  }

  /** Whether a call was made by the body of another one. */
  has(call: object): boolean {
    return this.#callers.has(call);
  }

  /** The ids of the calls around one that have taken something. */
  around(call: object): readonly number[] {
    return this.#around.get(call) ?? [];
  }

  /**
   * Counts a call, if the body of another one is making it.
   *
   * @returns Whether it is.
   */
  add(call: object): boolean {
    const { chain, nesting } = currentScope();
    if (chain === undefined || nesting?.within?.includes(this.#owner) !== true) return false;
    this.#count(call, chain);
    const own = nesting.holds?.filter(([owner]) => owner === this.#owner) ?? [];
    if (own.length > 0) this.#around.set(call, own.map(([, id]) => id));
    return true;
  }

  /**
   * Counts a call that has some of another's items, if that is counted.
   *
   * @param call The other one, which has not ended.
   */
  addPart(call: object, part: object): void {
    const caller = this.#callers.get(call);
    if (caller !== undefined) this.#count(part, caller);
    const around = this.#around.get(call);
    if (around !== undefined) this.#around.set(part, around);
  }

  #count(call: object, caller: object): void {
    this.#callers.set(call, caller);
    this.#counts.set(caller, (this.#counts.get(caller) ?? 0) + 1);
  }

  /**
   * A call has ended.
   *
   * @returns Whether it was counted.
   */
  delete(call: object): boolean {
    const caller = this.#callers.get(call);
    if (caller === undefined) return false;
    this.#callers.delete(call);
    this.#around.delete(call);
    const left = (this.#counts.get(caller) ?? 1) - 1;
    if (left === 0) this.#counts.delete(caller);
    else this.#counts.set(caller, left);
    return true;
  }
}
