import type { Bag } from "../../../mod.ts";
import {
  type CallFeed,
  type CallRecord,
  type Json,
  query,
  type RecordChange,
} from "../../caches.ts";
import { type Cell, toCell } from "./cells.ts";
import {
  type Column,
  FactColumn,
  FieldColumn,
  NumberColumn,
  RowNumbers,
  ValueColumn,
} from "./columns.ts";
import { DigestTable } from "./digest_table.ts";

/** For how long records are read before others may run, in milliseconds. */
const SLICE = 12;

/** More columns than these are left out: a table of more is none. */
const MOST_COLUMNS = 512;

/** More fields of a value are no columns. */
const MOST_FIELDS = 32;

/** How deep the fields of metadata become columns. */
const DEPTH = 3;

/** How far the index has come. */
export interface IndexProgress {
  /** How many calls it has. */
  readonly calls: number;
  /** Whether all that were there were read. */
  readonly complete: boolean;
  /** How many values of arguments and results were read, and how many there are. */
  readonly values: { readonly read: number; readonly total: number };
  /** Grows with each change. */
  readonly version: number;
}

/** What lines up what is known of the calls of a bag: column by column, in memory. */
export class CallIndex {
  readonly started: NumberColumn = new NumberColumn("started", "time");
  readonly duration: NumberColumn = new NumberColumn("duration", "duration");
  readonly task: FactColumn = new FactColumn("task");
  readonly state: FactColumn = new FactColumn("state");
  readonly error: FactColumn = new FactColumn("error");
  readonly result: ValueColumn = new ValueColumn("result");
  readonly #bag: Bag;
  readonly #feed: CallFeed | undefined;
  readonly #keys = new DigestTable();
  /** For each row whether the call is still known. */
  readonly #known = new RowNumbers((length) => new Uint32Array(length));
  /** For each call by which other one it was made. */
  readonly #makers = new ValueColumn("made by");
  readonly #columns = new Map<string, FactColumn | ValueColumn | NumberColumn>();
  #ordered: readonly (FactColumn | ValueColumn | NumberColumn)[] | undefined;
  #calls = 0;
  #dropped = 0;
  #complete = false;
  #version = 0;
  #reading: Promise<void> | undefined;
  #failed: ReadonlySet<string> = new Set();

  constructor(bag: Bag) {
    this.#bag = bag;
    this.#feed = bag.feed();
    const first = [this.task, this.state, this.started, this.duration, this.error, this.result];
    for (const column of first) this.#columns.set(column.name, column);
  }

  /** How many rows there are, those of forgotten calls included. */
  get rows(): number {
    return this.#keys.size;
  }

  /** How many columns were left out as there are too many. */
  get dropped(): number {
    return this.#dropped;
  }

