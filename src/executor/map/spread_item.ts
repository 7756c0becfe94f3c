import type { FunctionProfile } from "../../call/function_profile.ts";

/** Makes arguments of an item: an array of them, or an object with a field for each parameter. */
export class ItemSpread {
  readonly #name: string;
  readonly #profile: FunctionProfile | { readonly error: unknown };
  #count = 0;

  /**
   * Takes what it depends on.
   *
   * @param name The task, for messages.
   * @param profile The parameters of its function, or why they cannot be read.
   */
  constructor(name: string, profile: FunctionProfile | { readonly error: unknown }) {
    this.#name = name;
    this.#profile = profile;
  }

  /**
   * Makes the arguments of the next item.
   *
   * @returns The arguments, in the order of the parameters.
   * @throws {TypeError} When the item is none, or has a field that is no parameter.
   */
  toArguments(item: unknown): readonly unknown[] {
    const index = this.#count++;
    if (Array.isArray(item)) return [...item];
    if (typeof item === "object" && item !== null && isPlain(item)) {
      return this.#toNamed(item, index);
    }
    throw this.#refuse(
      index,
      `is ${typeof item === "object" && item !== null ? "an object of a class" : String(item)}; ` +
        "with `spread` it is an array of arguments, or an object with a field for each parameter",
    );
  }

  #toNamed(item: Readonly<Record<string, unknown>>, index: number): readonly unknown[] {
    if ("error" in this.#profile) throw this.#profile.error;
    const { parameters, rest } = this.#profile;
    const names = parameters.map(({ name }) => name);
    const known = rest === undefined ? names : [...names, rest];
    const unknown = Object.keys(item).find((name) => !known.includes(name));
    if (unknown !== undefined) {
      const state = `has the field "${unknown}", and the parameters are ${
        known.join(", ") || "none"
      }`;
      throw this.#refuse(index, state);
    }
    const read = (name: string) => Object.hasOwn(item, name) ? item[name] : undefined;
    const args = names.map(read);
    const others = rest === undefined ? undefined : read(rest);
    if (others !== undefined && !Array.isArray(others)) {
      throw this.#refuse(index, `has in "${rest}" no array, as the parameter takes any number`);
    }
    if (others !== undefined && others.length > 0) return [...args, ...others];
    // What is not given at the end is not there: the function may count its arguments.
    while (args.length > 0 && !Object.hasOwn(item, names[args.length - 1] ?? "")) args.pop();
    return args;
  }

  #refuse(index: number, state: string): TypeError {
    return new TypeError(`Cannot map "${this.#name}": item ${index} ${state}`);
  }
}

function isPlain(value: object): value is Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
