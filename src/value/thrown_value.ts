import * as types from "node:util/types";
import { fromGraph } from "./_graph_reader.ts";
import { toGraph } from "./_graph_writer.ts";
import { toObjectType } from "./_object_type.ts";

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
    return toGraph(error, { toText, read });
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : typeof cause;
    return toGraph(new Error(`Cannot pass on what was thrown: reading it threw ${name}`));
  }
}

/**
 * Turns data back into what was thrown. Built-in classes and Quiver's own are the real ones; an
 * error of any other class is an `Error` with its name.
 *
 * @param data What {@linkcode fromThrown} gave.
 * @returns What was thrown.
 * @throws {SyntaxError} If the data is anything else.
 */
export function toThrown(data: unknown): unknown {
  return fromGraph(data, () => {
    throw new SyntaxError("Cannot decode what was thrown: it refers to a part");
  });
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
