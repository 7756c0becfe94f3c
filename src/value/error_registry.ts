import { sharedByCopies } from "../base/ambient.ts";
import { checkOptions, FUNCTION, type OptionRules, TEXT } from "../base/check_options.ts";
import { isKnownType, prototypesOf } from "./error_shape.ts";

/** Options of {@linkcode registerError}. */
export interface RegisterErrorOptions<E extends Error> {
  /**
   * What the class is called where it travels; the same on both sides, and no other class's name.
   *
   * @default {Class.name}
   */
  name?: string;
  /**
   * Gives what the error is made of beside message, stack and `cause`, as data that structured clone
   * carries. By default its own enumerable properties.
   */
  toFields?: (error: E) => { readonly [field: string]: unknown };
  /**
   * Makes an error of the class from its fields and from an error with its message, stack and `cause`.
   * Needed when the class has private fields. By default the constructor does not run: the error gets
   * the prototype of the class, and the fields as properties.
   */
  fromFields?: (fields: { readonly [field: string]: unknown }, plain: Error) => E;
}

const RULES: OptionRules<RegisterErrorOptions<Error>> = {
  name: TEXT,
  toFields: FUNCTION,
  fromFields: FUNCTION,
};

/** A class that was registered. */
export interface RegisteredError {
  /** What it is called where it travels. */
  readonly name: string;
  /** What its instances inherit from. */
  readonly prototype: object;
  readonly toFields: ((error: Error) => { readonly [field: string]: unknown }) | undefined;
  readonly fromFields:
    | ((fields: { readonly [field: string]: unknown }, plain: Error) => Error)
    | undefined;
}

/** The classes that the modules of this isolate have registered, like the registry of tasks. */
const BY_NAME = sharedByCopies("errors", () => new Map<string, RegisteredError>());
const BY_PROTOTYPE = sharedByCopies(
  "errors by prototype",
  () => new WeakMap<object, RegisteredError>(),
);

/**
 * Makes a class of errors known, so that what a task throws of it on a worker is an instance of it
 * here. Both sides must import the module that calls this: that of the task is the natural place.
 * Without it an error arrives as the built-in class it extends, with its name and its fields.
 *
 * @typeParam E The errors.
 * @param Class The class.
 * @param options Its name, and how its errors become data and back.
 * @returns The class.
 * @throws {TypeError} When it is no class of errors, or another class has its name.
 *
 * @example Catch errors of one's own
 * ```ts
 * import { Executor, task } from "@quiver/quiver";
 * import { registerError } from "@quiver/quiver/workers";
 * import { assertRejects } from "@std/assert";
 *
 * class DivergedError extends Error {
 *   constructor(readonly step: number) {
 *     super(`Cannot go on: the solution diverged in step ${step}`);
 *   }
 * }
 * registerError(DivergedError);
 *
 * const solve = task(import.meta, (): number => {
 *   throw new DivergedError(17);
 * }, { name: "solve" });
 *
 * await using executor = new Executor({ workerType: "inline" });
 * await assertRejects(async () => await executor.submit(solve), DivergedError, "step 17");
 * ```
 */
export function registerError<C extends abstract new (...args: never[]) => Error>(
  Class: C,
  options: RegisterErrorOptions<InstanceType<C>> = {},
): C {
  checkOptions("register a class of errors", options, RULES);
  const prototype: unknown = typeof Class === "function" ? Class.prototype : undefined;
  if (!(prototype instanceof Error)) {
    throw new TypeError(
      `Cannot register "${String(Reflect.get(Object(Class), "name"))}": it does not extend Error`,
    );
  }
  const { name = Class.name, toFields, fromFields } = options;
  const before = BY_NAME.get(name);
  if (
    isKnownType(name) || name === "" || (before !== undefined && before.prototype !== prototype)
  ) {
    throw new TypeError(
      `Cannot register a class of errors as "${name}": ` +
        `${name === "" ? "it has no name" : "another class has that name"}; ` +
        "give it one with the option `name`",
    );
  }
  const registered: RegisteredError = {
    name,
    prototype,
    // They are only ever given errors that have this prototype.
    toFields: toFields as RegisteredError["toFields"],
    fromFields,
  };
  BY_NAME.set(name, registered);
  BY_PROTOTYPE.set(prototype, registered);
  return Class;
}

/**
 * Finds what an error's class was registered as.
 *
 * @returns The nearest class that was registered, or `undefined`.
 */
export function findRegistered(error: Error): RegisteredError | undefined {
  return prototypesOf(error).map((prototype) => BY_PROTOTYPE.get(prototype))
    .find((registered) => registered !== undefined);
}

/**
 * Finds a class by the name that it travels by.
 *
 * @returns The class, or `undefined` when this isolate has not registered it.
 */
export function registeredAs(name: string): RegisteredError | undefined {
  return BY_NAME.get(name);
}
