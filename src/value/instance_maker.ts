import { InstanceError } from "../base/errors.ts";
import {
  classNamed,
  describeThrown,
  type RegisteredClass,
  StoredInstance,
  toUnknown,
} from "./class_registry.ts";
import { toBaseType, toClassName, toObjectType } from "./object_type.ts";
import { isDigestible } from "./symbols.ts";

/** What is directly inside an object: what some properties of a holder hold. */
interface Inside {
  readonly holder: object;
  readonly keys: readonly PropertyKey[];
  /** Puts what was set in the holder into the object, where that is another one. */
  readonly finish?: (items: readonly unknown[]) => void;
}

/** An object that is gone through. */
interface Frame extends Inside {
  readonly value: unknown;
  /** How many of its keys were looked at. */
  at: number;
  /** Whether something else was set in the holder. */
  changed: boolean;
}

/**
 * Makes all instances that a value has something in the place of, depth first: what an instance is made
 * of is complete before it is made, but for what leads back to it.
 *
 * @param root The value, whose containers nobody else has.
 * @returns The value with instances.
 * @throws {InstanceError} When one cannot be made.
 */
export function makeAll(root: unknown): unknown {
  return new InstanceMaker().make(root);
}

class InstanceMaker {
  /** What was entered; frames stand for the stack, which a long list of instances would exhaust. */
  readonly #seen = new Set<object>();
  readonly #frames: Frame[] = [];
  /** What was made, or is to become it and stands in its place already. */
  readonly #made = new Map<StoredInstance, object>();
  /** What stands where an instance is needed that is being made. */
  readonly #early = new Map<StoredInstance, RegisteredClass>();

  make(root: unknown): unknown {
    const holder = { root };
    this.#frames.push({ value: holder, holder, keys: ["root"], at: 0, changed: false });
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      const key = frame.keys[frame.at++];
      if (key === undefined) this.#leave();
      else this.#look(Reflect.get(frame.holder, key));
    }
    for (const [instance, registered] of this.#early) this.#check(instance, registered);
    return holder.root;
  }

  #look(value: unknown): void {
    if (typeof value !== "object" || value === null) return;
    if (!this.#seen.has(value)) {
      this.#seen.add(value);
      const inside = lookInside(value);
      if (inside !== undefined) this.#frames.push({ value, ...inside, at: 0, changed: false });
    } else if (value instanceof StoredInstance) this.#set(this.#standFor(value));
  }

  #leave(): void {
    const { value, holder, changed, finish } = this.#frames.pop() ?? {};
    if (changed && Array.isArray(holder)) finish?.(holder);
    if (value instanceof StoredInstance) this.#set(this.#create(value));
  }

  /** Puts something in the place of what was looked at last. */
  #set(value: object): void {
    const frame = this.#frames.at(-1);
    if (frame === undefined) return;
    const { holder, keys, at } = frame;
    frame.changed = true;
    // Properties that are there stay as they are, hidden ones of errors included.
    Reflect.set(holder, keys[at - 1] ?? "", value);
  }

  /** What was made of it, or becomes it. */
  #standFor(instance: StoredInstance): object {
    const made = this.#made.get(instance);
    if (made !== undefined) return made;
    const registered = findClass(instance);
    const early: object = Object.create(registered.prototype);
    this.#early.set(instance, registered);
    this.#made.set(instance, early);
    return early;
  }

  #create(instance: StoredInstance): object {
    const created = createInstance(instance, findClass(instance));
    const early = this.#made.get(instance);
    if (early === undefined) {
      this.#made.set(instance, created);
      return created;
    }
    if (toBaseType(created) !== "Object" || ArrayBuffer.isView(created)) {
      throw inCircle(instance);
    }
    Object.defineProperties(early, Object.getOwnPropertyDescriptors(created));
    if (Object.isFrozen(created)) Object.freeze(early);
    return early;
  }

  /** What is in no property was not taken over. */
  #check(instance: StoredInstance, { version, toData }: RegisteredClass): void {
    const early = this.#standFor(instance);
    let again: unknown;
    try {
      again = toData(early);
    } catch (cause) {
      throw inCircle(instance, cause);
    }
    const isSame = version !== instance.version || isSameData(again, instance.data);
    if (!isSame) throw inCircle(instance);
  }
}

