import type { Cache } from "../../mod.ts";
import type { CallRecord, Json } from "../caches.ts";
import { toCell, toDuration, toPreview, toShort, toTime } from "./format.ts";
import type { Column } from "./print_rows.ts";

/** A value of a call, if it is stored and whole. */
export type KnownValue = { readonly value: unknown } | undefined;

/** Reads values of calls. */
export class ValueReader {
  readonly #cache: Cache;

  /** Reads nothing yet. */
  constructor(cache: Cache) {
    this.#cache = cache;
  }

  /** The result of a call; of one that has failed there is none. */
  result({ failure, result }: CallRecord): Promise<KnownValue> {
    return failure === undefined ? this.#read(result) : Promise.resolve(undefined);
  }

  /** All arguments of a call by the names of their parameters, as far as they are stored. */
  async arguments({ args }: CallRecord): Promise<ReadonlyMap<string, KnownValue>> {
    const known = new Map<string, KnownValue>();
    for (const { name, value } of args) known.set(name, await this.#read(value));
    return known;
  }

  async #read(digest: string | undefined): Promise<KnownValue> {
    if (digest === undefined) return undefined;
    try {
      const found = await this.#cache.value(digest);
      return found.hit ? found : undefined;
    } catch {
      // An instance of a class that is not registered here, or damaged: it can be looked at with `cat`.
      return undefined;
    }
  }
}

/** A column of calls. */
export interface CallColumn extends Column {
  /** Which values are read for it. */
  readonly reads?: "args" | "result";
  /** What it has of a call; `undefined` for nothing. */
  value(record: CallRecord, values: CallValues): unknown;
  /** The same as people look at it, safe to show; by `toCell` if not given. */
  show?(value: never): string;
}

/** The values of one call that the columns of a listing need. */
export interface CallValues {
  /** The arguments, those of plain objects by the names of their fields, too. */
  readonly args: ReadonlyMap<string, KnownValue>;
  /** The result. */
  readonly result: KnownValue;
}

const NO_VALUES: CallValues = { args: new Map(), result: undefined };

/** Gives a field its column, with the type of what it shows. */
function field<T>(
  value: (record: CallRecord) => T,
  show?: (value: Exclude<T, undefined>) => string,
  right = false,
): Omit<CallColumn, "name"> {
  return { value, right, ...(show !== undefined && { show }) };
}

const FIELDS: { readonly [name: string]: Omit<CallColumn, "name"> } = {
  key: { ...field(({ key }) => key, toShort), whole: true },
  task: field(({ task }) => task),
  module: field(({ module }) => module),
  version: field(({ version }) => version),
  duration: field(({ duration }) => duration, toDuration, true),
  started: field(({ started }) => new Date(started), (time) => toTime(time.getTime())),
  result: { reads: "result", value: (_, { result }) => result?.value },
  error: field(({ failure }) => failure && `${failure.error.name}: ${failure.error.message}`),
  attempts: field(({ failure }) => failure?.attempts, undefined, true),
};

/** The names of the columns that every call has. */
export const FIELD_NAMES: readonly string[] = Object.keys(FIELDS);

/**
 * Makes a column: a field of records; else `tag.NAME`, `result.NAME`, `arg.NAME`, or the name of an
 * argument or of a field of one.
 */
export function toColumn(name: string): CallColumn {
  const own = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  if (own !== undefined) return { name, ...own };
  const [, kind, rest = ""] = /^(tag|result|arg)\.(.+)$/s.exec(name) ?? [];
  if (kind === "tag") return toTagColumn(rest);
  if (kind === "result") return toResultColumn(rest);
  return toArgumentColumn(kind === "arg" ? rest : name);
}

/** Makes the column of an argument, or of a field of one. */
export function toArgumentColumn(name: string): CallColumn {
  return { name, reads: "args", value: (_, { args }) => args.get(name)?.value };
}

/** Makes the column of a tag. */
export function toTagColumn(name: string): CallColumn {
  return {
    name,
    value: ({ metadata }) => {
      const tags = tagsOf(metadata);
      return Object.hasOwn(tags, name) ? tags[name] : undefined;
    },
  };
}

function toResultColumn(name: string): CallColumn {
  return {
    name: `result.${name}`,
    reads: "result",
    value: (_, { result }) => {
      const fields = result?.value;
      return isPlainObject(fields) && Object.hasOwn(fields, name) ? fields[name] : undefined;
    },
  };
}

