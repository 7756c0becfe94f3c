// What a pool calls by itself, without Quiver.
export function half(x: number): number {
  return x / 2;
}
