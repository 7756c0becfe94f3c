// What the benches run: tasks that cost nothing themselves.
import { reportProgress, task, transfer } from "@quiver/quiver";

export const noop = task(import.meta, function noop(): void {});

export const tiny = task(import.meta, function tiny(n: number): { n: number; half: number } {
  return { n, half: n / 2 };
});

export const large = task(import.meta, function large(n: number): Float64Array {
  return new Float64Array(1 << 20).map((_, index) => index * n);
});

export const sumOf = task(import.meta, function sumOf(values: Float64Array): number {
  return values.reduce((a, b) => a + b, 0);
});

export const echo = task(import.meta, function echo(value: Float64Array): Float64Array {
  return value;
});

export const give = task(import.meta, function give(value: Float64Array): Float64Array {
  return transfer(value);
});

export const elementAt = task(import.meta, function elementAt(value: Float64Array, at: number) {
  return value[Math.abs(at)] ?? NaN;
});

export const half = task(import.meta, function half(n: number): number {
  return n / 2;
});

export const spin = task(import.meta, function spin(): void {
  reportProgress(String(Deno.pid));
  for (;;);
});