/** Reads what columns have of calls. */
export class CallCells {
  readonly #columns: readonly CallColumn[];
  readonly #reader: ValueReader;
  readonly #args: boolean;
  readonly #result: boolean;

  /**
   * Reads nothing yet.
   *
   * @param columns The columns.
   * @param reader Reads the values that they need.
   */
  constructor(columns: readonly CallColumn[], reader: ValueReader) {
    this.#columns = columns;
    this.#reader = reader;
    this.#args = columns.some(({ reads }) => reads === "args");
    this.#result = columns.some(({ reads }) => reads === "result");
  }

  /** What the columns have of a call; at once where no value is read for that. */
  values(record: CallRecord): unknown[] | Promise<unknown[]> {
    return this.#args || this.#result
      ? this.#readValues(record)
      : this.#columns.map((column) => column.value(record, NO_VALUES));
  }

  async #readValues(record: CallRecord): Promise<unknown[]> {
    const args = this.#args
      ? spreadArguments(await this.#reader.arguments(record)).named
      : NO_VALUES.args;
    const result = this.#result ? await this.#reader.result(record) : undefined;
    return this.#columns.map((column) => column.value(record, { args, result }));
  }

  /** The same as people look at it. */
  show(values: readonly unknown[]): string[] {
    return this.#columns.map(({ show = toCell }, i) => {
      const value = values[i];
      // What a column shows is what it has.
      return value === undefined ? "" : (show as (value: unknown) => string)(value);
    });
  }
}

/** The tags of a call. */
export function tagsOf(metadata: CallRecord["metadata"]): { readonly [name: string]: Json } {
  const tags = metadata?.tags;
  return typeof tags === "object" && tags !== null && !Array.isArray(tags) ? tags : {};
}

/** The arguments of a call in one line, safe to show. */
export function toArgumentsPreview(args: ReadonlyMap<string, KnownValue>): string {
  return Array.from(args.values(), (known) => known === undefined ? "?" : toPreview(known.value))
    .join(", ");
}

/** A value with more fields than this is one column. */
const MOST_FIELDS = 64;

/**
 * The names of a value's fields, if each of them is a column of its own, as the axes of a sweep are: those
 * of a plain object that is no array with its shape.
 */
function fieldsOf(value: unknown): readonly string[] {
  const names = isPlainObject(value) ? Object.keys(value) : [];
  const isArray = names.length === 2 && names.includes("data") && names.includes("shape");
  return isArray || names.length > MOST_FIELDS ? [] : names;
}

/** Puts the fields of arguments beside them. */
export function spreadArguments(
  args: ReadonlyMap<string, KnownValue>,
): { readonly named: ReadonlyMap<string, KnownValue>; readonly columns: readonly string[] } {
  const named = new Map<string, KnownValue>();
  const columns: string[] = [];
  for (const [name, known] of args) {
    const fields = known?.value;
    const names = fieldsOf(fields);
    if (names.length > 0 && isPlainObject(fields)) {
      for (const field of names) {
        const value = { value: fields[field] };
        named.set(`${name}.${field}`, value);
        if (!named.has(field) && !args.has(field)) named.set(field, value);
        columns.push(args.has(field) ? `${name}.${field}` : field);
      }
    } else columns.push(name);
    named.set(name, known);
  }
  return { named, columns };
}

/** The columns of results: of those with fields each field, and for the others one. */
export class ResultColumns {
  readonly #fields = new Set<string>();
  #isWhole = false;

  /** Has a column for what this result is. */
  add(known: KnownValue): void {
    if (known === undefined) return;
    const fields = fieldsOf(known.value);
    for (const name of fields) this.#fields.add(name);
    if (fields.length === 0) this.#isWhole = true;
  }

  /** The columns; one for whatever comes, where no result was seen. */
  get columns(): CallColumn[] {
    const fields = Array.from(this.#fields, toResultColumn);
    return this.#isWhole || fields.length === 0 ? [WHOLE_RESULT, ...fields] : fields;
  }
}

const WHOLE_RESULT: CallColumn = {
  name: "result",
  reads: "result",
  value: (_, { result }) => fieldsOf(result?.value).length > 0 ? undefined : result?.value,
};

/** Whether a value is an object of no class. */
export function isPlainObject(value: unknown): value is { readonly [field: string]: unknown } {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
