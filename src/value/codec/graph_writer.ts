import { Refusal, TooDeepError } from "../digest/byte_sink.ts";
import { type ErrorField, toErrorShape } from "../error_shape.ts";
import { FileHandle } from "../file/file_handle.ts";
import { toFileNode } from "../file/stored_file.ts";
import { type StoredInstance, takeApart } from "../class_registry.ts";
import {
  bytesOf,
  fromTemporal,
  isArrayValue,
  namedKeysOf,
  type ObjectType,
  toBaseType,
  toObjectType,
} from "../object_type.ts";
import type { EncodedPart } from "../value.ts";
import { GRAPH_FORMAT, type GraphTable, toTextSlot } from "./graph_reader.ts";

/** Options of {@linkcode toGraph}. */
export interface GraphOptions {
  /**
   * The large arrays that are stored on their own.
   *
   * @default {new Map()}
   */
  parts?: ReadonlyMap<object, EncodedPart>;
  /**
   * Gives the text that stands for what cannot be cloned, and `undefined` for everything else; is told
   * whether that is inside of an error. With it instances become what structured clone makes of
   * them; without it they are refused.
   */
  toText?: (value: object | symbol, inError: boolean) => string | undefined;
  /** Gives the node of what has another one than it would have in a store. */
  toNode?: (value: object) => readonly unknown[] | undefined;
  /**
   * How many levels deep a value may be.
   *
   * @default {Infinity}
   */
  maxDepth?: number;
  /**
   * Reads a property.
   *
   * @default {Reflect.get}
   */
  read?: (object: object, key: string) => unknown;
  /**
   * Whether the graph goes to a store, which knows nothing of the places of this machine.
   *
   * @default {false}
   */
  stored?: boolean;
  /** What stands for instances of registered classes that were taken apart already. */
  apart?: ReadonlyMap<object, StoredInstance> | undefined;
  /** Told of each object that the graph has a node for. */
  visit?: (object: object) => void;
}

/**
 * Lays a value out as a graph.
 *
 * @param options What is stored elsewhere, and what becomes of what cannot be stored.
 * @returns The graph, as data that CBOR and structured clone carry.
 */
export function toGraph(value: unknown, options: GraphOptions = {}): GraphTable {
  return new GraphWriter(options).write(value);
}

class GraphWriter {
  readonly #options: GraphOptions;
  readonly #indices = new Map<object, number>();
  readonly #objects: object[] = [];
  /** What was met first inside of an error. */
  readonly #ofErrors = new Set<object>();
  /** Whether what is met now is inside of an error. */
  #inError = false;

  constructor(options: GraphOptions) {
    this.#options = options;
  }

  write(value: unknown): GraphTable {
    const { maxDepth = Infinity, visit } = this.#options;
    const table: unknown[] = [GRAPH_FORMAT, this.#toSlot(value)];
    let depth = 0;
    let deeper = 0;
    // Slots of a node may add objects, so that the list grows while it is gone over: level by level.
    for (const object of this.#objects) {
      if (table.length - 2 === deeper) {
        if (++depth > maxDepth) throw new TooDeepError(`More than ${maxDepth} levels`);
        deeper = this.#objects.length;
      }
      this.#inError = object instanceof Error || this.#ofErrors.has(object);
      table.push(this.#toNode(object));
      visit?.(object);
    }
    return table;
  }

  #toSlot(value: unknown): unknown {
    switch (typeof value) {
      case "object":
        return value === null ? null : this.#toReference(value);
      case "string":
        return toTextSlot(value);
      case "number":
        return Object.is(value, -0) ? ["-0"] : value;
      case "bigint":
        return ["bigint", value.toString(16)];
      case "function":
      case "symbol":
        return this.#toReference(value);
      default:
        return value;
    }
  }

  #toReference(value: object | symbol): unknown {
    const text = this.#options.toText?.(value, this.#inError);
    if (text !== undefined) return toTextSlot(text);
    return typeof value === "symbol" ? this.#refuse() : [this.#indexOf(value)];
  }

