import { isNumberArray, isShapeOf } from "../array_shape.ts";
import { fromCbor } from "../codec/cbor.ts";
import { MissingPartError, toStoredArray } from "../codec/decode_value.ts";
import {
  filesOfStore,
  fromGraph,
  GRAPH_FORMAT,
  type GraphNode,
  type LoadPart,
  malformed,
  readTable,
  toText as readText,
} from "../codec/graph_reader.ts";
import {
  bytesOf,
  fromBytes,
  isArrayKind,
  isArrayValue,
  isIndex,
  toElementBytes,
  toObjectType,
} from "../object_type.ts";
import {
  type Digest,
  type PayloadSource,
  type StoredPayload,
  toKindName,
  toStoredPayload,
  VALUE_KIND,
} from "../value.ts";
import {
  formatStep,
  joinPath,
  type PathStep,
  type ValueChild,
  type ValueNode,
} from "./value_node.ts";

/**
 * Opens a stored value for looking into it: what it is made of is read, its large arrays are not.
 *
 * @param digest The digest of the value.
 * @param source Where payloads lie.
 * @returns The value, or `undefined` when it is missing or damaged.
 * @throws {SyntaxError} If the bytes are not what `encodeValue()` makes.
 */
export function openValue(digest: Digest, source: PayloadSource): ValueNode | undefined {
  const stored = source.open(digest);
  if (stored === undefined) return undefined;
  const kind = toKindName(stored.kind);
  if (kind !== undefined && isArrayKind(kind)) return openArray(digest, source);
  const payload = source.load(digest);
  if (payload === undefined) return undefined;
  const data = fromCbor(payload.bytes);
  if (kind === "cbor") return new PlainNode(data);
  const view = new GraphView(data);
  return GraphValue.open(view, source, view.root);
}

/**
 * Opens data that is in memory, like a stored value.
 *
 * @param data Plain data.
 */
export function openData(data: unknown): ValueNode {
  return new PlainNode(data);
}

/**
 * Follows a path into a value.
 *
 * @param name What the value is called in errors.
 * @returns What is there.
 * @throws {RangeError} If there is no such path; the message names the first step that is missing.
 */
export function followPath(root: ValueNode, steps: readonly PathStep[], name: string): ValueNode {
  let node = root;
  let path = "";
  for (const step of steps) {
    const next = node.child(step);
    if (next === undefined) {
      const wanted = formatStep(step);
      const place = path === "" ? "it" : `"${path}"`;
      throw new RangeError(
        `Cannot find "${wanted}" in ${name}: ${place} is ${describe(node)}`,
      );
    }
    node = next;
    path = joinPath(path, step);
  }
  return node;
}

/** How many keys an error names. */
const SHOWN_KEYS = 8;

function describe(node: ValueNode): string {
  const { kind, size, shape } = node;
  const indices = kind === "Array" ? size : size === undefined ? shape?.[0] : undefined;
  if (indices !== undefined) return `of the kind "${kind}" with the indices below ${indices}`;
  const keys: string[] = [];
  for (const { step } of node.children()) {
    keys.push(keys.length < SHOWN_KEYS ? `"${formatStep(step)}"` : "…");
    if (keys.length > SHOWN_KEYS) break;
  }
  return `of the kind "${kind}" with ${keys.length > 0 ? keys.join(", ") : "nothing inside"}`;
}

/** What an error says of itself, and where that stands in its node. */
const ERROR_TEXTS = [["name", 2], ["message", 3], ["stack", 4]] as const;

/** An object that a node of a graph stands for. */
class GraphValue implements ValueNode {
  readonly kind: string;
  readonly size?: number;
  readonly shape?: readonly number[];
  readonly bytes?: number;
  readonly identity: object;
  readonly #view: GraphView;
  readonly #source: PayloadSource;
  readonly #slot: unknown;
  readonly #node: GraphNode;

  private constructor(view: GraphView, source: PayloadSource, slot: unknown, node: GraphNode) {
    this.#view = view;
    this.#source = source;
    this.#slot = slot;
    this.#node = node;
    this.identity = node;
    const array = this.#toNdArray();
    this.kind = array?.kind ?? toKind(node);
    if (array !== undefined) {
      this.shape = array.shape;
      this.bytes = array.bytes;
    }
    const size = this.#count();
    if (size !== undefined) this.size = size;
  }

