/**
 * The classes that are registered, such that their instances are known wherever they arrive: of errors by
 * `registerError()`, of everything else by `registerClass()`, which is in `register_class.ts`. Every
 * call that is remembered may ask, so that this is loaded with Quiver.
 *
 * @module
 */
import { sharedByCopies } from "../base/ambient.ts";
import { checkOptions, FUNCTION, type OptionRules, TEXT } from "../base/check_options.ts";
import { InstanceError } from "../base/errors.ts";
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

/** The classes of errors that the modules of this isolate have registered, like the registry of tasks. */
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

/** A class that `registerClass()` has made known. */
export interface RegisteredClass {
  /** What it is called where it travels. */
  readonly name: string;
  /** Which form its data has. */
  readonly version: string | number;
  /** The other forms that its `fromData` takes. */
  readonly reads: readonly (string | number)[];
  /** What its instances inherit from, without a class between. */
  readonly prototype: object;
  /** Gives what an instance is made of. */
  readonly toData: (instance: object) => unknown;
  /** Makes an instance. */
  readonly fromData: (data: unknown, version: string | number) => unknown;
}

class Stored {
  /** The name of the class. */
  readonly name: string;
  /** Which form the data has. */
  readonly version: string | number;
  /** What the instance is made of. */
  data: unknown;

  /** Takes over what an instance is made of. */
  constructor({ name, version }: Pick<RegisteredClass, "name" | "version">, data?: unknown) {
    this.name = name;
    this.version = version;
    this.data = data;
  }
}

/** What stands for an instance where its class need not be known: in stores, and on its way. */
export type StoredInstance = Stored;
/** The class of what stands for instances, the same for all copies of Quiver. */
export const StoredInstance: typeof Stored = sharedByCopies("stored instances", () => Stored);

/** Makes instances; there once a class is registered, as nobody needs it before. */
type MakeInstances = (root: unknown) => unknown;

const CLASSES = sharedByCopies("classes", () => ({
  byName: new Map<string, RegisteredClass>(),
  byPrototype: new WeakMap<object, RegisteredClass>(),
  make: undefined as MakeInstances | undefined,
}));

/**
 * Finds the class of the instances that inherit from a prototype.
 *
 * @returns The class, or `undefined` when that very class is not registered.
 */
export function classOf(prototype: object): RegisteredClass | undefined {
  return CLASSES.byPrototype.get(prototype);
}

/**
 * Finds a class by the name that it travels by.
 *
 * @returns The class, or `undefined` when this isolate has not registered it.
 */
export function classNamed(name: string): RegisteredClass | undefined {
  return CLASSES.byName.get(name);
}

/**
 * Makes a class known.
 *
 * @param make Makes instances of all classes.
 */
export function addClass(registered: RegisteredClass, make: MakeInstances): void {
  CLASSES.byName.set(registered.name, registered);
  CLASSES.byPrototype.set(registered.prototype, registered);
  CLASSES.make = make;
}

/**
 * Takes an instance apart.
 *
 * @param value An instance of a class that is registered, or what stands for one.
 * @returns What stands for it.
 * @throws {InstanceError} When its `toData` fails or gives nothing to go by.
 */
export function takeApart(value: object): StoredInstance {
  if (value instanceof StoredInstance) return value;
  const registered = classOf(Object.getPrototypeOf(value));
  if (registered === undefined) throw new TypeError("Cannot take apart what is no instance");
  const { name, version } = registered;
  const fail = (state: string, cause?: unknown) =>
    new InstanceError(`Cannot take an instance of "${name}" apart: its \`toData\` ${state}`, {
      ...{ className: name, version, reason: "failed", cause },
    });
  let data: unknown;
  try {
    data = registered.toData(value);
  } catch (cause) {
    throw fail(`threw ${describeThrown(cause)}`, cause);
  }
  // A body that lacks its `return` would make all instances one.
  if (data === undefined) throw fail("gives nothing; return data, `null` if there is none");
  if (data === value) throw fail("gives the instance itself; return what it is made of");
  return new StoredInstance(registered, data);
}

/**
 * Makes the instances of registered classes that a value has something in the place of.
 *
 * @param root The value; what contains something else is changed, and nobody else may have it.
 * @param instances What stands for instances in it.
 * @returns The value with instances.
 * @throws {InstanceError} When a class or its version is not known here, or its `fromData` fails.
 */
export function makeInstances(root: unknown, instances: readonly object[]): unknown {
  const [first] = instances;
  if (!(first instanceof StoredInstance)) return root;
  if (CLASSES.make === undefined) throw toUnknown(first);
  return CLASSES.make(root);
}

/**
 * Says that the class of something is not registered here.
 *
 * @param instance What stands for an instance of it.
 */
export function toUnknown({ name: className, version }: StoredInstance): InstanceError {
  return new InstanceError(
    `Cannot make an instance of "${className}" (version ${
      JSON.stringify(version)
    }): no class of that ` +
      "name is registered here; import the module that calls `registerClass()` for it, in the module " +
      "of the task, so that workers do, too",
    { className, version, reason: "unknown" },
  );
}

/**
 * Gives the name of the class of \`Temporal\` whose instances inherit from a prototype. \`Temporal\` is
 * touched only where something is of a class: the first time takes 0.3 ms, which no start has to pay.
 *
 * @returns The name, or \`undefined\` when it is another prototype.
 */
export function temporalNameOf(prototype: object): string | undefined {
  const name: unknown = prototype.constructor?.name;
  if (typeof name !== "string" || name === "Object" || !Object.hasOwn(Temporal, name)) {
    return undefined;
  }
  const known: unknown = Reflect.get(Temporal, name);
  return typeof known === "function" && known.prototype === prototype ? name : undefined;
}

/**
 * Tells whether a prototype is that of a class of the platform, such as `Headers` or `Deno.FsFile`.
 *
 * @returns Whether it is; of classes that have no name there nobody can tell.
 */
export function isOfPlatform(prototype: object): boolean {
  const name: unknown = prototype.constructor?.name;
  if (typeof name !== "string" || name === "") return false;
  const isKnown = PLACES.some((place) => {
    // Not every name there may be read, or is worth it: some load what they stand for.
    if (!Object.hasOwn(place, name)) return false;
    const known: unknown = Reflect.get(place, name);
    return typeof known === "function" && known.prototype === prototype;
  });
  return isKnown || temporalNameOf(prototype) !== undefined;
}

/** Where the platform keeps classes whose instances structured clone does not refuse by itself. */
const PLACES: readonly object[] = [globalThis, Deno, WebAssembly];

/** Describes what a function of the user's threw. */
export function describeThrown(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}
