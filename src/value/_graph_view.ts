import { isArrayKind } from "./_array_bytes.ts";
import { fromGraph, type LoadPart } from "./_graph_reader.ts";
import { GRAPH_FORMAT } from "./_graph_table.ts";

/** A node of a graph: the name of its type, then what the type says. */
export type GraphNode = readonly unknown[];

/** A slot inside a node. */
export interface GraphItem {
  /** The key: a text for properties, the number of the item otherwise, any slot in a Map. */
  readonly key: unknown;
  /** The slot of the value. */
  readonly slot: unknown;
}

/** Looks into a graph without building the values that it stands for. */
export class GraphView {
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
    const [format, root, ...nodes]: readonly unknown[] = Array.isArray(table) ? table : [];
    if (format !== GRAPH_FORMAT) throw malformed("no table of a known format");
    this.root = root;
    this.#nodes = nodes.map((node) => {
      if (!Array.isArray(node)) throw malformed("a node is no array");
      return node;
    });
  }

  /**
   * Gives the node that a slot refers to.
   *
   * @param slot The slot.
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
   * Goes over what is directly inside a node.
   *
   * @param node The node.
   * @returns Keys and slots; none for arrays of numbers and other leaves.
   */
  *items(node: GraphNode): Generator<GraphItem> {
    const layout = toLayout(node);
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
   * @param slot The slot.
   * @param loadPart Where to get what is stored on its own.
   * @returns The value.
   */
  build(slot: unknown, loadPart: LoadPart): unknown {
    if (!Array.isArray(slot)) return fromGraph([GRAPH_FORMAT, slot], loadPart);
    const reached = this.#reach(slot);
    // Nodes keep their numbers; in place of those that are not needed stands the cheapest one.
    const nodes = this.#nodes.map((node) => reached.has(node) ? node : UNUSED);
    return fromGraph([GRAPH_FORMAT, slot, ...nodes], loadPart);
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

/** Where in a node the slots begin, and whether each has a key in front. */
function toLayout(node: GraphNode): { start: number; width: 1 | 2 } | undefined {
  switch (node[0]) {
    case "Object":
    case "NullObject":
    case "Map":
      return { start: 1, width: 2 };
    case "SparseArray":
      return { start: 2, width: 2 };
    case "Array":
    case "Set":
      return { start: 1, width: 1 };
    case "Error":
      return { start: 6, width: 2 };
    default:
      return undefined;
  }
}

/**
 * Gives the digest of the array that a node says is stored on its own.
 *
 * @param node The node.
 * @returns The digest, or `undefined` when the node is another one.
 */
export function toPartDigest(node: GraphNode): string | undefined {
  const [type, digest] = node;
  return type === "part" && digest instanceof Uint8Array ? digest.toHex() : undefined;
}

/**
 * Tells whether a node is an array or buffer with its bytes.
 *
 * @param node The node.
 * @returns Whether it is.
 */
export function isInlineArray(node: GraphNode): boolean {
  return typeof node[0] === "string" && isArrayKind(node[0]);
}

function refusePart(): never {
  throw malformed("a key is stored on its own");
}

function malformed(what: string): SyntaxError {
  return new SyntaxError(`Cannot read a value: its graph is malformed: ${what}`);
}
