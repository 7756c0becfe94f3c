import { task } from "@quiver/quiver";
import { InstanceError, registerClass } from "@quiver/quiver/caches";
import { StoredInstance } from "../../../src/value/class_registry.ts";
import { Crate } from "../../value/arbitrary_value.ts";

/** Has private state and an array, and is known wherever this module is. */
export class Field {
  readonly #values: Float64Array;
  constructor(readonly name: string, values: Float64Array) {
    this.#values = values;
  }
  get sum(): number {
    return this.#values.reduce((sum, value) => sum + value, 0);
  }
  get values(): Float64Array {
    return this.#values;
  }
  set(index: number, value: number): void {
    this.#values[index] = value;
  }
}
registerClass(Field, {
  name: "field",
  version: 2,
  reads: [1],
  toData: (field) => ({ name: field.name, values: field.values }),
  fromData: ({ name, values }, version) => new Field(version === 1 ? `old ${name}` : name, values),
});

/** Gives back what it is given, in a crate. */
export const echo = task(import.meta, (value: unknown): Crate => {
  return Object.assign(new Crate(), { content: value });
}, { name: "echoCrate" });

/** Doubles a field, and changes what it was given. */
export const double = task(import.meta, (field: Field): { field: Field; twice: Field[] } => {
  const doubled = new Field(`2 ${field.name}`, field.values.map((value) => 2 * value));
  field.set(0, 1e6);
  return { field: doubled, twice: [doubled, doubled] };
}, { name: "double" });

/** Gives what stands for an instance, as another program would have stored it. */
export const stored = task(
  import.meta,
  (name: string, version: number | string): unknown =>
    new StoredInstance({ name, version }, { name, values: new Float64Array([1]) }),
  { name: "stored" },
);

class Secret {}

/** Gives an instance of a class that nobody but this worker knows. */
export const giveSecret = task(import.meta, (): unknown => {
  registerClass(Secret, { name: "secret", toData: () => null, fromData: () => new Secret() });
  return new Secret();
}, { name: "giveSecret" });

/** What one of the parent's classes is here. */
export const look = task(import.meta, (value: unknown): string => Deno.inspect(value), {
  name: "lookAtInstance",
});

/** Throws an error that holds an instance. */
export const fail = task(import.meta, (): never => {
  throw Object.assign(new RangeError("it failed"), { at: new Field("x", new Float64Array([7])) });
}, { name: "failWithInstance" });

/** What an error of a class says. */
export function describe(error: unknown): unknown {
  return error instanceof InstanceError && [error.className, error.version, error.reason];
}
