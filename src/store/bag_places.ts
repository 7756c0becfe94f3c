import type { ArgumentRecord, CallRecord } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import { openData, openValue } from "../value/tree/open_value.ts";
import type { PathStep, ValueChild, ValueNode } from "../value/tree/value_node.ts";
import type { BagView } from "./bag_view.ts";

const DIGEST_REGEXP = /^[0-9a-f]{64}$/;

/** A place above values; there is nothing to read there. */
abstract class Place implements ValueNode {
  abstract readonly kind: string;
  abstract children(): Iterable<ValueChild>;
  abstract childAt(key: string): ValueNode | undefined;

  child(step: PathStep): ValueNode | undefined {
    return step.type === "key" ? this.childAt(step.key) : undefined;
  }

  read(): undefined {}

  numbers(): undefined {}
}

/** The bag itself: the tasks, and values by their digests. */
export class BagPlace extends Place {
  readonly kind = "bag";
  readonly #view: BagView;

  /**
   * Looks at a bag.
   *
   * @param view The bag.
   */
  constructor(view: BagView) {
    super();
    this.#view = view;
  }

  /** A task by its name, or a value or call by its digest. */
  childAt(key: string): ValueNode | undefined {
    if (!DIGEST_REGEXP.test(key)) return this.#task(key);
    const record = this.#view.record(key);
    return record === undefined
      ? openValue(key, this.#view.source)
      : new CallPlace(this.#view, record);
  }

  #task(name: string): ValueNode | undefined {
    for (const { task } of this.#view.records()) {
      if (task === name) return new TaskPlace(this.#view, name);
    }
    return undefined;
  }

  /** The tasks, each with the number of its calls. */
  *children(): Generator<ValueChild> {
    const sizes = new Map<string, number>();
    for (const { task: name } of this.#view.records()) {
      sizes.set(name, (sizes.get(name) ?? 0) + 1);
    }
    for (const [name, size] of sizes) {
      yield { step: { type: "key", key: name }, node: new TaskPlace(this.#view, name, size) };
    }
  }
}

/** The calls of the tasks of a name. */
class TaskPlace extends Place {
  readonly kind = "task";
  readonly size?: number;
  readonly #view: BagView;
  readonly #name: string;

  constructor(view: BagView, name: string, size?: number) {
    super();
    if (size !== undefined) this.size = size;
    this.#view = view;
    this.#name = name;
  }

  childAt(key: string): ValueNode | undefined {
    const record = DIGEST_REGEXP.test(key) ? this.#view.record(key) : undefined;
    return record?.task === this.#name ? new CallPlace(this.#view, record) : undefined;
  }

  *children(): Generator<ValueChild> {
    for (const record of this.#view.records()) {
      if (record.task !== this.#name) continue;
      yield { step: { type: "key", key: record.key }, node: new CallPlace(this.#view, record) };
    }
  }
}

/** One call: its arguments, its result and what else its record says. */
class CallPlace extends Place {
  readonly kind = "call";
  readonly size = 3;
  readonly #view: BagView;
  readonly #record: CallRecord;

  constructor(view: BagView, record: CallRecord) {
    super();
    this.#view = view;
    this.#record = record;
  }

  childAt(key: string): ValueNode | undefined {
    const { args, result, metadata } = this.#record;
    if (key === "args") return new ArgumentsPlace(this.#view, args);
    if (key === "result") return openStored(this.#view, result);
    return key === "metadata" ? openData(metadata) : undefined;
  }

  *children(): Generator<ValueChild> {
    for (const key of ["args", "result", "metadata"]) {
      const node = this.childAt(key);
      if (node !== undefined) yield { step: { type: "key", key }, node };
    }
  }
}

/** The arguments of a call. */
class ArgumentsPlace extends Place {
  readonly kind = "arguments";
  readonly size: number;
  readonly #view: BagView;
  readonly #args: readonly ArgumentRecord[];

  constructor(view: BagView, args: readonly ArgumentRecord[]) {
    super();
    this.#view = view;
    this.#args = args;
    this.size = args.length;
  }

  childAt(key: string): ValueNode | undefined {
    const argument = this.#args.find(({ name }) => name === key);
    return argument && openStored(this.#view, argument.value);
  }

  *children(): Generator<ValueChild> {
    for (const { name, value } of this.#args) {
      yield { step: { type: "key", key: name }, node: openStored(this.#view, value) };
    }
  }
}

/** A value that is not there, or not whole: it can be listed, but not read. */
class MissingPlace extends Place {
  readonly kind = "missing";

  childAt(): undefined {}

  *children(): Generator<ValueChild> {}
}

function openStored(view: BagView, digest: Digest | undefined): ValueNode {
  const node = digest === undefined ? undefined : openValue(digest, view.source);
  return node ?? new MissingPlace();
}
