import { isArrayKind } from "./_array_bytes.ts";
import { ArrayNode } from "./_array_node.ts";
import {
  type GraphItem,
  type GraphNode,
  type GraphView,
  isInlineArray,
  toPartDigest,
} from "./_graph_view.ts";
import { PlainNode } from "./_plain_node.ts";
import { isShapeOf } from "./array_shape.ts";
import { MissingPartError, toStoredArray } from "./decode_value.ts";
import type { PayloadSource, StoredPayload } from "./stored_payload.ts";
import { toKindName } from "./value_kind.ts";
import type { ValueChild, ValueNode } from "./value_node.ts";
import type { PathStep } from "./value_path.ts";

/** What an error says of itself, and where that stands in its node. */
const ERROR_TEXTS = [["name", 2], ["message", 3], ["stack", 4]] as const;

/** An object that a node of a graph stands for. */
export class GraphValue implements ValueNode {
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
   * @param view The graph.
   * @param source Where its large arrays lie.
   * @param slot The slot.
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
    const isMap = this.#node[0] === "Map";
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
    return this.#view.build(this.#slot, (digest) => {
      const payload = this.#source.load(digest);
      if (payload === undefined) throw new MissingPartError(digest);
      return toStoredArray(digest, payload);
    });
  }

  numbers(): StoredPayload | undefined {
    return this.shape && this.#property("data") &&
      this.child({ type: "key", key: "data" })?.numbers();
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
    if (this.#node[0] !== "Map" && this.#node[0] !== "Set") return undefined;
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
    if (toKind(this.#node) === "SparseArray") return undefined;
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

const HAS_ITEMS: ReadonlySet<unknown> = new Set(["Object", "NullObject", "Array", "Map", "Set"]);

/**
 * Looks at an array that is stored on its own.
 *
 * @param digest Its digest.
 * @param source Where it lies.
 * @returns The array.
 * @throws {MissingPartError} If it is not there.
 */
export function openArray(digest: string, source: PayloadSource): ValueNode {
  const payload = source.open(digest);
  if (payload === undefined) throw new MissingPartError(digest);
  const name = toKindName(payload.kind);
  if (name === undefined || !isArrayKind(name)) {
    throw new SyntaxError(`Cannot read a value: its part ${digest} is no array`);
  }
  return new ArrayNode(name, payload, source);
}

function toKind(node: GraphNode): string {
  return node[0] === "SparseArray" ? "Array" : String(node[0]);
}

function toText(key: unknown): string {
  if (typeof key === "bigint") return `${key}n`;
  return Object.is(key, -0) ? "-0" : String(key);
}

function refuse(digest: string): never {
  throw new MissingPartError(digest);
}
