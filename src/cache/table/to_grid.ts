import { compareValues } from "../../call/condition.ts";
import { type GridDataset, writeGrid } from "../../store/exchange/export_grid.ts";
import { isNumberArray, isShapeOf } from "../../value/array_shape.ts";
import { isPlainObject } from "../call_values.ts";
import type { GridResult, TableContent, TableRow } from "./table_content.ts";

/** A dataset with more elements would not fit into memory beside the rest. */
const MOST_ELEMENTS = 2 ** 27;

/** One result as numbers. */
interface Cell {
  readonly data: ArrayLike<number | bigint>;
  readonly shape: readonly number[];
}

/**
 * Writes columns of a table as n-dimensional arrays.
 *
 * @param path The file, absolute.
 * @param axes The columns that become dimensions.
 * @param values The columns that become datasets.
 * @returns What was written.
 */
export async function toGrid(
  content: TableContent,
  path: string,
  axes: readonly string[],
  values: readonly string[],
): Promise<GridResult> {
  const { rows, keys } = content;
  if (rows.length === 0) {
    throw new RangeError(
      "Cannot write a table as HDF5: it has no rows, and so no axis has a value",
    );
  }
  const lists = axes.map((name) => toAxisValues(name, content));
  const shape = lists.map(({ length }) => length);
  const count = shape.reduce((product, length) => product * length, 1);
  if (count > MOST_ELEMENTS) throw tooLarge(count);
  const indices = lists.map((list) => new Map(list.map((value, i) => [value, i])));
  const places = rows.map((row) =>
    axes.reduce((at, name, i) => {
      return at * (shape[i] ?? 1) + (indices[i]?.get(toScalar(row[name]) ?? 0) ?? 0);
    }, 0)
  );
  const owners = new Map<number, number>();
  for (const [row, place] of places.entries()) {
    const other = owners.get(place);
    if (other !== undefined) throw clash(axes, rows[row], [keys[other], keys[row]]);
    owners.set(place, row);
  }
  const missing = count - owners.size;
  const datasets = values.map((name) => toDataset(name, content, places, shape));
  const named = axes.map((name, i) => ({ name, values: lists[i] ?? [] }));
  await writeGrid(path, named, datasets, missing);
  return { shape, missing };
}

function tooLarge(count: number): RangeError {
  return new RangeError(
    `Cannot write a table as HDF5: an array would have ${count} elements, and ${MOST_ELEMENTS} fit; ` +
      "take fewer values of an axis, or a column that is no axis out of `axes`",
  );
}

function clash(
  axes: readonly string[],
  row: TableRow | undefined,
  keys: readonly (string | undefined)[],
): RangeError {
  const at = axes.map((name) => `${name} ${String(row?.[name])}`).join(", ");
  return new RangeError(
    `Cannot write a table as HDF5: two calls have ${at}: ${
      keys.join(" and ")
    }; name another axis, ` +
      "or query calls of one version and code",
  );
}

/** The values of an axis in ascending order. */
function toAxisValues(name: string, { rows, keys }: TableContent): (number | string)[] {
  const found = new Set<number | string>();
  const kinds = new Set<string>();
  for (const [i, row] of rows.entries()) {
    const value = toScalar(row[name]);
    if (value === undefined || Number.isNaN(value)) {
      throw new TypeError(
        `Cannot write a table as HDF5: "${name}" of the call ${keys[i]} is ${
          String(row[name])
        }, and an axis has numbers that a float64 holds, well-formed texts, booleans or dates; filter ` +
          "the query",
      );
    }
    found.add(value);
    kinds.add(kindOf(row[name]));
  }
  if (kinds.size > 1) {
    const both = [...kinds].join(" and ");
    throw new TypeError(`Cannot write a table as HDF5: the axis "${name}" has ${both}`);
  }
  return [...found].sort((a, b) => compareValues(a, b) ?? 0);
}

/** What would be one value of an axis is told apart by this. */
function kindOf(value: unknown): string {
  if (value instanceof Date) return "dates";
  if (typeof value === "string") return "texts";
  return typeof value === "boolean" ? "booleans" : "numbers";
}

/** Dates are milliseconds since 1970, and booleans 0 and 1; what would become another value is none. */
function toScalar(value: unknown): number | string | undefined {
  if (typeof value === "string") return value.isWellFormed() ? value : undefined;
  if (typeof value === "number") return value + 0;
  if (typeof value === "bigint") return isExact(value) ? Number(value) : undefined;
  if (typeof value === "boolean") return Number(value);
  return value instanceof Date ? value.getTime() : undefined;
}

/** Whether a float64 holds a number. */
function isExact(value: number | bigint): boolean {
  return typeof value === "number" || BigInt(Number(value)) === value;
}

function toDataset(
  name: string,
  { rows, keys }: TableContent,
  places: readonly number[],
  shape: readonly number[],
): GridDataset {
  const count = shape.reduce((product, length) => product * length, 1);
  let first: (Cell & { readonly key: string | undefined }) | undefined;
  let data = new Float64Array(0);
  for (const [i, row] of rows.entries()) {
    const value = row[name];
    // What is missing is NaN, as where there is no call.
    if (value === undefined || value === null) continue;
    const cell = toCell(value);
    if (cell === undefined) {
      throw new TypeError(
        `Cannot write a table as HDF5: "${name}" of the call ${
          keys[i]
        } is no number and no array of ` +
          "numbers; make the table with fields of the results, as by `results: [name]`",
      );
    }
    const inexact = typeof cell.data[0] === "bigint"
      ? Array.from(cell.data).find((own) => !isExact(own))
      : undefined;
    if (inexact !== undefined) {
      throw new RangeError(
        `Cannot write a table as HDF5: "${name}" of the call ${
          keys[i]
        } has the integer ${inexact}, ` +
          "which no float64 holds; export the calls with `exportHdf5`, which keeps integers",
      );
    }
    if (first === undefined) {
      first = { ...cell, key: keys[i] };
      if (count * cell.data.length > MOST_ELEMENTS) throw tooLarge(count * cell.data.length);
      data = new Float64Array(count * cell.data.length).fill(NaN);
    } else if (first.shape.join() !== cell.shape.join()) {
      throw new TypeError(
        `Cannot write a table as HDF5: "${name}" of the call ${keys[i]} has the shape ` +
          `[${cell.shape}], and that of ${first.key} [${first.shape}]`,
      );
    }
    data.set(Array.from(cell.data, Number), (places[i] ?? 0) * cell.data.length);
  }
  if (first === undefined) return { name, data: new Float64Array(count).fill(NaN), shape };
  return { name, data, shape: [...shape, ...first.shape] };
}

function toCell(value: unknown): Cell | undefined {
  if (typeof value === "number" || typeof value === "bigint") return { data: [value], shape: [] };
  if (typeof value === "boolean") return { data: [Number(value)], shape: [] };
  if (isNumberArray(value)) return { data: value, shape: [value.length] };
  if (Array.isArray(value)) {
    const isNumbers = value.every((item) => typeof item === "number");
    return isNumbers ? { data: value, shape: [value.length] } : undefined;
  }
  if (!isPlainObject(value) || !isNumberArray(value.data)) return undefined;
  const { data, shape } = value;
  return isShapeOf(shape, data.length) ? { data, shape } : undefined;
}
