import * as types from "node:util/types";
import { InstanceError, QuiverError } from "../../base/errors.ts";
import { isThreadOnly, refuseInstance, refuseTakingApart } from "../digest/refusal.ts";
import {
  findRegistered,
  makeInstances,
  registeredAs,
  type RegisteredError,
  type StoredInstance,
} from "../class_registry.ts";
import { toObjectType } from "../object_type.ts";
import { fromGraph, type Replacement, type Restoration } from "./graph_reader.ts";
import { toGraph } from "./graph_writer.ts";

/** What a graph with errors of registered classes begins with; a plain one begins with a number. */
const REGISTERED = "registered";

/**
 * Turns whatever was thrown into data that structured clone carries. Errors keep their class, name,
 * message, stack, own fields, `cause` and `errors`, at any depth; what cannot be cloned becomes its
 * text. It never throws.
 *
 * @param error What was thrown.
 * @returns The data, which {@linkcode toThrown} turns back.
 */
export function fromThrown(error: unknown): unknown {
  try {
    const { entries, visit } = noteRegistered();
    const graph = toGraph(error, { toText: toThrownText, read, visit });
    return entries.length === 0 ? graph : [REGISTERED, graph, entries];
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : typeof cause;
    return toGraph(new Error(`Cannot pass on what was thrown: reading it threw ${name}`));
  }
}

/**
 * Turns data back into what was thrown. Built-in classes, Quiver's own and registered ones are the
 * real ones; an error of any other class is an error of the built-in class it extends, with its name.
 *
 * @param data What {@linkcode fromThrown} gave.
 * @returns What was thrown.
 * @throws {SyntaxError} If the data is anything else.
 */
export function toThrown(data: unknown): unknown {
  if (!Array.isArray(data) || data[0] !== REGISTERED) return readThrown(data);
  // What `fromThrown` gave.
  return readThrown(data[1], toRestoration(data[2] as readonly RegisteredEntry[]));
}

/** What cannot be made of what an error has must not hide the error: what stands for it stays. */
function readThrown(graph: unknown, restoration?: Restoration): unknown {
  const instances: StoredInstance[] = [];
  const value = fromGraph(graph, refusePart, { restoration, instances });
  try {
    return makeInstances(value, instances);
  } catch (error) {
    if (error instanceof InstanceError) return value;
    throw error;
  }
}

/** Notes the errors of registered classes in a graph. */
interface RegisteredNotes {
  /** What was noted. */
  readonly entries: readonly RegisteredEntry[];
  /** Is to be told of each object that the graph has a node for. */
  readonly visit: (object: object) => void;
}

/**
 * Begins to note the errors of registered classes in a graph that is written.
 *
 * @returns The notes, for {@linkcode toRestoration}.
 */
export function noteRegistered(): RegisteredNotes {
  const entries: RegisteredEntry[] = [];
  let nodes = 0;
  const visit = (object: object) => {
    const node = nodes++;
    const registered = object instanceof Error ? findRegistered(object) : undefined;
    if (registered !== undefined) {
      entries.push([node, registered.name, toFields(registered, object as Error)]);
    }
  };
  return { entries, visit };
}

/**
 * Makes what makes errors of registered classes these again.
 *
 * @param entries What was noted when the graph was written.
 * @returns What the graph is to be read with.
 */
export function toRestoration(entries: readonly RegisteredEntry[]): Restoration {
  return {
    adopt(objects) {
      for (const [registered, error, _, data] of knownOf(entries, objects)) {
        if (registered.fromFields !== undefined) continue;
        Object.setPrototypeOf(error, registered.prototype);
        if (data === undefined) continue;
        const fields = Object(readThrown(data));
        Object.defineProperties(error, Object.getOwnPropertyDescriptors(fields));
      }
    },
    replace(objects) {
      const replacements = new Map<number, Replacement>();
      for (const [registered, plain, node, data] of knownOf(entries, objects)) {
        if (registered.fromFields === undefined) continue;
        const fields = data === undefined ? plain : Object(readThrown(data));
        replacements.set(node, make(registered, { ...fields }, plain));
      }
      return replacements;
    },
  };
}

/** Where the class cannot say, the error's own properties speak for it. */
function toFields({ toFields }: RegisteredError, error: Error): unknown {
  try {
    const fields = toFields?.(error);
    return fields && toGraph(fields, { toText: toThrownText, read });
  } catch {
    return undefined;
  }
}

/**
 * Refuses a part: what travels has its arrays with it.
 *
 * @throws {SyntaxError} Always.
 */
export function refusePart(): never {
  throw new SyntaxError("Cannot decode what was thrown: it refers to a part");
}

/**
 * Gives the text of what cannot be cloned; whatever has fields goes as these.
 *
 * @param value What an error has, or what was thrown.
 * @returns The text, or `undefined` when it can be cloned.
 */
export function toText(value: object | symbol): string | undefined {
  if (typeof value === "symbol" || typeof value === "function") return describe(value);
  try {
    const type = toObjectType(value);
    if (type !== "Instance" && !types.isProxy(value)) return undefined;
    if (Object.keys(value).length > 0 || type !== "Instance") return undefined;
    return refuseInstance(value) === undefined ? undefined : describe(value);
  } catch {
    // What a proxy's traps throw: only a text can go.
    return describe(value);
  }
}

/** What is thrown has nothing beside its graph, in which a `Blob`, say, would be an empty object. */
function toThrownText(value: object | symbol): string | undefined {
  const text = toText(value);
  if (text !== undefined || typeof value === "symbol" || types.isProxy(value)) return text;
  const isText = isThreadOnly(value) || refuseTakingApart(value) !== undefined;
  return isText ? describe(value) : undefined;
}

/**
 * Reads a property, whatever its getter throws.
 *
 * @param object Where it is.
 * @param key Its name.
 * @returns Its value, or a text.
 */
export function read(object: object, key: string): unknown {
  try {
    return Reflect.get(object, key);
  } catch (error) {
    // A getter that throws must not hide the error that it belongs to.
    return `[getter threw: ${describe(error)}]`;
  }
}

function describe(value: unknown): string {
  try {
    return String(value);
  } catch {
    return `[${typeof value} without text]`;
  }
}

/** An error of a registered class in a graph: its node, its class, and its fields if it has its own. */
export type RegisteredEntry = readonly [node: number, name: string, fields: unknown];

/** A class that is not known here stays the built-in one that it extends. */
function* knownOf(
  entries: readonly RegisteredEntry[],
  objects: readonly object[],
): Generator<readonly [registered: RegisteredError, error: Error, node: number, data: unknown]> {
  for (const [node, name, data] of entries) {
    const registered = registeredAs(name);
    const error = objects[node];
    if (registered !== undefined && error instanceof Error) yield [registered, error, node, data];
  }
}

/** What its class cannot make must not vanish, nor keep the call from ending. */
function make({ name, fromFields }: RegisteredError, fields: object, plain: Error): Replacement {
  try {
    const error: unknown = fromFields?.({ ...fields }, plain);
    if (!(error instanceof Error)) throw new TypeError("it returned no error");
    const { stack } = plain;
    Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
    return { error, complete: false };
  } catch (thrown) {
    const reason = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
    const error = new QuiverError(
      `Cannot restore a thrown "${name}" as its \`fromFields\` failed: ${reason}; ` +
        "`cause` is the error without its class",
      { cause: plain },
    );
    return { error, complete: true };
  }
}
