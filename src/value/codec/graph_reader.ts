import { createError, defineHidden } from "../error_shape.ts";
import { FileHandle } from "../file/file_handle.ts";
import { fromFileNode } from "../file/stored_file.ts";
import { makeInstances, StoredInstance } from "../class_registry.ts";
import { fromBytes, isArrayKind, toTemporal } from "../object_type.ts";
import type { Digest, Payload } from "../value.ts";

/** Gives the array or buffer that is stored under a digest. */
export type LoadPart = (digest: Digest) => object;

/** Makes the object of a node otherwise than every reader does; `undefined` of every other node. */
type FromNode = (node: GraphNode) => object | undefined;

/**
 * Makes files of their nodes such that they are read out of the store that the graph comes from.
 *
 * @param load Reads a piece of a file.
 * @param outputs Takes those that a task has written.
 */
export function filesOfStore(
  load: (digest: Digest) => Payload | undefined,
  outputs: FileHandle[] = [],
): FromNode {
  return (node) => {
    if (node[0] !== "File") return undefined;
    const file = fromFileNode(node, { toText, load });
    if (FileHandle.stateOf(file).output !== undefined) outputs.push(file);
    return file;
  };
}

/** What takes the place of an error in a graph. */
export interface Replacement {
  /** The error. */
  readonly error: Error;
  /** Whether it has its `cause` and the like already. */
  readonly complete: boolean;
}

/** Makes errors what they were before they became a graph. */
export interface Restoration {
  /** Changes errors in place; is given all objects, by node, once they are complete. */
  adopt(objects: readonly object[]): void;
  /** Gives what must take the place of errors, by node. */
  replace(objects: readonly object[]): ReadonlyMap<number, Replacement>;
}

/** How a graph is read. */
export interface ReadOptions {
  /** Makes errors what they were. */
  readonly restoration?: Restoration | undefined;
  /** Makes what only the caller knows how to make. */
  readonly fromNode?: FromNode | undefined;
  /**
   * Takes what stands for instances of registered classes, which then stays in the value: nobody's code
   * runs. Without it instances are made.
   */
  readonly instances?: StoredInstance[] | undefined;
}

/**
 * Builds the value that a graph stands for.
 *
 * @param table The graph, as CBOR or structured clone gave it back.
 * @param loadPart Where to get what is stored on its own.
 * @param options What is made otherwise.
 * @throws {SyntaxError} If the table is no graph.
 * @throws {InstanceError} If an instance of a class cannot be made.
 */
export function fromGraph(
  table: unknown,
  loadPart: LoadPart,
  options: ReadOptions = {},
): unknown {
  const instances = options.instances ?? [];
  const value = readGraph(table, loadPart, options, instances);
  return options.instances === undefined ? makeInstances(value, instances) : value;
}

function readGraph(
  table: unknown,
  loadPart: LoadPart,
  { restoration, fromNode }: ReadOptions,
  instances: StoredInstance[],
): unknown {
  const { root, nodes } = readTable(table);
  const reader = new GraphReader(nodes, loadPart, new Map(), fromNode);
  const value = reader.read(root);
  for (const object of reader.objects) if (object instanceof StoredInstance) instances.push(object);
  if (restoration === undefined) return value;
  restoration.adopt(reader.objects);
  const replacements = restoration.replace(reader.objects);
  if (replacements.size === 0) return value;
  // Whatever refers to what is replaced is made anew.
  const second = new GraphReader(nodes, loadPart, replacements, fromNode);
  const replaced = second.read(root);
  instances.length = 0;
  for (const object of second.objects) {
    if (object instanceof StoredInstance) instances.push(object);
  }
  restoration.adopt(second.objects);
  return replaced;
}

/** A node of a graph: the name of its type, then what the type says. */
export type GraphNode = readonly unknown[];

/**
 * Takes a graph apart.
 *
 * @param table The graph, as CBOR gave it back.
 * @returns The slot of the whole value, and the nodes.
 * @throws {SyntaxError} If the table is no graph.
 */
export function readTable(
  table: unknown,
): { readonly root: unknown; readonly nodes: readonly GraphNode[] } {
  if (!Array.isArray(table) || table.length < 2) throw malformed("no table");
  const [format, root]: readonly unknown[] = table;
  if (format !== GRAPH_FORMAT) throw malformed(`format ${String(format)} is not known`);
  return { root, nodes: table.slice(2).map(toNode) };
}

