import * as quiverErrors from "../base/errors.ts";

/** A property of an error. */
export type ErrorField = readonly [key: string, value: unknown];

/** All that makes up an error. */
interface ErrorShape {
  /** The nearest class that any reader knows: a built-in one, one of Deno's, or one of Quiver's. */
  readonly type: string;
  /** What the error calls itself; for a class of the user's, the name of that class. */
  readonly name: string;
  /** The message; absent when the error has none. */
  readonly message: string | undefined;
  /** The stack as text; absent when the error has none. */
  readonly stack: string | undefined;
  /** What built-in classes keep out of sight: `cause`, `errors`, `error`, `suppressed`. */
  readonly hidden: readonly ErrorField[];
  /** The other own enumerable properties. */
  readonly fields: readonly ErrorField[];
}

type ErrorClass = abstract new (...args: never[]) => Error;

const BUILT_IN: readonly ErrorClass[] = [
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError,
  SuppressedError,
  DOMException,
];

/** Deno's own are told from classes of the same name by what they are called in full. */
const PROTOTYPES: ReadonlyMap<string, object> = new Map([
  ...[...BUILT_IN, ...Object.values(quiverErrors)].map((known) =>
    [known.name, known.prototype] as const
  ),
  ...Object.entries(Deno.errors).map(([name, known]) =>
    [`Deno.errors.${name}`, known.prototype] as const
  ),
]);

const TYPES: ReadonlyMap<object, string> = new Map(
  Array.from(PROTOTYPES, ([name, prototype]) => [prototype, name]),
);

/**
 * Tells whether a class of errors has its name from the platform or from Quiver.
 *
 * @returns Whether it has.
 */
export function isKnownType(name: string): boolean {
  return PROTOTYPES.has(name);
}

/** Marks the prototypes of Quiver's classes of errors, in each copy of it. */
const QUIVER_ERROR = Symbol.for("quiver.error");

/** Reads a property of an object. */
type ReadProperty = (object: object, key: string) => unknown;

/**
 * Takes an error apart.
 *
 * @param read How to read its properties.
 * @returns What it is made of.
 */
export function toErrorShape(error: Error, read: ReadProperty = Reflect.get): ErrorShape {
  const type = toType(error);
  const message = read(error, "message");
  const stack = read(error, "stack");
  const hiddenKeys = HIDDEN_KEYS.filter(([key, of]) =>
    Object.hasOwn(error, key) && error instanceof of
  ).map(([key]) => key);
  const keys = Object.keys(error).filter((key) =>
    !hiddenKeys.includes(key) && !isText(key, read(error, key))
  );
  return {
    type,
    name: toName(error, type, read(error, "name")),
    message: isMessage(error, message) ? message : undefined,
    stack: typeof stack === "string" ? stack : undefined,
    hidden: hiddenKeys.map((key) => [key, read(error, key)]),
    fields: keys.map((key) => [key, read(error, key)]),
  };
}

const HIDDEN_KEYS: readonly (readonly [key: string, of: ErrorClass])[] = [
  ["cause", Error],
  ["errors", AggregateError],
  ["error", SuppressedError],
  ["suppressed", SuppressedError],
];

/**
 * Makes an error that lacks only its fields.
 *
 * @param shape The class, and the texts.
 * @returns An error of that class, or of `Error` when this version does not know it.
 */
export function createError(shape: Omit<ErrorShape, "hidden" | "fields">): Error {
  const { type, name, message, stack } = shape;
  const error = type === "DOMException" ? new DOMException(message, name) : new Error();
  const prototype = PROTOTYPES.get(type);
  if (type !== "DOMException" && prototype !== undefined) Object.setPrototypeOf(error, prototype);
  if (error.name !== name) defineHidden(error, "name", name);
  if (message !== undefined && type !== "DOMException") defineHidden(error, "message", message);
  if (stack === undefined) delete error.stack;
  else defineHidden(error, "stack", stack);
  return error;
}

/**
 * Sets a property as the built-in classes do: writable, not enumerable.
 *
 * @param key The name of the property.
 */
export function defineHidden(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, writable: true, configurable: true });
}

/**
 * Goes over what an object inherits from.
 *
 * @returns Its prototype, that one's prototype, and so on.
 */
export function* prototypesOf(value: object): Generator<object> {
  let prototype: object | null = Object.getPrototypeOf(value);
  for (; prototype !== null; prototype = Object.getPrototypeOf(prototype)) yield prototype;
}

function toType(error: Error): string {
  return prototypesOf(error).map((prototype) => TYPES.get(prototype) ?? ofOtherCopy(prototype))
    .find((type) => type !== undefined) ?? "Error";
}

/** The name of a class of errors that another copy of Quiver in this program has. */
function ofOtherCopy(prototype: object): string | undefined {
  const name: unknown = Object.getOwnPropertyDescriptor(prototype, QUIVER_ERROR)?.value;
  return typeof name === "string" && PROTOTYPES.has(name) ? name : undefined;
}

function toName(error: Error, type: string, name: unknown): string {
  const prototype: object | null = Object.getPrototypeOf(error);
  const own = Object.hasOwn(error, "name") || type === "DOMException";
  const known = prototype !== null && TYPES.has(prototype);
  if (typeof name === "string" && (own || known)) return name;
  // A subclass that sets no name of its own is called by its class.
  const inherited: unknown = Reflect.get(PROTOTYPES.get(type) ?? Error.prototype, "name");
  if (typeof name === "string" && name !== inherited) return name;
  const className: unknown = error.constructor?.name;
  return typeof className === "string" && className !== "" ? className : type;
}

/** Whether an error has a message, be it an empty one of its own. */
function isMessage(error: Error, message: unknown): message is string {
  return typeof message === "string" && (message !== "" || Object.hasOwn(error, "message"));
}

/** Whether a property is one of the texts that the shape has anyway. */
function isText(key: string, value: unknown): boolean {
  const text = key === "name" || key === "message" || key === "stack";
  return text && typeof value === "string";
}
