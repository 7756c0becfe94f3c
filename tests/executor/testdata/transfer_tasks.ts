import { task } from "@quiver/quiver";

export const fail = task(import.meta, function fail({ length }: Float64Array): number {
  throw new RangeError(`failed with ${length}`);
});

export const die = task(import.meta, function die(_: Float64Array): number {
  Deno.exit(3);
});

export const measure = task(import.meta, function measure({ length }: Float64Array): number {
  return length;
});
