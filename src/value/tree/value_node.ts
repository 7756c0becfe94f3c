import type { StoredPayload } from "../value.ts";

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

/**
 * Paths into stored values: steps with `/` between them, such as `solver/steps/3`.
 *
 * A step is a key of an object, an index of an array, or a key of a Map that is a text or another
 * primitive (`1`, `true`, `null`, `12n`). In a step `~1` stands for `/` and `~0` for `~`, as in JSON
 * Pointer ({@link https://www.rfc-editor.org/rfc/rfc6901}); `~e` is the empty key, and `~#3` is the
 * entry number 3 of a Map or Set, counted from 0, whatever its key is. The empty path is the value
 * itself.
 *
 * @module
 */

/** One step of a path: by key, or by the number of an entry. */
export type PathStep =
  | { readonly type: "key"; readonly key: string }
  | { readonly type: "entry"; readonly index: number };

const ENTRY_REGEXP = /^~#(\d+)$/;
const ESCAPES: { readonly [escape: string]: string } = { "~0": "~", "~1": "/", "~e": "" };

/**
 * Takes a path apart.
 *
 * @throws {SyntaxError} If there is a `~` that stands for nothing.
 */
export function parseValuePath(path: string): PathStep[] {
  return path === "" ? [] : path.split("/").map((step) => parseStep(step, path));
}

function parseStep(step: string, path: string): PathStep {
  const entry = ENTRY_REGEXP.exec(step);
  if (entry !== null) return { type: "entry", index: Number(entry[1]) };
  const key = step.replaceAll(/~./gu, (escape) => ESCAPES[escape] ?? escape);
  if (/~(?![01e])/u.test(step)) {
    throw new SyntaxError(
      `Cannot read "${path}" as a path: "${step}" has a "~" that stands for nothing; ` +
        'write "~0" for "~" and "~1" for "/"',
    );
  }
  return { type: "key", key };
}

/**
 * Writes a step as it stands in a path.
 *
 * @returns The text, without any `/`.
 */
export function formatStep(step: PathStep): string {
  if (step.type === "entry") return `~#${step.index}`;
  return step.key === "" ? "~e" : step.key.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** Adds a step to a path. */
export function joinPath(path: string, step: PathStep): string {
  return path === "" ? formatStep(step) : `${path}/${formatStep(step)}`;
}
