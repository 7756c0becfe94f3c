import { startTimeOf } from "../../call/call_query.ts";
import type { CallRecord, Json } from "../../call/call_record.ts";
import type { Stores } from "../../store/stores.ts";
import type { QuiverWarning } from "../../base/warning.ts";
import { CallValues, isPlainObject, type KnownValue } from "../call_values.ts";
import { Table } from "./table.ts";
import type { TableRow } from "./table_content.ts";

export { writeFile } from "./table.ts";

/** Which columns a table has beside those of records. */
export interface TableColumns {
  /** All arguments, or those with these names; none if not given. */
  readonly args: true | readonly string[];
  /** Whether the results are a column, or which of their fields are. */
  readonly results: boolean | readonly string[];
}

/** Where the value of a column comes from; the order is that in which names are given away. */
const KINDS = ["field", "metadata", "tag", "arg", "result"] as const;
type Kind = typeof KINDS[number];

/** What of a record each row begins with, and what it ends with. */
const FIRST_FIELDS = ["task"] as const;
const LAST_FIELDS = ["version", "started", "duration", "key", "module"] as const;

/** An argument with more fields than this is no item of a sweep: it is one column. */
const MOST_FIELDS = 64;

/** A column that some row has. */
interface Column {
  readonly kind: Kind;
  readonly name: string;
  /** What tells it apart from others with its name. */
  readonly longName: string;
}

/** The values of one row, by the ids of its columns. */
type Cells = Map<string, unknown>;

/**
 * Reads calls as a table.
 *
 * @param records The calls.
 * @param stores Where their values are.
 * @param wanted Which columns it has.
 * @param warn Told once when values are missing.
 */
export async function buildTable(
  records: AsyncIterable<CallRecord>,
  stores: Stores,
  wanted: TableColumns,
  warn: (warning: QuiverWarning) => void,
): Promise<Table> {
  const reading = new TableReading(stores, wanted);
  for await (const record of records) await reading.add(record);
  reading.tell(warn);
  return reading.toTable();
}

class TableReading {
  readonly #stores: Stores;
  readonly #wanted: TableColumns;
  readonly #columns = new Map<string, Column>();
  readonly #rows: Cells[] = [];
  readonly #keys: string[] = [];
  #missing = 0;
  #firstMissing = "";

  constructor(stores: Stores, wanted: TableColumns) {
    this.#stores = stores;
    this.#wanted = wanted;
    for (const name of FIRST_FIELDS) this.#know("field", name);
  }

