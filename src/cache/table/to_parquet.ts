// The one seam to the library that writes Parquet, loaded when the first file is written.
import { type ColumnSource, parquetWriteBuffer } from "hyparquet-writer";
import type { TableContent } from "./table_content.ts";
import { toPlainText } from "./table_text.ts";

/**
 * Makes a Parquet file of a table.
 *
 * @returns The content of the file.
 */
export function toParquet({ columns, rows }: TableContent): Uint8Array<ArrayBuffer> {
  const columnData = columns.map((name) => toColumn(name, rows.map((row) => row[name])));
  return new Uint8Array(parquetWriteBuffer({ columnData }));
}

const INT64_LIMIT = 2n ** 63n;

function toColumn(name: string, values: readonly unknown[]): ColumnSource {
  const there = values.filter((value) => value !== undefined && value !== null);
  const typed = (
    type: NonNullable<ColumnSource["type"]>,
    convert: (value: unknown) => unknown,
  ) => ({
    name: name.toWellFormed(),
    data: values.map((value) => value === undefined || value === null ? null : convert(value)),
    type,
    nullable: true,
  });
  const isAll = (is: (value: unknown) => boolean) => there.length > 0 && there.every(is);
  if (isAll(isInteger)) return typed("INT64", (value) => BigInt(value as number | bigint));
  if (isAll((value) => typeof value === "number")) return typed("DOUBLE", (value) => value);
  if (isAll((value) => typeof value === "boolean")) return typed("BOOLEAN", (value) => value);
  if (isAll(isDate)) return typed("TIMESTAMP", (value) => value);
  return typed("STRING", (value) => toPlainText(value).toWellFormed());
}

function isInteger(value: unknown): boolean {
  if (typeof value === "bigint") return value >= -INT64_LIMIT && value < INT64_LIMIT;
  return Number.isSafeInteger(value) && !Object.is(value, -0);
}

function isDate(value: unknown): boolean {
  return value instanceof Date && !Number.isNaN(value.getTime());
}