  /** How far it has come. */
  get progress(): IndexProgress {
    const values = { read: 0, total: 0 };
    for (const column of this.#valueColumns()) {
      values.read += column.read;
      values.total += column.distinct;
    }
    return { calls: this.#calls, complete: this.#complete, values, version: this.#version };
  }

  /** The key of a row's call. */
  key(row: number): string {
    return this.#keys.at(row);
  }

  /** The row of a call, -1 if there is none. */
  row(key: string): number {
    const row = this.#keys.find(key);
    return row >= 0 && this.knows(row) ? row : -1;
  }

  /** Whether the call of a row is still known. */
  knows(row: number): boolean {
    return this.#known.upTo(row + 1)[row] === 1;
  }

  /** For each row whether its call is still known, as a number. */
  get known(): Uint32Array {
    return this.#known.upTo(this.rows);
  }

  /** The columns in the order in which they are read, those of fields behind that of their values. */
  *columns(): Generator<Column> {
    this.#ordered ??= [...this.#columns.values()].sort((a, b) => placeOf(a.name) - placeOf(b.name));
    for (const column of this.#ordered) {
      yield column;
      if (column instanceof ValueColumn) yield* column.fields.values();
    }
  }

  /** Whether nothing is left to be read: until then there may be other columns. */
  get isRead(): boolean {
    const { complete, values } = this.progress;
    return complete && values.read === values.total;
  }

  /** Finds a column. */
  column(name: string): Column | undefined {
    return this.#columns.get(name) ?? this.columns().find((column) => column.name === name);
  }

  /** Finds the rows of calls that another call has made. */
  madeBy(key: string): number[] {
    return this.#rowsOf(this.#makers, key);
  }

  /** Finds the rows of calls that got a value as an argument, with the argument's name. */
  *usersOf(digest: string): Generator<readonly [row: number, argument: string]> {
    for (const column of this.#valueColumns()) {
      if (column === this.result) continue;
      for (const row of this.#rowsOf(column, digest)) yield [row, column.name];
    }
  }

  /** Finds the rows of calls that have given a value. */
  givenBy(digest: string): number[] {
    return this.#rowsOf(this.result, digest);
  }

  #rowsOf(column: ValueColumn, digest: string): number[] {
    const id = column.digests.find(digest) + 1;
    const found: number[] = [];
    if (id === 0) return found;
    const ids = column.ids.upTo(this.rows);
    for (let row = 0; row < this.rows; row++) {
      if (ids[row] === id && this.knows(row)) found.push(row);
    }
    return found;
  }

  *#valueColumns(): Generator<ValueColumn> {
    for (const column of this.#columns.values()) if (column instanceof ValueColumn) yield column;
  }

  /**
   * Takes in what has changed; of those who ask meanwhile each gets the same promise. The first time
   * that is everything, and what was read so far can be asked for meanwhile.
   *
   * @param signal Ends it where it is.
   */
  update(signal: AbortSignal): Promise<void> {
    return this.#reading ??= this.#update(signal).finally(() => this.#reading = undefined);
  }

  async #update(signal: AbortSignal): Promise<void> {
    const pace = new Pace(signal);
    const changes = this.#feed?.read() ?? [];
    if (Symbol.asyncIterator in changes) {
      for await (const change of changes) this.#take(change);
    } else {
      for (const change of changes) {
        this.#take(change);
        if (pace.isOver) await pace.rest();
      }
    }
    await this.#readFailures(pace);
    this.#complete = true;
    for (const column of this.#valueColumns()) {
      while (column.read < column.distinct) {
        await this.#readValue(column);
        if (pace.isOver) await pace.rest();
      }
    }
  }

