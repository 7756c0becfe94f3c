import type { BagFiles } from "../bag/bag_files.ts";
import type { ArgumentRecord, CallRecord } from "../call/call_record.ts";
import type { Digest } from "../value/encoded_value.ts";
import { openData, openValue } from "../value/open_value.ts";
import type { PayloadSource } from "../value/stored_payload.ts";
import type { ValueChild, ValueNode } from "../value/value_node.ts";
import type { PathStep } from "../value/value_path.ts";
import { toCallRecord } from "./bag_stores.ts";

const DIGEST_REGEXP = /^[0-9a-f]{64}$/;

/**
 * Makes the payloads of a bag's files a source for looking into values.
 *
 * @param files The open bag.
 * @returns The source.
 */
export function toPayloadSource(files: BagFiles): PayloadSource {
  return {
    open: (digest) => files.openPayload(digest),
    load: (digest) => files.getValue(digest),
  };
}

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
  readonly #files: BagFiles;

  /**
   * Looks at a bag.
   *
   * @param files The open bag.
   */
  constructor(files: BagFiles) {
    super();
    this.#files = files;
  }

  /** A task by its name, or a value or call by its digest. */
  childAt(key: string): ValueNode | undefined {
    if (!DIGEST_REGEXP.test(key)) return this.#task(key);
    const record = toCallRecord(this.#files.getCall(key));
    return record === undefined
      ? openValue(key, toPayloadSource(this.#files))
      : new CallPlace(this.#files, record);
  }

  #task(name: string): ValueNode | undefined {
    for (const line of this.#files.calls()) {
      if (line.task === name) return new TaskPlace(this.#files, name);
    }
    return undefined;
  }

  /** The tasks, each with the number of its calls. */
  *children(): Generator<ValueChild> {
    const sizes = new Map<string, number>();
    for (const line of this.#files.calls()) {
      const name = toCallRecord(line)?.task;
      if (name !== undefined) sizes.set(name, (sizes.get(name) ?? 0) + 1);
    }
    for (const [name, size] of sizes) {
      yield { step: { type: "key", key: name }, node: new TaskPlace(this.#files, name, size) };
    }
  }
}

/** The calls of the tasks of a name. */
class TaskPlace extends Place {
  readonly kind = "task";
  readonly size?: number;
  readonly #files: BagFiles;
  readonly #name: string;

  constructor(files: BagFiles, name: string, size?: number) {
    super();
    if (size !== undefined) this.size = size;
    this.#files = files;
    this.#name = name;
  }

  childAt(key: string): ValueNode | undefined {
    const record = DIGEST_REGEXP.test(key) ? toCallRecord(this.#files.getCall(key)) : undefined;
    return record?.task === this.#name ? new CallPlace(this.#files, record) : undefined;
  }

  *children(): Generator<ValueChild> {
    for (const line of this.#files.calls()) {
      const record = toCallRecord(line);
      if (record?.task !== this.#name) continue;
      yield { step: { type: "key", key: record.key }, node: new CallPlace(this.#files, record) };
    }
  }
}

/** One call: its arguments, its result and what else its record says. */
class CallPlace extends Place {
  readonly kind = "call";
  readonly size = 3;
  readonly #files: BagFiles;
  readonly #record: CallRecord;

  constructor(files: BagFiles, record: CallRecord) {
    super();
    this.#files = files;
    this.#record = record;
  }

  childAt(key: string): ValueNode | undefined {
    const { args, result, metadata } = this.#record;
    if (key === "args") return new ArgumentsPlace(this.#files, args);
    if (key === "result") return openStored(this.#files, result);
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
  readonly #files: BagFiles;
  readonly #args: readonly ArgumentRecord[];

  constructor(files: BagFiles, args: readonly ArgumentRecord[]) {
    super();
    this.#files = files;
    this.#args = args;
    this.size = args.length;
  }

  childAt(key: string): ValueNode | undefined {
    const argument = this.#args.find(({ name }) => name === key);
    return argument && openStored(this.#files, argument.value);
  }

  *children(): Generator<ValueChild> {
    for (const { name, value } of this.#args) {
      yield { step: { type: "key", key: name }, node: openStored(this.#files, value) };
    }
  }
}

/** A value that is not there, or not whole: it can be listed, but not read. */
class MissingPlace extends Place {
  readonly kind = "missing";

  childAt(): undefined {}

  *children(): Generator<ValueChild> {}
}

function openStored(files: BagFiles, digest: Digest | undefined): ValueNode {
  const node = digest === undefined ? undefined : openValue(digest, toPayloadSource(files));
  return node ?? new MissingPlace();
}