function findClass(instance: StoredInstance): RegisteredClass {
  const { name: className, version } = instance;
  const registered = classNamed(className);
  if (registered === undefined) throw toUnknown(instance);
  if (registered.version === version || registered.reads.includes(version)) return registered;
  throw new InstanceError(
    `Cannot make an instance of "${className}" of its version ${
      JSON.stringify(version)
    }: here it is ` +
      `registered as version ${
        JSON.stringify(registered.version)
      }; name the other one in the option ` +
      "`reads` if `fromData` takes its data, or let all programs load the same module",
    { className, version, reason: "version" },
  );
}

function createInstance(instance: StoredInstance, registered: RegisteredClass): object {
  const { name: className, version, data } = instance;
  const fail = (state: string, cause?: unknown) =>
    new InstanceError(`Cannot make an instance of "${className}": its \`fromData\` ${state}`, {
      ...{ className, version, reason: "failed", cause },
    });
  let made: unknown;
  try {
    made = registered.fromData(data, version);
  } catch (cause) {
    throw fail(`threw ${describeThrown(cause)}`, cause);
  }
  if (typeof made !== "object" || made === null) throw fail(`gave ${String(made)}`);
  if (Object.getPrototypeOf(made) === registered.prototype) return made;
  throw fail(`gave an instance of ${toClassName(made) || "another class"}, and not of that class`);
}

function inCircle({ name: className, version }: StoredInstance, cause?: unknown): InstanceError {
  return new InstanceError(
    `Cannot make an instance of "${className}" that leads back to itself: not all that it has are ` +
      "properties; leave out of `toData` what leads back, and set it in the `fromData` of what is around",
    { className, version, reason: "failed", cause },
  );
}

/** Nothing is inside of what others have made, or make anew. */
function lookInside(value: object): Inside | undefined {
  if (value instanceof StoredInstance) return { holder: value, keys: ["data"] };
  if (isDigestible(value)) return undefined;
  switch (toObjectType(value)) {
    case "Object":
    case "NullObject":
    case "Array":
      return { holder: value, keys: Object.keys(value) };
    case "Error":
      return { holder: value, keys: dataKeysOf(value) };
    case "Map":
      return value instanceof Map ? lookIntoMap(value) : undefined;
    case "Set":
      return value instanceof Set ? lookIntoSet(value) : undefined;
    default:
      return undefined;
  }
}

/** What an accessor gives is made by whoever made that. */
function dataKeysOf(error: object): string[] {
  return Object.getOwnPropertyNames(error).filter((key) =>
    Object.getOwnPropertyDescriptor(error, key)?.get === undefined
  );
}

function lookIntoMap(map: Map<unknown, unknown>): Inside {
  const holder = [...map].flat(1);
  const finish = (items: readonly unknown[]) => {
    map.clear();
    for (let index = 0; index < items.length; index += 2) map.set(items[index], items[index + 1]);
  };
  return { holder, keys: Object.keys(holder), finish };
}

function lookIntoSet(set: Set<unknown>): Inside {
  const holder = [...set];
  const finish = (items: readonly unknown[]) => {
    set.clear();
    for (const item of items) set.add(item);
  };
  return { holder, keys: Object.keys(holder), finish };
}

/** Whether two values are the same as far as properties tell; instances are one or are not. */
function isSameData(one: unknown, other: unknown): boolean {
  const open: (readonly [unknown, unknown])[] = [[one, other]];
  const seen = new Set<unknown>();
  for (const [a, b] of open) {
    if (Object.is(a, b) || seen.has(a)) continue;
    if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
    seen.add(a);
    const type = toObjectType(a);
    if (type !== toObjectType(b) || type === "Registered") return false;
    const [parts, others] = [partsOf(a, type), partsOf(b, type)];
    if (parts.length !== others.length) return false;
    for (const [index, part] of parts.entries()) open.push([part, others[index]]);
  }
  return true;
}

function partsOf(value: object, type: string): readonly unknown[] {
  if (value instanceof Map) return [...value].flat(1);
  if (value instanceof Set) return [...value];
  const isPlain = type === "Object" || type === "NullObject" || type === "Array";
  return isPlain ? Object.entries(value).flat(1) : [];
}
