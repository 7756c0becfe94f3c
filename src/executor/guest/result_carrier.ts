import { importLater } from "../../base/lazy_import.ts";
import { holdsSpecial } from "../../value/holds_special.ts";
import { isGivenAway, transfer } from "../../worker/transfer.ts";
import type { Outcome } from "../../worker/worker.ts";
import type { EndedItems, ItemFailure } from "../wire/call_context.ts";

type Carrying = typeof import("../../value/carry_value.ts");
type Thrown = typeof import("../../value/codec/thrown_value.ts");

/** What makes results ready for their way back; loaded with the first that needs it. */
interface Tools {
  readonly toCarried: Carrying["toCarried"];
  readonly fromThrown: Thrown["fromThrown"];
}

/** Makes results in a worker ready for structured clone, such that nothing is lost on the way. */
export class ResultCarrier {
  #tools: Tools | undefined;

  /**
   * Looks at how a call ended.
   *
   * @returns The outcome that goes back: the same, where structured clone carries the result whole.
   */
  carry(outcome: Outcome): Outcome | Promise<Outcome> {
    if (outcome.type === "error" || typeof outcome.value !== "object" || outcome.value === null) {
      return outcome;
    }
    if (!holdsSpecial([outcome.value])) return outcome;
    const tools = this.#tools;
    return tools === undefined
      ? this.#load().then((tools) => toCarriedOutcome(outcome, tools))
      : toCarriedOutcome(outcome, tools);
  }

  /**
   * Looks at how items have ended. Each is a result of its own: one that cannot travel fails alone.
   *
   * @returns What goes back: the same, where structured clone carries the results whole.
   */
  carryItems(ended: EndedItems): EndedItems | Promise<EndedItems> {
    if (ended.values instanceof Float64Array) return ended;
    const special: number[] = [];
    for (let index = 0; index < ended.values.length; index++) {
      const value = ended.values[index];
      if (typeof value !== "object" || value === null) continue;
      if (holdsSpecial([value])) special.push(index);
    }
    if (special.length === 0) return ended;
    const tools = this.#tools;
    return tools === undefined
      ? this.#load().then((tools) => toCarriedItems(ended, special, tools))
      : toCarriedItems(ended, special, tools);
  }

  async #load(): Promise<Tools> {
    const { toCarried } = await importLater<Carrying>("carried");
    const { fromThrown } = await importLater<Thrown>("thrown");
    return this.#tools = { toCarried, fromThrown };
  }
}

type ValueOutcome = Extract<Outcome, { type: "value" }>;

function toCarriedResult(value: unknown, { toCarried }: Tools): unknown {
  const carried = toCarried(value, {
    root: "result",
    fails: (path) => `Cannot send ${path} back from a worker`,
  });
  return isGivenAway(value) ? transfer(carried) : carried;
}

function toCarriedOutcome(outcome: ValueOutcome, tools: Tools): Outcome {
  try {
    return { ...outcome, value: toCarriedResult(outcome.value, tools), carried: true };
  } catch (error) {
    const { duration, warnings } = outcome;
    return { type: "error", error: { thrown: tools.fromThrown(error) }, duration, warnings };
  }
}

function toCarriedItems(
  ended: EndedItems,
  special: readonly number[],
  tools: Tools,
): EndedItems {
  const values = [...ended.values];
  const carried: number[] = [];
  const failures: ItemFailure[] = [...ended.failures ?? []];
  for (const index of special) {
    try {
      values[index] = toCarriedResult(values[index], tools);
      carried.push(index);
    } catch (error) {
      values[index] = undefined;
      failures.push([index, { thrown: tools.fromThrown(error) }]);
    }
  }
  failures.sort(([one], [other]) => one - other);
  return { ...ended, values, carried, ...(failures.length > 0 && { failures }) };
}
