/**
 * Checks options, once, where a user gives them: types do not hold where a program has none.
 *
 * @module
 */

/** What the value of an option must be; one that is `undefined` counts as left out. */
export interface OptionRule {
  /** Tells whether a value will do. */
  readonly allows: (value: unknown) => boolean;
  /** Says why one will not, behind what cannot be done: `" as … must …: …"`, or `": … is …"`. */
  readonly says: (name: string, value: unknown) => string;
  /** Whether it is a number: one that will not do is out of range, and all else is of a wrong type. */
  readonly number?: true;
}

/** A rule for each option that there is. */
export type OptionRules<T> = { readonly [N in keyof T]-?: OptionRule };

/** Timers count no further, in milliseconds. */
export const LONGEST_TIMEOUT: number = 2 ** 31 - 1;

/** What is checked elsewhere, or by nobody. */
export const ANYTHING: OptionRule = { allows: () => true, says: () => "" };

/**
 * Makes the rule of what is no number.
 *
 * @param must What it must be, as in "a function".
 * @param allows Tells whether it is.
 */
export function ofKind(must: string, allows: (value: unknown) => boolean): OptionRule {
  return {
    allows,
    says: (name, value) => ` as \`${name}\` must be ${must}: ${showOption(value)}`,
  };
}

/** What is called. */
export const FUNCTION: OptionRule = ofKind("a function", (value) => typeof value === "function");

/** A text. */
export const TEXT: OptionRule = ofKind("a string", (value) => typeof value === "string");

/** Texts. */
export const TEXTS: OptionRule = ofKind(
  "an array of strings",
  (value) => Array.isArray(value) && value.every((one) => typeof one === "string"),
);

/** What gives something up. */
export const SIGNAL: OptionRule = {
  allows: (value) => value instanceof AbortSignal,
  says: (name, value) => `: \`${name}\` is not an AbortSignal, but ${showOption(value)}`,
};

/** What has fields, but is no list. */
export const OBJECT: OptionRule = ofKind(
  "an object",
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
);

/**
 * Makes the rule of an object that is told something.
 *
 * @param needed The functions that it has.
 * @param optional Those that it may have.
 */
export function withFunctions(
  needed: readonly string[],
  optional: readonly string[] = [],
): OptionRule {
  const names = [...needed, ...optional].map((name) => `\`${name}\``).join(", ");
  const can = needed.length === 0 ? "may be" : "are";
  return ofKind(`an object whose ${names} ${can} functions`, (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const isFunction = (name: string) => typeof Reflect.get(value, name) === "function";
    return needed.every(isFunction) &&
      optional.every((name) => Reflect.get(value, name) === undefined || isFunction(name));
  });
}

/** Yes or no. */
export const BOOLEAN: OptionRule = {
  allows: (value) => typeof value === "boolean",
  says: (name, value) => ` as \`${name}\` must be true or false: it is ${typeof value}`,
};

/** How many. */
export const COUNT: OptionRule = numeric("must be a positive integer", isCount);

/** How many, if not all. */
export const COUNT_OR_INFINITY: OptionRule = numeric(
  "must be a positive integer or Infinity",
  (value) => isCount(value) || value === Infinity,
);

/** How many, or none. */
export const COUNT_OR_NONE: OptionRule = numeric(
  "must be an integer that is not negative",
  (value) => Number.isSafeInteger(value) && value >= 0,
);

/** How long or how much. */
export const NOT_NEGATIVE: OptionRule = numeric("must not be negative", (value) => value >= 0);

/** How long until a timer ends it. */
export const TIMEOUT: OptionRule = numeric(
  `must be Infinity or a number of milliseconds from 0 to ${LONGEST_TIMEOUT}`,
  (value) => value === Infinity || (value >= 0 && value <= LONGEST_TIMEOUT),
);

/**
 * Makes the rule of a number.
 *
 * @param must What it must be, as in "must be a positive integer".
 * @param allows Tells whether it is.
 */
export function numeric(must: string, allows: (value: number) => boolean): OptionRule {
  return {
    allows: (value) => typeof value === "number" && allows(value),
    says: (name, value) => ` as \`${name}\` ${must}: ${showOption(value)}`,
    number: true,
  };
}

/** Makes the rule of an option that has a few values. */
export function oneOf(choices: readonly unknown[]): OptionRule {
  return {
    allows: (value) => choices.includes(value),
    says: (name, value) =>
      `: \`${name}\` is one of ${choices.join(", ")}, not ${showOption(value)}`,
  };
}

/**
 * Checks options by name.
 *
 * @param action What cannot be done with wrong ones, as in "create an executor".
 * @param options The options that were given.
 * @param rules A rule for each option that there is.
 * @param state What one is that there is not, in the words of the message.
 * @throws {TypeError} When an option is misspelled or of the wrong type, or the options are no object.
 * @throws {RangeError} When a number is out of range.
 */