  /**
   * Looks at a slot.
   *
   * @param source Where its large arrays lie.
   * @returns What is there.
   * @throws {MissingPartError} If it is an array that is not there.
   */
  static open(view: GraphView, source: PayloadSource, slot: unknown): ValueNode {
    const node = view.node(slot);
    if (node === undefined) return new PlainNode(view.build(slot, refuse));
    const digest = toPartDigest(node);
    if (digest !== undefined) return openArray(digest, source);
    if (isInlineArray(node)) return new PlainNode(view.build(slot, refuse));
    return new GraphValue(view, source, slot, node);
  }

  child(step: PathStep): ValueNode | undefined {
    const item = step.type === "entry" ? this.#entry(step.index) : this.#property(step.key);
    return item && GraphValue.open(this.#view, this.#source, item.slot);
  }

  *children(): Generator<ValueChild> {
    const isMap = this.#container()[0] === "Map";
    let index = 0;
    for (const { key, slot } of this.#items()) {
      const step: PathStep = isMap && typeof key !== "string"
        ? { type: "entry", index }
        : { type: "key", key: String(key) };
      yield { step, node: GraphValue.open(this.#view, this.#source, slot) };
      index++;
    }
  }

  read(): unknown {
    const load = (digest: string) => this.#source.load(digest);
    const loadPart = (digest: string) => {
      const payload = load(digest);
      if (payload === undefined) throw new MissingPartError(digest);
      return toStoredArray(digest, payload);
    };
    return this.#view.build(this.#slot, loadPart, load);
  }

  numbers(): StoredPayload | undefined {
    return this.shape && this.#property("data") &&
      this.child({ type: "key", key: "data" })?.numbers();
  }

  /** What has the items. */
  #container(): GraphNode {
    return this.#node[0] === "Registered"
      ? this.#view.node(this.#node[3]) ?? this.#node
      : this.#node;
  }

  *#items(): Generator<GraphItem> {
    if (this.#node[0] === "Error") {
      for (const [key, at] of ERROR_TEXTS) {
        if (this.#node[at] !== undefined) yield { key, slot: this.#node[at] };
      }
    }
    yield* this.#view.items(this.#node);
  }

  #entry(index: number): GraphItem | undefined {
    const [type] = this.#container();
    if (type !== "Map" && type !== "Set") return undefined;
    let i = 0;
    for (const item of this.#items()) if (i++ === index) return item;
    return undefined;
  }

  /** A text that is a key comes before another primitive that is written the same. */
  #property(key: string): GraphItem | undefined {
    let other: GraphItem | undefined;
    for (const item of this.#items()) {
      if (item.key === key) return item;
      if (other === undefined && !Array.isArray(item.key) && toText(item.key) === key) other = item;
    }
    return other;
  }

  #count(): number | undefined {
    let count = 0;
    for (const _ of this.#items()) count++;
    return count > 0 || HAS_ITEMS.has(this.#node[0]) ? count : undefined;
  }

  /** What the arrays of an n-dimensional array are like, if it is one. */
  #toNdArray(): { kind: string; shape: readonly number[]; bytes: number } | undefined {
    const [type, one, , other, ...more] = this.#node;
    if (type !== "Object" || more.length !== 1) return undefined;
    if (!(one === "data" && other === "shape") && !(one === "shape" && other === "data")) {
      return undefined;
    }
    const data = this.#view.node(this.#property("data")?.slot);
    // Anything else may refer to this node itself.
    if (data === undefined || toPartDigest(data) === undefined && !isInlineArray(data)) return;
    const { kind, shape: flat, bytes } = this.child({ type: "key", key: "data" }) ?? {};
    const shape = this.child({ type: "key", key: "shape" })?.read();
    if (kind === undefined || bytes === undefined || flat?.[0] === undefined) return undefined;
    return isShapeOf(shape, flat[0]) ? { kind, shape, bytes } : undefined;
  }
}

const HAS_ITEMS: ReadonlySet<unknown> = new Set(
  ["Object", "NullObject", "Array", "Map", "Set", "Registered"],
);

/**
 * Looks at an array that is stored on its own.
 *
 * @param source Where it lies.
 * @throws {MissingPartError} If it is not there.
 */
function openArray(digest: string, source: PayloadSource): ValueNode {
  const payload = source.open(digest);
  if (payload === undefined) throw new MissingPartError(digest);
  const name = toKindName(payload.kind);
  if (name === undefined || !isArrayKind(name)) {
    throw new SyntaxError(`Cannot read a value: its part ${digest} is no array`);
  }
  const size = toElementBytes(name);
  const { length: bytes } = payload;
  if (size !== undefined && bytes % size !== 0) {
    throw new SyntaxError(`Cannot decode a ${name}: it has ${bytes} bytes`);
  }
  return {
    kind: name,
    bytes,
    digest,
    ...(size !== undefined && { shape: [bytes / size] }),
    child(step) {
      if (size === undefined || step.type === "entry" || !isIndex(step.key)) return undefined;
      const offset = Number(step.key) * size;
      if (offset + size > bytes) return undefined;
      const element = new Uint8Array(size);
      if (!payload.read(offset, element)) throw new MissingPartError(digest);
      return new PlainNode(Reflect.get(fromBytes(name, element), 0));
    },
    children: () => [],
    read() {
      const whole = source.load(digest);
      if (whole === undefined) throw new MissingPartError(digest);
      return fromBytes(name, whole.bytes);
    },
    numbers: () => size === undefined ? undefined : payload,
  };
}

/** An instance is called by its class. */
function toKind(node: GraphNode): string {
  if (node[0] === "Registered") return readText(node[1]);
  return node[0] === "SparseArray" ? "Array" : String(node[0]);
}

function toText(key: unknown): string {
  if (typeof key === "bigint") return `${key}n`;
  return Object.is(key, -0) ? "-0" : String(key);
}

function refuse(digest: string): never {
  throw new MissingPartError(digest);
}

/** A slot inside a node. */
interface GraphItem {
  /** The key: a text for properties, the number of the item otherwise, any slot in a Map. */
  readonly key: unknown;
  /** The slot of the value. */
  readonly slot: unknown;
}

/** Looks into a graph without building the values that it stands for. */
class GraphView {
  /** The slot of the whole value. */
  readonly root: unknown;
  readonly #nodes: readonly GraphNode[];

