import { type ArrayKindName, fromBytes, toElementBytes } from "./_array_bytes.ts";
import { isIndex } from "./_children.ts";
import { PlainNode } from "./_plain_node.ts";
import { MissingPartError } from "./decode_value.ts";
import type { PayloadSource, StoredPayload } from "./stored_payload.ts";
import type { ValueChild, ValueNode } from "./value_node.ts";
import type { PathStep } from "./value_path.ts";

/** An array or buffer that is stored on its own. */
export class ArrayNode implements ValueNode {
  readonly kind: string;
  readonly shape?: readonly number[];
  readonly bytes: number;
  readonly digest: string;
  readonly #name: ArrayKindName;
  readonly #payload: StoredPayload;
  readonly #source: PayloadSource;

  constructor(name: ArrayKindName, payload: StoredPayload, source: PayloadSource) {
    this.kind = name;
    this.bytes = payload.length;
    this.digest = payload.digest;
    this.#name = name;
    this.#payload = payload;
    this.#source = source;
    const size = toElementBytes(name);
    if (size !== undefined) this.shape = [payload.length / size];
  }

  child(step: PathStep): ValueNode | undefined {
    const size = toElementBytes(this.#name);
    if (size === undefined || step.type === "entry" || !isIndex(step.key)) return undefined;
    const offset = Number(step.key) * size;
    if (offset + size > this.bytes) return undefined;
    const bytes = new Uint8Array(size);
    if (!this.#payload.read(offset, bytes)) throw new MissingPartError(this.digest);
    return new PlainNode(Reflect.get(fromBytes(this.#name, bytes), 0));
  }

  *children(): Generator<ValueChild> {}

  read(): unknown {
    const payload = this.#source.load(this.digest);
    if (payload === undefined) throw new MissingPartError(this.digest);
    return fromBytes(this.#name, payload.bytes);
  }

  numbers(): StoredPayload | undefined {
    return this.shape === undefined ? undefined : this.#payload;
  }
}