  async add(record: CallRecord): Promise<void> {
    const cells: Cells = new Map();
    const take = (kind: Kind, name: string, value: unknown, longName?: string) => {
      cells.set(this.#know(kind, name, longName), value);
    };
    for (const name of [...FIRST_FIELDS, ...LAST_FIELDS]) {
      const value = record[name];
      if (value !== undefined) {
        take("field", name, name === "started" ? new Date(startTimeOf(record)) : value);
      }
    }
    const { tags, ...metadata } = record.metadata ?? {};
    for (const [name, value] of Object.entries(metadata)) take("metadata", name, value);
    if (isFacts(tags)) {
      for (const [name, value] of Object.entries(tags)) {
        take("tag", name, value);
      }
    } else if (tags !== undefined) take("metadata", "tags", tags);
    const values = new CallValues(this.#stores, record);
    const known = [
      ...await this.#takeArguments(record, values, take),
      ...await this.#takeResults(values, take),
    ];
    if (known.includes("unknown") && this.#missing++ === 0) this.#firstMissing = record.key;
    this.#rows.push(cells);
    this.#keys.push(record.key);
  }

  async #takeArguments(
    { args }: CallRecord,
    values: CallValues,
    take: (kind: Kind, name: string, value: unknown, longName?: string) => void,
  ): Promise<KnownValue["state"][]> {
    const { args: wanted } = this.#wanted;
    const names = wanted === true ? args.map(({ name }) => name) : wanted;
    const states: KnownValue["state"][] = [];
    for (const name of names) {
      const known = await values.named(name);
      states.push(known.state);
      if (known.state !== "there") {
        // A column that was asked for is there, whatever the calls have.
        this.#know("arg", name);
        continue;
      }
      const { value } = known;
      const isItem = wanted === true && isPlainObject(value) && isSpread(value);
      if (!isItem) take("arg", name, value);
      else {
        for (const [field, own] of Object.entries(value)) {
          take("arg", field, own, `${name}.${field}`);
        }
      }
    }
    return states;
  }

  async #takeResults(
    values: CallValues,
    take: (kind: Kind, name: string, value: unknown) => void,
  ): Promise<KnownValue["state"][]> {
    const { results } = this.#wanted;
    if (results === false) return [];
    const known = await values.result();
    if (results === true) {
      this.#know("result", "result");
      if (known.state === "there") take("result", "result", known.value);
    } else {
      for (const name of results) {
        this.#know("result", name);
        if (
          known.state === "there" && isPlainObject(known.value) && Object.hasOwn(known.value, name)
        ) {
          take("result", name, known.value[name]);
        }
      }
    }
    return [known.state];
  }

  #know(kind: Kind, name: string, longName: string = name): string {
    const id = JSON.stringify([kind, longName]);
    if (!this.#columns.has(id)) this.#columns.set(id, { kind, name, longName });
    return id;
  }

  tell(warn: (warning: QuiverWarning) => void): void {
    if (this.#missing === 0) return;
    const calls = this.#missing === 1 ? "a call" : `${this.#missing} calls`;
    const message =
      `Cannot show all of ${calls}, first ${this.#firstMissing}: an argument or result ` +
      "that is asked for is not stored, or is damaged; its cell is empty";
    warn({ message });
  }

  toTable(): Table {
    const names = toNames(this.#columns);
    const ordered = [...this.#columns].sort(([, a], [, b]) => toPlace(a) - toPlace(b));
    const columns = ordered.map(([id]) => names.get(id) ?? "");
    const rows = this.#rows.map((cells): TableRow =>
      Object.fromEntries(ordered.map(([id], i) => [columns[i], cells.get(id)]))
    );
    const results = ordered.filter(([, { kind }]) => kind === "result")
      .map(([id]) => names.get(id) ?? "");
    return new Table({ columns, rows, results, keys: this.#keys });
  }
}

/** Gives each column a name of its own: who comes later gets what it is of before its name. */
function toNames(columns: ReadonlyMap<string, Column>): Map<string, string> {
  const names = new Map<string, string>();
  const used = new Set<string>();
  for (const kind of KINDS) {
    const own = [...columns].filter(([, column]) => column.kind === kind);
    const shared = Map.groupBy(own, ([, { name }]) => name);
    for (const [id, { name, longName }] of own) {
      const isAlone = shared.get(name)?.length === 1;
      let free = isAlone ? name : longName;
      while (used.has(free)) free = `${kind}_${free}`;
      used.add(free);
      names.set(id, free);
    }
  }
  return names;
}

/** Where a column stands: first what calls are told apart by, last what is long or the same for all. */
function toPlace({ kind, name }: Column): number {
  if (kind === "field") {
    const last: readonly string[] = LAST_FIELDS;
    return last.includes(name) ? 5 + last.indexOf(name) : 0;
  }
  return { arg: 1, result: 2, tag: 3, metadata: 4 }[kind];
}

function isFacts(tags: Json | undefined): tags is { [name: string]: Json } {
  return typeof tags === "object" && tags !== null && !Array.isArray(tags);
}

/** An array with a shape is one value. */
function isSpread(value: Readonly<Record<string, unknown>>): boolean {
  const names = Object.keys(value);
  return names.length > 0 && names.length <= MOST_FIELDS &&
    !(names.length === 2 && "data" in value && "shape" in value);
}