  #indexOf(value: object): number {
    let index = this.#indices.get(value);
    if (index === undefined) {
      index = this.#objects.length;
      this.#indices.set(value, index);
      this.#objects.push(value);
      if (this.#inError) this.#ofErrors.add(value);
    }
    return index;
  }

  #toNode(value: object): readonly unknown[] {
    const own = this.#options.toNode?.(value);
    if (own !== undefined) return own;
    const type = toObjectType(value);
    if (type !== "Instance" || this.#options.toText === undefined) return this.#nodeOf(value, type);
    return this.#nodeOf(value, toBaseType(value));
  }

  #nodeOf(value: object, type: ObjectType): readonly unknown[] {
    if (type === "Object" || type === "NullObject") {
      return [type, ...this.#properties(value, Object.keys(value))];
    }
    if (Array.isArray(value) && type === "Array") return this.#arrayNode(value);
    if (value instanceof Map && type === "Map") {
      return this.#items(type, [...Map.prototype.entries.call(value)].flat(1));
    }
    if (value instanceof Set && type === "Set") {
      return this.#items(type, [...Set.prototype.values.call(value)]);
    }
    if (value instanceof Date && type === "Date") return [type, value.getTime()];
    if (value instanceof RegExp && type === "RegExp") {
      return [type, toTextSlot(value.source), value.flags];
    }
    if (type === "Boxed") return [type, this.#toSlot(value.valueOf())];
    if (type === "URL" || type === "URLSearchParams") return [type, toTextSlot(String(value))];
    if (value instanceof Error) return this.#errorNode(value);
    if (type === "Temporal") return [type, ...fromTemporal(value)];
    if (type === "Registered") {
      const { name, version, data } = this.#options.apart?.get(value) ?? takeApart(value);
      return [type, toTextSlot(name), this.#toSlot(version), this.#toSlot(data)];
    }
    if (value instanceof FileHandle) {
      return toFileNode(value, { toSlot: toTextSlot, stored: this.#options.stored ?? false });
    }
    if (!isArrayValue(value, type)) this.#refuse();
    const part = this.#options.parts?.get(value);
    if (part !== undefined) return ["part", Uint8Array.fromHex(part.digest)];
    // A copy, for a view would take its whole buffer along where the graph is cloned.
    return [type, bytesOf(value).slice()];
  }

  #arrayNode(array: readonly unknown[]): readonly unknown[] {
    const dense = namedKeysOf(array).length === 0 && !hasHoles(array);
    if (dense) return this.#items("Array", array);
    return ["SparseArray", array.length, ...this.#properties(array, Object.keys(array))];
  }

  #errorNode(error: Error): readonly unknown[] {
    const { type, name, message, stack, hidden, fields } = toErrorShape(error, this.#options.read);
    return [
      "Error",
      toTextSlot(type),
      toTextSlot(name),
      message === undefined ? undefined : toTextSlot(message),
      stack === undefined ? undefined : toTextSlot(stack),
      hidden.length,
      ...this.#fields(hidden),
      ...this.#fields(fields),
    ];
  }

  #items(type: string, items: readonly unknown[]): readonly unknown[] {
    const node: unknown[] = [type];
    for (const item of items) node.push(this.#toSlot(item));
    return node;
  }

  #properties(object: object, keys: readonly string[]): unknown[] {
    const { read = Reflect.get } = this.#options;
    const slots: unknown[] = [];
    for (const key of keys) slots.push(toTextSlot(key), this.#toSlot(read(object, key)));
    return slots;
  }

  #refuse(): never {
    throw new Refusal("it changes while it is read; pass a copy");
  }

  #fields(fields: readonly ErrorField[]): unknown[] {
    return fields.flatMap(([key, value]) => [toTextSlot(key), this.#toSlot(value)]);
  }
}

function hasHoles(array: readonly unknown[]): boolean {
  for (let i = 0; i < array.length; i++) if (array[i] === undefined && !(i in array)) return true;
  return false;
}