  /**
   * Wraps a graph.
   *
   * @param table The graph, as CBOR gave it back.
   * @throws {SyntaxError} If the table is no graph.
   */
  constructor(table: unknown) {
    const { root, nodes } = readTable(table);
    this.root = root;
    this.#nodes = nodes;
  }

  /**
   * Gives the node that a slot refers to.
   *
   * @returns The node, or `undefined` when the slot is a primitive.
   */
  node(slot: unknown): GraphNode | undefined {
    const index: unknown = Array.isArray(slot) ? slot[0] : undefined;
    if (typeof index !== "number") return undefined;
    const node = this.#nodes[index];
    if (node === undefined) throw malformed(`there is no node ${index}`);
    return node;
  }

  /**
   * Goes over what is directly inside a node; inside an instance is what is inside its data, or that
   * itself where it has nothing inside.
   *
   * @returns Keys and slots; none for arrays of numbers and other leaves.
   */
  *items(node: GraphNode): Generator<GraphItem> {
    if (node[0] === "Registered") {
      const data = this.node(node[3]);
      if (data !== undefined && LAYOUTS.has(data[0])) yield* this.items(data);
      else yield { key: "data", slot: node[3] };
      return;
    }
    const layout = LAYOUTS.get(node[0]);
    if (layout === undefined) return;
    for (let i = layout.start; i + layout.width <= node.length; i += layout.width) {
      const slot = node[i + layout.width - 1];
      yield { key: layout.width === 1 ? (i - layout.start) : this.#toKey(node, i), slot };
    }
  }

  #toKey(node: GraphNode, i: number): unknown {
    const key = node[i];
    if (typeof key === "string") return key;
    // Keys of properties are texts; in a Map an object may be the key.
    return this.node(key) === undefined ? this.build(key, refusePart) : key;
  }

