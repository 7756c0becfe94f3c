import * as types from "node:util/types";
import { fromGraph } from "./_graph_reader.ts";
import { toGraph } from "./_graph_writer.ts";
import { toObjectType } from "./_object_type.ts";
import { ErrorRestoration, type RegisteredEntry } from "./_restore_errors.ts";
import { findRegistered, type RegisteredError } from "./register_error.ts";

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
    const entries: RegisteredEntry[] = [];
    let nodes = 0;
    const visit = (object: object) => {
      const node = nodes++;
      const registered = object instanceof Error ? findRegistered(object) : undefined;
      if (registered !== undefined) {
        entries.push([node, registered.name, toFields(registered, object as Error)]);
      }
    };
    const graph = toGraph(error, { toText, read, visit });
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
  if (!Array.isArray(data) || data[0] !== REGISTERED) return fromGraph(data, refusePart);
  // What `fromThrown` gave.
  const entries = data[2] as readonly RegisteredEntry[];
  const readFields = (fields: unknown) => fromGraph(fields, refusePart);
  return fromGraph(data[1], refusePart, new ErrorRestoration(entries, readFields));
}

/** Where the class cannot say, the error's own properties speak for it. */
function toFields({ toFields }: RegisteredError, error: Error): unknown {
  try {
    const fields = toFields?.(error);
    return fields && toGraph(fields, { toText, read });
  } catch {
    return undefined;
  }
}

function refusePart(): never {
  throw new SyntaxError("Cannot decode what was thrown: it refers to a part");
}

/** The text of what cannot be cloned; whatever has fields goes as these. */
function toText(value: object | symbol): string | undefined {
  if (typeof value === "symbol" || typeof value === "function") return describe(value);
  try {
    const type = toObjectType(value);
    if (type !== "Instance" && !types.isProxy(value)) return undefined;
    if (Object.keys(value).length > 0 || type !== "Instance") return undefined;
    structuredClone(value);
    return undefined;
  } catch {
    // What a proxy's traps throw, or structured clone: either way only a text can go.
    return describe(value);
  }
}

function read(object: object, key: string): unknown {
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
