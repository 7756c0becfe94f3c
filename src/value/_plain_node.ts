import { bytesOf } from "./_array_bytes.ts";
import { isArrayValue, toObjectType } from "./_object_type.ts";
import { isIndex } from "./_children.ts";
import { isNumberArray } from "./array_shape.ts";
import type { StoredPayload } from "./stored_payload.ts";
import { VALUE_KIND } from "./value_kind.ts";
import type { ValueChild, ValueNode } from "./value_node.ts";
import type { PathStep } from "./value_path.ts";

/** A value that is in memory: plain data, a primitive, or an array that is small. */
export class PlainNode implements ValueNode {
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
    const kind: number | undefined = Reflect.get(VALUE_KIND, type);
    if (kind === undefined) return undefined;
    const bytes = bytesOf(value);
    return {
      digest: "",
      kind,
      length: bytes.length,
      read(offset, target) {
        target.set(bytes.subarray(offset, offset + target.length));
        return offset + target.length <= bytes.length;
      },
    };
  }
}

function toPlainKind(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "object" ? toObjectType(value) : typeof value;
}
