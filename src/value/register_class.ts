import { checkOptions, FUNCTION, type OptionRules, TEXT } from "../base/check_options.ts";
import { addClass, classNamed, classOf, type RegisteredClass } from "./class_registry.ts";
import { makeAll } from "./instance_maker.ts";
import { hasTypeOfItsOwn } from "./object_type.ts";

/** Options of {@linkcode registerClass}. */
export interface RegisterClassOptions<T extends object, D = unknown> {
  /**
   * What the class is called in keys, stores and on its way to workers; the same everywhere, and no
   * other class's name. A class that is renamed keeps what is known by keeping it.
   *
   * @default {Class.name}
   */
  name?: string;
  /**
   * Which form the data has: a text or a finite number. Change it with what `toData` gives. It is part
   * of the keys of calls with instances as arguments. Results of another version are misses, unless
   * `reads` names it.
   *
   * @default {1}
   */
  version?: string | number;
  /**
   * Other versions whose data `fromData` takes, too; it is told which it is given.
   *
   * @default {[]}
   */
  reads?: readonly (string | number)[];
  /**
   * Gives what an instance is made of: anything that can be remembered, with instances of registered
   * classes in it. It must give the same for instances that are to be taken for one, must not wait for
   * anything, and not change the instance.
   */
  toData: (instance: T) => D;
  /**
   * Makes an instance of its data, which is its own from then on. Where instances lead to one another in
   * circles, what leads back is there, but not complete: it is to be kept, not looked into. Such an
   * instance is made of the properties that it has, so that it must not have private fields.
   *
   * @param data What `toData` gave.
   * @param version The version of the class that gave it.
   */
  fromData: (data: D, version: string | number) => T;
}

const isVersion = (value: unknown) => typeof value === "string" || Number.isFinite(value);

const RULES: OptionRules<RegisterClassOptions<object>> = {
  name: TEXT,
  version: {
    allows: isVersion,
    says: () => ": the option `version` is a text or a finite number",
  },
  reads: {
    allows: (value) => Array.isArray(value) && value.every(isVersion),
    says: () => ": the option `reads` is an array of versions, each a text or a finite number",
  },
  toData: FUNCTION,
  fromData: FUNCTION,
};

/** Names that values have by themselves, which would be taken for those where values are listed. */
const TAKEN: ReadonlySet<string> = new Set(["Object", "NullObject", "Array", "Boxed", "Error"]);

/**
 * Makes a class known, so that its instances are remembered, and arrive at workers and come out of caches
 * as what they are: as arguments and results, at any depth, shared and in circles. What is stored and
 * sent is what `toData` gives, under the name and version of the class, and no code.
 *
 * Who makes an instance must have registered the class: a worker has if the module of the task does, or
 * one that this imports. Where that is missing, an `InstanceError` says so, and nothing is lost: what is
 * stored stays, and can be listed, checked, copied and exported without the class.
 *
 * Instances of a class that extends this one are not meant: register each. A class with
 * `[digestSymbol]()` as well is counted by what that gives in keys, and stored by its data.
 *
 * A value is only stored if what `fromData` makes of its data gives the same data again.
 *
 * @typeParam T The instances.
 * @typeParam D Their data.
 * @param Class The class, or a function that makes objects with `new`.
 * @param options Its name and version, and how its instances become data and back.
 * @throws {TypeError} When another class has its name, it has another name already, it is known by itself
 * (`Map`, `URL`, errors, see `registerError`), or an option is wrong or missing.
 *
 * @example Remember what is given and gives instances
 * ```ts
 * import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
 * import { registerClass } from "@quiver/quiver/caches";
 * import { assert, assertEquals } from "@std/assert";
 *
 * class Complex {
 *   constructor(readonly re: number, readonly im: number) {}
 *   times({ re, im }: Complex): Complex {
 *     return new Complex(this.re * re - this.im * im, this.re * im + this.im * re);
 *   }
 * }
 * registerClass(Complex, {
 *   name: "complex",
 *   toData: ({ re, im }) => [re, im] as const,
 *   fromData: ([re, im]) => new Complex(re, im),
 * });
 *
 * const square = task(import.meta, (z: Complex): Complex => z.times(z), { name: "squareOfComplex" });
 *
 * await cacheScope({ cache: createMemoryCache() }, async () => {
 *   await square(new Complex(0, 1));
 *   const known = square(new Complex(0, 1));
 *   assert(await known instanceof Complex);
 *   assertEquals([known.hit, await known], [true, new Complex(-1, 0)]);
 * });
 * ```
 */
export function registerClass<T extends object, D = unknown>(
  Class: { readonly prototype: T },
  options: RegisterClassOptions<T, D>,
): void {
  const given: unknown = Class;
  const prototype: unknown = typeof given === "function" ? given.prototype : undefined;
  const own = typeof given === "function" ? given.name : String(given);
  const { name = own, version = 1, reads = [], toData, fromData } = options ?? {};
  const action = `register "${String(name)}"`;
  checkOptions(action, options, RULES);
  const refuse = (state: string) => new TypeError(`Cannot ${action}: ${state}`);
  if (typeof prototype !== "object" || prototype === null) throw refuse("it is no class");
  if (prototype instanceof Error || prototype === Error.prototype) {
    throw refuse("it is a class of errors, which `registerError()` makes known");
  }
  if (typeof toData !== "function" || typeof fromData !== "function") {
    throw refuse("the options `toData` and `fromData` are needed");
  }
  if (name === "") throw refuse("it has no name; give it one with the option `name`");
  const known = classOf(prototype);
  if (known === undefined && hasTypeOfItsOwn(prototype)) {
    throw refuse("its instances are values by themselves");
  }
  const other = classNamed(name);
  if (TAKEN.has(name) || (other !== undefined && other.prototype !== prototype)) {
    throw refuse("another class has that name; give it another one with the option `name`");
  }
  if (known !== undefined && (known.name !== name || known.version !== version)) {
    throw refuse(
      `it is registered as "${known.name}" (version ${JSON.stringify(known.version)}) already`,
    );
  }
  // They are only ever given instances that have this prototype, and data that came of them.
  const functions = { toData, fromData } as Pick<RegisteredClass, "toData" | "fromData">;
  addClass({ name, version, reads: [...reads], prototype, ...functions }, makeAll);
}
