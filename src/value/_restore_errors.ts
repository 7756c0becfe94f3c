import { QuiverError } from "../base/errors.ts";
import type { Replacement, Restoration } from "./_graph_reader.ts";
import { registeredAs, type RegisteredError } from "./register_error.ts";

/** An error of a registered class in a graph: its node, its class, and its fields if it has its own. */
export type RegisteredEntry = readonly [node: number, name: string, fields: unknown];

/** Makes errors of the classes that they were registered as. */
export class ErrorRestoration implements Restoration {
  readonly #entries: readonly RegisteredEntry[];
  readonly #readFields: (data: unknown) => unknown;

  /**
   * Takes what is to be restored.
   *
   * @param entries Which errors.
   * @param readFields Reads the fields of an entry.
   */
  constructor(entries: readonly RegisteredEntry[], readFields: (data: unknown) => unknown) {
    this.#entries = entries;
    this.#readFields = readFields;
  }

  adopt(objects: readonly object[]): void {
    for (const [registered, error, _, data] of this.#known(objects)) {
      if (registered.fromFields !== undefined) continue;
      Object.setPrototypeOf(error, registered.prototype);
      if (data === undefined) continue;
      const fields = Object(this.#readFields(data));
      Object.defineProperties(error, Object.getOwnPropertyDescriptors(fields));
    }
  }

  replace(objects: readonly object[]): ReadonlyMap<number, Replacement> {
    const replacements = new Map<number, Replacement>();
    for (const [registered, plain, node, data] of this.#known(objects)) {
      if (registered.fromFields === undefined) continue;
      const fields = data === undefined ? plain : Object(this.#readFields(data));
      replacements.set(node, make(registered, { ...fields }, plain));
    }
    return replacements;
  }

  /** A class that is not known here stays the built-in one that it extends. */
  *#known(
    objects: readonly object[],
  ): Generator<readonly [registered: RegisteredError, error: Error, node: number, data: unknown]> {
    for (const [node, name, data] of this.#entries) {
      const registered = registeredAs(name);
      const error = objects[node];
      if (registered !== undefined && error instanceof Error) yield [registered, error, node, data];
    }
  }
}

/** What its class cannot make must not vanish, nor keep the call from ending. */
function make({ name, fromFields }: RegisteredError, fields: object, plain: Error): Replacement {
  try {
    const error: unknown = fromFields?.({ ...fields }, plain);
    if (!(error instanceof Error)) throw new TypeError("it returned no error");
    const { stack } = plain;
    Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
    return { error, complete: false };
  } catch (thrown) {
    const reason = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
    const error = new QuiverError(
      `Cannot restore a thrown "${name}" as its \`fromFields\` failed: ${reason}; ` +
        "`cause` is the error without its class",
      { cause: plain },
    );
    return { error, complete: true };
  }
}
