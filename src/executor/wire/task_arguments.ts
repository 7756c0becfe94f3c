import { UnclonableError } from "../../base/errors.ts";
import type { TaskAddress } from "../../call/call_record.ts";
import type { SourceWitness } from "../../call/module_sources.ts";
import type { ScopeDescription } from "../../scope/scope.ts";
import type { Digest } from "../../value/value.ts";
import { definitionOf, frozenScopeOf, refuseRepl } from "../../task/definition.ts";
import { describeBound } from "../../task/task.ts";
import { besideOf, type Carried, toCarried } from "../../value/carry_value.ts";
import { isCallback } from "../../value/symbols.ts";
import { isGivenAway, transfer } from "../../worker/transfer.ts";
import type { Callback } from "../../worker/worker.ts";

/** The name of the nodes that stand for tasks. */
export const TASK_NODE = "task";
/** The name of the nodes that stand for functions which `Comlink.proxy()` has marked. */
export const CALLBACK_NODE = "callback";

/** How a task that is an argument is found where it arrives. */
export interface TaskReference {
  /** Where the task is. */
  readonly address: TaskAddress;
  /** The code of its module, where the key of a call was made of it. */
  readonly sources?: SourceWitness;
  /** The digest of the task's code, where it is known. */
  readonly code?: Digest;
  /** The scope that it is bound to, with the signing keys, if it is bound. */
  readonly scope?: ScopeDescription;
}

/**
 * The tasks among arguments, by the token of what carries the arguments: a name that no other data
 * has. Where there are none, the token still says what is to be decoded.
 */
export type TaskReferences = { readonly [token: string]: readonly TaskReference[] };

/** Arguments that structured clone carries whole. */
interface EncodedArguments {
  /** A {@linkcode CarriedArguments}, and behind it a list of what was given away, if some was. */
  readonly args: readonly unknown[];
  /** The tasks. */
  readonly tasks: TaskReferences;
  /** The callbacks, by the numbers that stand for them. */
  readonly callbacks: readonly Callback[];
}

/** All arguments of a call. */
export interface CarriedArguments extends Carried {
  /** Stands for them among the references. */
  readonly "quiver.task": string;
}

/**
 * Makes arguments data that structured clone carries whole; only those that hold something special
 * (see `holdsSpecial()`), such as a task or a callback, need it.
 *
 * @param name The name of the task that they are for, for messages.
 * @returns Data in their place.
 * @throws {UnclonableError} When something among them cannot travel.
 */
export function encodeTasks(args: readonly unknown[], name: string): EncodedArguments {
  const token = crypto.randomUUID();
  const tasks: TaskReference[] = [];
  const indices = new Map<object, number>();
  const callbacks: Callback[] = [];
  const toNode = (value: object): readonly unknown[] | undefined => {
    if (typeof value !== "function") return undefined;
    if (isCallback(value)) {
      const known = callbacks.indexOf(value);
      return [CALLBACK_NODE, known < 0 ? callbacks.push(value) - 1 : known];
    }
    let index = indices.get(value);
    if (index === undefined) {
      const reference = toReference(value);
      if (reference === undefined) return undefined;
      index = tasks.push(reference) - 1;
      indices.set(value, index);
    }
    return [TASK_NODE, index];
  };
  const carried = toCarried(args, {
    root: "args",
    fails: (path) => `Cannot send ${path} of "${name}" to a worker`,
    toNode,
  });
  const marked = Object.assign(carried, { "quiver.task": token } as const);
  return { args: giveAway(args, marked), tasks: { [token]: tasks }, callbacks };
}

/** What was given away moves: all of it, or what is in a list of its own, for the rest does not. */
function giveAway(args: readonly unknown[], carried: CarriedArguments): readonly unknown[] {
  const given = args.filter(isGivenAway);
  if (given.length === 0) return [carried];
  return args.length === 1 ? [transfer(carried)] : [carried, transfer(besideOf(given, carried))];
}

function toReference(task: unknown): TaskReference | undefined {
  const definition = definitionOf(task);
  if (definition === undefined || typeof task !== "function") return undefined;
  const { address, code, isOfRepl, name } = definition;
  if (isOfRepl) throw new UnclonableError(refuseRepl(name), "args");
  const reference = code === undefined ? { address } : { address, code };
  const frozen = frozenScopeOf(task);
  if (frozen === undefined) return reference;
  return {
    ...reference,
    scope: describeBound(address, frozen, frozen.cache?.secretDescription).scope,
  };
}