  /**
   * Builds the value that a slot stands for, and nothing beside it.
   *
   * @param loadPart Where to get what is stored on its own.
   * @param load Reads a piece of a file, when somebody reads that.
   */
  build(slot: unknown, loadPart: LoadPart, load?: PayloadSource["load"]): unknown {
    if (!Array.isArray(slot)) return fromGraph([GRAPH_FORMAT, slot], loadPart);
    const reached = this.#reach(slot);
    // Nodes keep their numbers; in place of those that are not needed stands the cheapest one.
    const nodes = this.#nodes.map((node) => reached.has(node) ? node : UNUSED);
    const table = [GRAPH_FORMAT, slot, ...nodes];
    return fromGraph(table, loadPart, { fromNode: load && filesOfStore(load) });
  }

  #reach(slot: unknown): Set<GraphNode> {
    const reached = new Set<GraphNode>();
    const open: unknown[] = [slot];
    while (open.length > 0) {
      const node = this.node(open.pop());
      if (node === undefined || reached.has(node)) continue;
      reached.add(node);
      // Only references begin with a number, and leaves have none.
      for (const item of node) if (Array.isArray(item)) open.push(item);
    }
    return reached;
  }
}

const UNUSED: GraphNode = ["Object"];

/** Where in a node of each type the slots begin, and whether each has a key in front. */
const LAYOUTS: ReadonlyMap<unknown, { readonly start: number; readonly width: number }> = new Map([
  ["Object", { start: 1, width: 2 }],
  ["NullObject", { start: 1, width: 2 }],
  ["Map", { start: 1, width: 2 }],
  ["SparseArray", { start: 2, width: 2 }],
  ["Array", { start: 1, width: 1 }],
  ["Set", { start: 1, width: 1 }],
  ["Error", { start: 6, width: 2 }],
]);

/**
 * Gives the digest of the array that a node says is stored on its own.
 *
 * @returns The digest, or `undefined` when the node is another one.
 */
function toPartDigest(node: GraphNode): string | undefined {
  const [type, digest] = node;
  return type === "part" && digest instanceof Uint8Array ? digest.toHex() : undefined;
}

/**
 * Tells whether a node is an array or buffer with its bytes.
 *
 * @returns Whether it is.
 */
function isInlineArray(node: GraphNode): boolean {
  return typeof node[0] === "string" && isArrayKind(node[0]);
}

function refusePart(): never {
  throw malformed("a key is stored on its own");
}

/** A value that is in memory: plain data, a primitive, or an array that is small. */
class PlainNode implements ValueNode {
  readonly kind: string;
  readonly size?: number;
  readonly shape?: readonly number[];
  readonly bytes?: number;
  readonly #value: unknown;

  constructor(value: unknown) {
    this.#value = value;
    this.kind = toPlainKind(value);
    if (isNumberArray(value)) this.shape = [value.length];
    if (typeof value !== "object" || value === null) return;
    const type = toObjectType(value);
    if (isArrayValue(value, type)) this.bytes = value.byteLength;
    else if (Array.isArray(value)) this.size = value.length;
    else if (type === "Object") this.size = Object.keys(value).length;
  }

  child(step: PathStep): ValueNode | undefined {
    const value = this.#value;
    if (step.type === "entry" || typeof value !== "object" || value === null) return undefined;
    const { key } = step;
    const known = Array.isArray(value) || isNumberArray(value)
      ? isIndex(key) && Object.hasOwn(value, key)
      : this.size !== undefined && Object.hasOwn(value, key);
    return known ? new PlainNode(Reflect.get(value, key)) : undefined;
  }

  *children(): Generator<ValueChild> {
    const value = this.#value;
    if (this.size === undefined || typeof value !== "object" || value === null) return;
    const keys = Array.isArray(value) ? value.keys() : Object.keys(value);
    for (const key of keys) {
      const step = { type: "key", key: String(key) } as const;
      yield { step, node: new PlainNode(Reflect.get(value, key)) };
    }
  }

  read(): unknown {
    return this.#value;
  }

  numbers(): StoredPayload | undefined {
    const value = this.#value;
    if (!isNumberArray(value)) return undefined;
    const type = toObjectType(value);
    if (!isArrayKind(type)) return undefined;
    return toStoredPayload({ digest: "", kind: VALUE_KIND[type], bytes: bytesOf(value) });
  }
}

function toPlainKind(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? toObjectType(value) : typeof value;
}
