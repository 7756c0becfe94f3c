import { isArrayKind } from "./_array_bytes.ts";
import { GraphValue, openArray } from "./_graph_value.ts";
import { GraphView } from "./_graph_view.ts";
import { fromCbor } from "./_plain_cbor.ts";
import { PlainNode } from "./_plain_node.ts";
import type { Digest } from "./encoded_value.ts";
import type { PayloadSource } from "./stored_payload.ts";
import { toKindName } from "./value_kind.ts";
import type { ValueNode } from "./value_node.ts";
import { formatStep, joinPath, type PathStep } from "./value_path.ts";

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
 * @returns The value.
 */
export function openData(data: unknown): ValueNode {
  return new PlainNode(data);
}

/**
 * Follows a path into a value.
 *
 * @param root The value.
 * @param steps The steps.
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