  #take(change: RecordChange): void {
    if (change.type === "put") this.#add(change.record);
    else if (change.type === "delete") this.#forget(change.key);
    else this.#forgetAll();
  }

  #forgetAll(): void {
    for (let row = 0; row < this.rows; row++) this.#known.set(row, 0);
    this.#calls = 0;
    this.#version++;
  }

  #forget(key: string): void {
    const row = this.row(key);
    if (row < 0) return;
    this.#known.set(row, 0);
    this.#calls--;
    this.#version++;
  }

  /** Failures are few: the log does not tell of them, so that they are read anew. */
  async #readFailures(pace: Pace): Promise<void> {
    const failed = new Map<string, CallRecord>();
    for await (const record of query(this.#bag, { state: "failed" })) {
      failed.set(record.key, record);
    }
    for (const key of this.#failed) {
      const row = this.row(key);
      if (failed.has(key) || row < 0 || this.state.cell(row) !== "failed") continue;
      if (await this.#bag.record(key) === undefined) this.#forget(key);
    }
    for (const [key, record] of failed) {
      const row = this.row(key);
      if (row < 0 || this.started.number(row) !== record.started) this.#add(record);
      if (pace.isOver) await pace.rest();
    }
    this.#failed = new Set(failed.keys());
  }

  #add(record: CallRecord): void {
    const row = this.#keys.add(record.key);
    if (row < 0) return;
    if (!this.knows(row)) this.#calls++;
    this.#known.set(row, 1);
    this.#version++;
    this.started.set(row, record.started);
    this.duration.set(row, record.duration);
    this.task.set(row, toCell(record.task));
    const { failure } = record;
    this.state.set(row, failure === undefined ? "done" : "failed");
    this.error.set(row, failure && toCell(`${failure.error.name}: ${failure.error.message}`));
    if (failure === undefined) this.result.set(row, record.result);
    for (const { name, digest, value } of record.args) {
      this.#valueColumn(`args.${name}`)?.set(row, value ?? digest);
    }
    this.#fact("module")?.set(row, toCell(record.module));
    if (record.version !== undefined) this.#fact("version")?.set(row, toCell(record.version));
    const { tags, calls, ...metadata } = record.metadata;
    if (isFields(tags)) this.#addFacts(row, "tags", tags, 1);
    this.#addFacts(row, "metadata", metadata, DEPTH);
    if (isFields(calls) && typeof calls.by === "string") this.#makers.set(row, calls.by);
  }

  #addFacts(row: number, prefix: string, fields: { readonly [name: string]: Json }, depth: number) {
    for (const [name, value] of Object.entries(fields)) {
      if (depth > 1 && isFields(value)) this.#addFacts(row, `${prefix}.${name}`, value, depth - 1);
      else this.#fact(`${prefix}.${name}`)?.set(row, toCell(value));
    }
  }

  #fact(name: string): FactColumn | undefined {
    const known = this.#columns.get(name);
    if (known !== undefined) return known instanceof FactColumn ? known : undefined;
    return this.#keep(new FactColumn(name));
  }

  #valueColumn(name: string): ValueColumn | undefined {
    const known = this.#columns.get(name);
    if (known !== undefined) return known instanceof ValueColumn ? known : undefined;
    return this.#keep(new ValueColumn(name));
  }

  #keep<C extends FactColumn | ValueColumn>(column: C): C | undefined {
    if (this.#columns.size < MOST_COLUMNS) {
      this.#columns.set(column.name, column);
      this.#ordered = undefined;
      return column;
    }
    this.#dropped++;
    return undefined;
  }

  /** Reads the next value of a column. What is not there, or damaged, stays empty. */
  async #readValue(column: ValueColumn): Promise<void> {
    const place = await this.#describe(column.digests.at(column.read));
    if (place === undefined) {
      column.learn({ text: "not stored" });
      return;
    }
    const isOpen = place.kind === "Object" && place.shape === undefined;
    for (const { name, kind, size, shape, value } of isOpen ? place.entries : []) {
      if (name === "__proto__") continue;
      const known = column.fields.get(name);
      const field = known ?? new FieldColumn(column, `${column.name}.${name}`);
      if (known === undefined && column.fields.size >= MOST_FIELDS) continue;
      column.fields.set(name, field);
      field.learn(value === undefined ? summarize(kind, shape ?? size) : toCell(value));
    }
    const { kind, value, shape, size } = place;
    const cell = value === undefined ? summarize(kind, shape ?? size) : toCell(value);
    column.learn(cell, isOpen && place.entries.length > 0);
    this.#version++;
  }

  async #describe(digest: string) {
    try {
      return await this.#bag.describe(digest, { entries: MOST_FIELDS });
    } catch (error) {
      // It is missing, or what is there can be read by nobody.
      if (error instanceof Error) return undefined;
      throw error;
    }
  }
}

/** Where a column stands: what was asked, what came out, and then how. */
function placeOf(name: string): number {
  const place = ["task", "args", "result", "error", "tags", "duration", "started", "state"]
    .indexOf(name.split(".", 1)[0] ?? "");
  return place < 0 ? Infinity : place;
}

function isFields(value: Json | undefined): value is { readonly [name: string]: Json } & object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function summarize(kind: string, size: number | readonly number[] | undefined): Cell {
  const length = typeof size === "object" ? size.join(" × ") : size;
  return { text: length === undefined ? kind : `${kind} ${length}` };
}

/** Works for a while, and then lets others run. */
class Pace {
  readonly #signal: AbortSignal;
  #until = performance.now() + SLICE;
  #steps = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Whether it is time that others run: asked for each record, it looks at the clock for each 64th. */
  get isOver(): boolean {
    return (++this.#steps & 63) === 0 && performance.now() > this.#until;
  }

  async rest(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#signal.throwIfAborted();
    this.#until = performance.now() + SLICE;
  }
}