class GraphReader {
  readonly #nodes: readonly GraphNode[];
  readonly #replacements: ReadonlyMap<number, Replacement>;
  /** What the nodes stand for. */
  readonly objects: readonly object[];

  constructor(
    nodes: readonly GraphNode[],
    loadPart: LoadPart,
    replacements: ReadonlyMap<number, Replacement>,
    fromNode?: FromNode,
  ) {
    this.#replacements = replacements;
    this.#nodes = nodes;
    this.objects = nodes.map((node, i) =>
      replacements.get(i)?.error ?? fromNode?.(node) ?? createObject(node, loadPart)
    );
  }

  read(root: unknown): unknown {
    this.#nodes.forEach((node, i) => this.#fill(this.objects[i], node, this.#replacements.get(i)));
    return this.#toValue(root);
  }

  #toValue(slot: unknown): unknown {
    if (!Array.isArray(slot)) return toPlain(slot);
    const index: unknown = slot[0];
    if (typeof index !== "number") return toPrimitive(slot);
    const object = this.objects[index];
    if (object === undefined) throw malformed(`there is no node ${index}`);
    return object;
  }

  #fill(object: object | undefined, node: GraphNode, replacement?: Replacement): void {
    const type = node[0];
    if (type === "Object" || type === "NullObject") this.#setAll(object, node, 1);
    else if (type === "Array" && Array.isArray(object)) {
      for (let i = 1; i < node.length; i++) object.push(this.#toValue(node[i]));
    } else if (type === "SparseArray" && Array.isArray(object)) {
      this.#setAll(object, node, 2);
      setLength(object, node[1]);
    } else if (object instanceof Map && type === "Map") {
      if (node.length % 2 === 0) throw malformed("a Map has half an entry");
      for (let i = 1; i < node.length; i += 2) {
        object.set(this.#toValue(node[i]), this.#toValue(node[i + 1]));
      }
    } else if (object instanceof Set && type === "Set") {
      for (let i = 1; i < node.length; i++) object.add(this.#toValue(node[i]));
    } else if (object instanceof StoredInstance && type === "Registered") {
      object.data = this.#toValue(node[3]);
    } else if (object instanceof Error && type === "Error") {
      if (replacement?.complete !== true) this.#fillError(object, node, replacement);
    }
  }

  #fillError(error: Error, node: GraphNode, replacement?: Replacement): void {
    const hidden = node[5];
    if (typeof hidden !== "number" || !(hidden >= 0 && hidden <= 4)) throw malformed("an Error");
    const end = 6 + hidden * 2;
    for (let i = 6; i < end; i += 2) {
      defineHidden(error, toText(node[i]), this.#toValue(node[i + 1]));
    }
    if (replacement === undefined) this.#setAll(error, node, end);
  }

  #setAll(object: object | undefined, node: GraphNode, start: number): void {
    if (object === undefined || (node.length - start) % 2 !== 0) throw malformed("half a property");
    for (let i = start; i < node.length; i += 2) {
      set(object, toText(node[i]), this.#toValue(node[i + 1]));
    }
  }
}

/** Sets an own property, `__proto__` included. */
function set(object: object, key: string, value: unknown): void {
  // An array has its length already, and to define it again may throw an error of the engine's own.
  if (key === "length" && Array.isArray(object)) throw malformed(`property "${key}" of an array`);
  const descriptor = { value, writable: true, enumerable: true, configurable: true };
  if (!Reflect.defineProperty(object, key, descriptor)) throw malformed(`property "${key}"`);
}

/**
 * Sets the length of a sparse array. The last index is set and taken away first: so the engine
 * keeps a table of what is there instead of room for every hole, however long the array says it is.
 */
function setLength(array: unknown[], length: unknown): void {
  if (typeof length !== "number" || !(length >= array.length && length < 2 ** 32)) {
    throw malformed("the length of an array");
  }
  if (length > array.length) {
    array[length - 1] = undefined;
    delete array[length - 1];
  }
}

function toNode(node: unknown): GraphNode {
  if (!Array.isArray(node)) throw malformed("a node is no array");
  return node;
}

function createObject(node: GraphNode, loadPart: LoadPart): object {
  const [type, first, second] = node;
  switch (type) {
    case "Object":
      return {};
    case "NullObject":
      return Object.create(null);
    case "Array":
    case "SparseArray":
      return [];
    case "Map":
      return new Map();
    case "Set":
      return new Set();
    case "Date":
      if (typeof first !== "number") throw malformed("a Date");
      return new Date(first);
    case "RegExp":
      return new RegExp(toText(first), toText(second));
    case "URL":
      return toUrl(toText(first));
    case "URLSearchParams":
      return new URLSearchParams(toText(first));
    case "Boxed":
      return toBoxed(Array.isArray(first) ? toPrimitive(first) : toPlain(first));
    case "Error":
      return toError(node);
    case "File":
      return fromFileNode(node, { toText });
    case "Registered":
      return new StoredInstance({ name: toText(first), version: toVersion(second) });
    case "Temporal":
      return toTemporal(toText(first), toText(second)) ?? refuseTemporal();
    case "part":
      if (!(first instanceof Uint8Array) || first.length !== 32) throw malformed("a part");
      return loadPart(first.toHex());
    default:
      return toArray(type, first);
  }
}

function toVersion(slot: unknown): string | number {
  const version = Array.isArray(slot) ? toPrimitive(slot) : slot;
  if (typeof version !== "string" && typeof version !== "number") throw malformed("a version");
  return version;
}

function refuseTemporal(): never {
  throw malformed("a Temporal object");
}

function toUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null) throw malformed("a URL");
  return url;
}

