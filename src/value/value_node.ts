import type { StoredPayload } from "./stored_payload.ts";
import type { PathStep } from "./value_path.ts";

/** A value inside another, and the step that leads to it. */
export interface ValueChild {
  /** The step. */
  readonly step: PathStep;
  /** The value. */
  readonly node: ValueNode;
}

/** A place in a stored value that can be looked at without reading all that is there. */
export interface ValueNode {
  /** What is there: a class, or the type of a primitive. */
  readonly kind: string;
  /** How many values are directly inside; absent for primitives and leaves. */
  readonly size?: number;
  /** The lengths of the dimensions of an array of numbers. */
  readonly shape?: readonly number[];
  /** How many bytes an array or buffer has. */
  readonly bytes?: number;
  /** What two places have in common that hold one and the same object. */
  readonly identity?: object;
  /** The digest under which an array is stored on its own. */
  readonly digest?: string;
  /**
   * Goes one step further.
   *
   * @param step The step.
   * @returns What is there, or `undefined` when there is no such key.
   */
  child(step: PathStep): ValueNode | undefined;
  /** Goes over what is directly inside, elements of typed arrays left out. */
  children(): Iterable<ValueChild>;
  /** Reads the value, as an own copy of the caller's. */
  read(): unknown;
  /** The numbers of an array, to read a part of them; `undefined` for everything else. */
  numbers(): StoredPayload | undefined;
}