export function checkOptions(
  action: string,
  options: object,
  rules: { readonly [name: string]: OptionRule },
  state: "not an option" | "no option" | "no field" = "not an option",
): void {
  checkIsOptions(action, options);
  refuseOther(action, options, Object.keys(rules));
  // What options inherit counts, too.
  for (const name in options) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (rule === undefined) {
      const names = Object.keys(rules).join(", ");
      const noun = state === "no field" ? "fields" : "options";
      throw new TypeError(`Cannot ${action}: "${name}" is ${state}; the ${noun} are ${names}`);
    }
    const value: unknown = Reflect.get(options, name);
    if (value === undefined || rule.allows(value)) continue;
    const Refusal = rule.number && typeof value === "number" ? RangeError : TypeError;
    throw new Refusal(`Cannot ${action}${rule.says(name, value)}`);
  }
}

/**
 * Checks that options are some, before anything is taken out of them.
 *
 * @param action What cannot be done with others.
 * @throws {TypeError} When they are no object.
 */
export function checkIsOptions(action: string, options: unknown): asserts options is object {
  if (typeof options === "object" && options !== null) return;
  throw new TypeError(`Cannot ${action}: the options are ${showOption(options)}, not an object`);
}

/** Something else in the place of options, such as a cache, has none of them, and would be none at all. */
function refuseOther(action: string, options: object, names: readonly string[]): void {
  const prototype: unknown = Object.getPrototypeOf(options);
  if (prototype === Object.prototype || prototype === null) return;
  if (names.some((name) => name in options)) return;
  const { name = "another" } = options.constructor ?? {};
  throw new TypeError(
    `Cannot ${action}: the options are an object of class ${name}, with none of them; they are ` +
      names.join(", "),
  );
}

/**
 * Puts defaults in the place of options that were left out, or are `undefined`.
 *
 * @typeParam T The options.
 * @param defaults All options.
 * @param options Those that were given.
 * @returns All options.
 */
export function withDefaults<T extends object>(defaults: T, options: NoInfer<Partial<T>>): T {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) };
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}

/** Shows the value of an option in a message, as short as will do. */
export function showOption(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  if (typeof value !== "object" || value === null) return String(value);
  return Array.isArray(value) ? "an array" : "an object";
}

/** How deep tags and metadata may be: what is deeper overflows the stack of those who read it. */
const DEEPEST_JSON = 100;

/**
 * What goes into records, as it is now. A record is one line of JSON, and templates find by what is in
 * it: what JSON drops or changes is refused here, not when a result is there to be recorded.
 *
 * @param option What the facts are called in messages.
 * @param action What cannot be done with wrong ones.
 * @throws {TypeError} When they are no JSON.
 */
export function toFacts<T extends object>(facts: T, option: string, action = "open a scope"): T {
  if (!isPlainObject(facts)) {
    throw new TypeError(
      `Cannot ${action} as \`${option}\` must be a plain object: it is ${describe(facts)}`,
    );
  }
  checkFields(facts, option, { action, around: [] });
  return Object.keys(facts).length === 0 ? facts : structuredClone(facts);
}

/** Where the fields of facts are looked at. */
interface FieldsCheck {
  readonly action: string;
  readonly around: readonly object[];
}

function checkFields(value: object, path: string, { action, around }: FieldsCheck): void {
  const inside = [...around, value];
  if (inside.length > DEEPEST_JSON) {
    throw new TypeError(
      `Cannot ${action} as its ${path.split(/[.[]/, 1)[0]} must be JSON: it is deeper than ` +
        `${DEEPEST_JSON} levels`,
    );
  }
  // A hole of an array is `undefined`.
  const entries = Array.isArray(value) ? Array.from(value).entries() : Object.entries(value);
  for (const [key, item] of entries) {
    const at = typeof key === "number" ? `${path}[${key}]` : `${path}.${key}`;
    if (item === null || typeof item === "string" || typeof item === "boolean") continue;
    if (typeof item === "number" && Number.isFinite(item)) continue;
    if (!Array.isArray(item) && !isPlainObject(item)) refuseJson(action, at, describe(item));
    else if (inside.includes(item)) refuseJson(action, at, "an object that contains itself");
    else checkFields(item, at, { action, around: inside });
  }
}

function refuseJson(action: string, path: string, state: string): never {
  throw new TypeError(`Cannot ${action} as ${path} must be JSON: it is ${state}`);
}

/** Whether something is an object of no class. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** What something is, for messages. */
export function describe(value: unknown): string {
  if (value === null || typeof value === "number") return String(value);
  if (typeof value !== "object") {
    return typeof value === "undefined" ? "undefined" : `a ${typeof value}`;
  }
  return Array.isArray(value) ? "an array" : `a ${value.constructor?.name ?? "class instance"}`;
}