function toBoxed(primitive: unknown): object {
  if (primitive === undefined || primitive === null) throw malformed("a boxed primitive");
  return Object(primitive);
}

function toArray(kind: unknown, bytes: unknown): object {
  if (typeof kind !== "string" || !isArrayKind(kind)) {
    throw malformed(`a node of type ${JSON.stringify(kind)}`);
  }
  if (!(bytes instanceof Uint8Array)) throw malformed(`a ${kind}`);
  // An own copy, because it is a view on the whole table.
  return fromBytes(kind, new Uint8Array(bytes));
}

function toError(node: GraphNode): Error {
  const [, type, name, message, stack] = node;
  return createError({
    type: toText(type),
    name: toText(name),
    message: message === undefined ? undefined : toText(message),
    stack: stack === undefined ? undefined : toText(stack),
  });
}

/**
 * Reads a key or a slot that must be a text.
 *
 * @throws {SyntaxError} If it is none.
 */
export function toText(slot: unknown): string {
  const text = Array.isArray(slot) ? toPrimitive(slot) : slot;
  if (typeof text !== "string") throw malformed("a text");
  return text;
}

function toPlain(slot: unknown): unknown {
  if (typeof slot === "object" && slot !== null) throw malformed("a slot");
  return slot;
}

const BIGINT_REGEXP = /^-?[0-9a-f]+$/;

function toPrimitive(slot: readonly unknown[]): unknown {
  const [type, content] = slot;
  if (type === "-0") return -0;
  if (type === "bigint" && typeof content === "string" && BIGINT_REGEXP.test(content)) {
    return content.startsWith("-") ? -BigInt(`0x${content.slice(1)}`) : BigInt(`0x${content}`);
  }
  if (type === "utf16" && content instanceof Uint8Array) return toUtf16(content);
  throw malformed("a slot");
}

function toUtf16(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pieces: string[] = [];
  for (let i = 0; i + 1 < bytes.length; i += 2) {
    pieces.push(String.fromCharCode(view.getUint16(i, true)));
  }
  return pieces.join("");
}

/** Refuses a graph, saying what of it is not as it should be. */
export function malformed(what: string): SyntaxError {
  return new SyntaxError(`Cannot decode a value: its graph is malformed: ${what}`);
}

/**
 * The graph: how a value is stored that is not plain data, such that cycles, shared references and
 * all types that structured clone carries come back. `src/bag/FORMAT.md` specifies it ("Graphs").
 *
 * A reader makes one empty object for each node, then fills them; no node needs another one to be
 * made. Nodes stand in the order in which their objects are met first, breadth first.
 *
 * @module
 */

/** The first item of every graph. */
export const GRAPH_FORMAT = 1;

/** A graph before it is bytes. */
export type GraphTable = readonly unknown[];

/**
 * Writes a text as a key or a slot.
 *
 * @returns The text, or what stands for one that CBOR readers would change.
 */
export function toTextSlot(text: string): string | readonly unknown[] {
  // A TextDecoder, with which cbor-x reads long texts, drops a byte order mark.
  if (text.isWellFormed() && text.charCodeAt(0) !== 0xfeff) return text;
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(i * 2, text.charCodeAt(i), true);
  return ["utf16", bytes];
}
