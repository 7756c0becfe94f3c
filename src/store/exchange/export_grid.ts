import type { Hdf5Output } from "../../bag/hdf5/access.ts";
import { toArrayShape } from "../../bag/segment/format.ts";
import { HDF5_ENVIRONMENT, writeHdf5File } from "../../bag/segment/hdf5_file.ts";
import { toUniqueName } from "./export_tree.ts";

/** An axis of n-dimensional arrays. */
export interface GridAxis {
  /** What it is called. */
  readonly name: string;
  /** Its values. */
  readonly values: readonly (number | string)[];
}

/** An n-dimensional array. */
export interface GridDataset {
  /** What it is called. */
  readonly name: string;
  /** The numbers, the last dimension varying fastest. */
  readonly data: Float64Array<ArrayBuffer>;
  /** The lengths of its dimensions: those of the axes, then its own. */
  readonly shape: readonly number[];
}

/**
 * Writes n-dimensional arrays and their axes into one HDF5 file, each a dataset.
 *
 * @param path The file, absolute; it is replaced when all is written.
 * @param axes What the first dimensions are.
 * @param missing How many cells have no value.
 */
export async function writeGrid(
  path: string,
  axes: readonly GridAxis[],
  datasets: readonly GridDataset[],
  missing: number,
): Promise<void> {
  await writeHdf5File(path, (output) => {
    const names = new Set<string>();
    const toDatasetPath = (key: string) => `/${toUniqueName({ type: "key", key }, names)}`;
    const paths = axes.map(({ name, values }) => writeAxis(output, toDatasetPath(name), values));
    const dimensions = JSON.stringify(paths.map((path) => path.slice(1)));
    for (const { name, data, shape } of datasets) {
      const path = toDatasetPath(name);
      writeNumbers(output, path, data, shape);
      output.setProperty(path, "dimensions", dimensions);
      output.setProperty(path, "missing", missing);
    }
    return Promise.resolve();
  }, HDF5_ENVIRONMENT);
}

function writeAxis(
  output: Hdf5Output,
  path: string,
  values: readonly (number | string)[],
): string {
  if (typeof values[0] === "string") output.createText(path, values.map(String));
  else writeNumbers(output, path, Float64Array.from(values, Number), [values.length]);
  return path;
}

function writeNumbers(
  output: Hdf5Output,
  path: string,
  data: Float64Array<ArrayBuffer>,
  dimensions: readonly number[],
): void {
  const shape = toArrayShape("Float64Array", data.byteLength, dimensions);
  if (shape !== undefined) output.createDataset(path, shape, [new Uint8Array(data.buffer)]);
}
