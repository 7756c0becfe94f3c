import { task } from "@quiver/quiver";

/** A wave. */
export const wave = task(import.meta, (point: { rate: number; n: number }) => ({
  rate: point.rate,
  ys: Float64Array.from({ length: point.n }, (_, i) => point.rate * i),
}), { name: "wave", version: 1 });

/** An area. */
export const area = task(import.meta, (width: number, height: number) => width * height, {
  name: "area",
});

/** What always fails, with a message that would clear the screen and turn text round. */
export const fail = task(import.meta, (n: number): number => {
  throw new RangeError(`no root of ${n}\x1b[2J\u202e\nDone`);
}, { name: "fail" });

/** What counts one of its arguments only. */
export const label = task(import.meta, (text: string, color: string) => `${color} ${text}`, {
  name: "label",
  ignore: ["color"],
});
