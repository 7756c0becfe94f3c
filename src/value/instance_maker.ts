import { InstanceError } from "../base/errors.ts";
import {
  classNamed,
  describeThrown,
  type RegisteredClass,
  StoredInstance,
  toUnknown,
} from "./class_registry.ts";
import { toBaseType, toClassName, toObjectType } from "./object_type.ts";

/** A place that holds an object. */
interface Slot {
  readonly value: object;
  readonly set: (value: object) => void;
}

/** What is directly inside an object. */
interface Inside {
  readonly slots: readonly Slot[];
  /** Puts what was set into place, where that cannot be done one by one. */
  readonly finish?: () => unknown;
}

/** An object that is gone through. */
interface Frame extends Inside {
  /** Where it is. */
  readonly place: Slot;
  /** How many slots were looked at. */
  at: number;
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
    let result = root;
    if (typeof root !== "object" || root === null) return result;
    this.#enter({ value: root, set: (value) => void (result = value) });
    for (let frame = this.#frames.at(-1); frame !== undefined; frame = this.#frames.at(-1)) {
      const slot = frame.slots[frame.at++];
      if (slot !== undefined) this.#look(slot);
      else {
        this.#frames.pop();
        this.#leave(frame);
      }
    }
    for (const [instance, registered] of this.#early) this.#check(instance, registered);
    return result;
  }

  #look(slot: Slot): void {
    if (!this.#seen.has(slot.value)) this.#enter(slot);
    else if (slot.value instanceof StoredInstance) slot.set(this.#standFor(slot.value));
  }

  #enter(place: Slot): void {
    this.#seen.add(place.value);
    this.#frames.push({ place, at: 0, ...lookInside(place.value) });
  }

  #leave({ place, finish }: Frame): void {
    finish?.();
    if (place.value instanceof StoredInstance) place.set(this.#create(place.value));
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

const NOTHING: Inside = { slots: [] };

/** Nothing is inside of what is made by others than who makes instances. */
function lookInside(value: object): Inside {
  if (value instanceof StoredInstance) {
    return { slots: toSlot(value.data, (data) => void (value.data = data)) };
  }
  switch (toObjectType(value)) {
    case "Object":
    case "NullObject":
    case "Array":
    case "Error":
      return { slots: propertySlots(value) };
    case "Map":
      return value instanceof Map ? lookIntoMap(value) : NOTHING;
    case "Set":
      return value instanceof Set ? lookIntoSet(value) : NOTHING;
    default:
      return NOTHING;
  }
}

function toSlot(value: unknown, set: Slot["set"]): Slot[] {
  return typeof value === "object" && value !== null ? [{ value, set }] : [];
}

/** Of errors the hidden ones, too; what an accessor gives is made by whoever made that. */
function propertySlots(object: object): Slot[] {
  const keys = object instanceof Error ? Object.getOwnPropertyNames(object) : Object.keys(object);
  return keys.flatMap((key) => {
    const descriptor = Object.getOwnPropertyDescriptor(object, key);
    const set = (value: object) =>
      void Object.defineProperty(object, key, { ...descriptor, value });
    return toSlot(descriptor?.value, set);
  });
}

function lookIntoMap(map: Map<unknown, unknown>): Inside {
  return lookIntoItems([...map].flat(1), (items) => {
    map.clear();
    for (let index = 0; index < items.length; index += 2) map.set(items[index], items[index + 1]);
  });
}

function lookIntoSet(set: Set<unknown>): Inside {
  return lookIntoItems([...set], (items) => {
    set.clear();
    for (const item of items) set.add(item);
  });
}

function lookIntoItems(items: unknown[], put: (items: readonly unknown[]) => void): Inside {
  let changed = false;
  const slots = items.flatMap((item, index) =>
    toSlot(item, (value) => {
      items[index] = value;
      changed = true;
    })
  );
  return { slots, finish: () => changed && put(items) };
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
