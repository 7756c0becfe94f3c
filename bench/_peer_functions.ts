// What the workers of all peers run.
export function noop(): void {}

export function echo(value: unknown): unknown {
  return value;
}

export function half(n: number): number {
  return n / 2;
}

export function halves(numbers: readonly number[]): number[] {
  return numbers.map((n) => n / 2);
}

export default noop;
