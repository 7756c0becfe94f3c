import type { Bag } from "@quiver/quiver";
import { encodeValue } from "../src/value/codec/encode_value.ts";
import { openBagFiles } from "../src/bag/open_bag.ts";
import { tiny } from "./_tasks.ts";

/** How many calls are put before others may run: folds end in between. */
const SLICE = 1000;

/**
 * Puts calls of `tiny` as computing them would, but without leases, so that a million take a minute.
 *
 * @param bag The bag.
 * @param calls How many; their arguments are the numbers from 0 on.
 * @param progress Told after each thousand.
 */
export async function fillWithCalls(
  bag: Bag,
  calls: number,
  progress: (done: number) => void = () => {},
): Promise<void> {
  const { module, name } = tiny.address;
  for (let n = 0; n < calls; n++) {
    const key = await tiny.digest(n);
    const value = await bag.putValue(n);
    const result = await bag.putValue({ n, half: n / 2 });
    await bag.putRecord({
      key,
      scheme: 1,
      module,
      task: name,
      args: [{ name: "n", digest: value, value }],
      result,
      started: n,
      duration: 1,
      metadata: { tags: {} },
    });
    if (n % SLICE !== SLICE - 1) continue;
    progress(n + 1);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

/**
 * Puts arrays of 64 MB that are all different, and seals them.
 *
 * @param path The directory of the bag.
 * @param bytes How many bytes in all, about.
 */
export async function fillWithArrays(path: string, bytes: number): Promise<void> {
  const array = new Float64Array(8e6).map((_, index) => index / 3);
  await using files = await openBagFiles(path);
  for (let n = 0; n * array.byteLength < bytes; n++) {
    array[0] = n;
    files.values.putPart(encodeValue(array));
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}
