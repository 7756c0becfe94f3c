import type { Bag } from "../../../mod.ts";
import { type CallRecord, query } from "../../caches.ts";
import type { CallIndex } from "./call_index.ts";
import type { Cell } from "./cells.ts";
import type { Column } from "./columns.ts";
import { findColumn, selectCalls, SortedRows, toFacet } from "./select_calls.ts";
import {
  BadRequestError,
  readCount,
  readNames,
  readNumber,
  readSelection,
  readText,
} from "./parameters.ts";
import { toTimeline } from "./timeline.ts";

/** So many rows are sent at once. */
const MOST_ROWS = 500;

/** So many columns of a row are sent at once. */
const MOST_COLUMNS = 64;

/** So many of the cells of a facet are sent. */
const FACET_CELLS = 12;

/** Where more cells than these would be looked at, any column is taken to have something. */
const MOST_LOOKED_AT = 10_000_000;

/** So many calls are compared. */
const MOST_COMPARED = 8;

/** So many relatives of each kind are sent. */
const MOST_RELATIVES = 200;

/** Answers what the page asks about calls. */
export class CallRoutes {
  readonly #bag: Bag;
  readonly #index: CallIndex;
  readonly #sorted = new SortedRows();

  constructor(bag: Bag, index: CallIndex) {
    this.#bag = bag;
    this.#index = index;
  }

  /** How far the index has come, and which columns there are. */
  state(): unknown {
    const columns = this.#index.columns().map(({ name, kind, distinct, read, isSpread }) => ({
      name,
      kind,
      distinct: distinct ?? null,
      read,
      isSpread,
    }));
    return {
      path: this.#bag.path,
      ...this.#index.progress,
      columns: [...columns],
      dropped: this.#index.dropped,
    };
  }

  /** A page of the table, with how often what stands in some columns. */
  calls(url: URL): unknown {
    const index = this.#index;
    const offset = readCount(url, "offset", 0, Infinity);
    const limit = readCount(url, "limit", 100, MOST_ROWS);
    const columns = readNames(url, "columns").slice(0, MOST_COLUMNS)
      .map((name) => findColumn(index, name));
    const facets = readNames(url, "facets").map((name) => findColumn(index, name));
    const selected = selectCalls(index, readSelection(url), this.#sorted);
    const { rows } = selected;
    const namesOf = (test: (column: Column) => boolean) =>
      [...index.columns()].filter(test).map(({ name }) => name);
    const differing = url.searchParams.has("differing")
      ? namesOf((column) => column.differs(rows))
      : undefined;
    const isMuch = rows.length * index.columns().reduce((count) => count + 1, 0) > MOST_LOOKED_AT;
    const filled = url.searchParams.has("filled")
      ? namesOf((column) => isMuch || column.hasAny(rows))
      : undefined;
    return {
      ...index.progress,
      matching: rows.length,
      rows: Array.from(rows.subarray(offset, offset + limit), (row) => ({
        key: index.key(row),
        cells: columns.map((column) => toSent(column.cell(row))),
        digests: columns.map((column) => column.digest(row) ?? null),
      })),
      facets: facets.map((column) => {
        const { counts, ...facet } = toFacet(selected, column, FACET_CELLS);
        return { ...facet, counts: counts.map((one) => ({ ...one, cell: toSent(one.cell) })) };
      }),
      ...(differing !== undefined && { differing }),
      ...(filled !== undefined && { filled }),
    };
  }

  /** The calls that are selected, as CSV, with the columns that are shown. */
  csv(url: URL): ReadableStream<Uint8Array<ArrayBuffer>> {
    const index = this.#index;
    const names = readNames(url, "columns");
    const columns = names.map((name) => findColumn(index, name));
    const { rows } = selectCalls(index, readSelection(url), this.#sorted);
    const lines = function* () {
      yield ["key", ...names].map(toCsvCell).join(",") + "\r\n";
      for (const row of rows) {
        const cells = columns.map((column) => toCsvTime(column, column.cell(row)));
        yield [index.key(row), ...cells].map(toCsvCell).join(",") + "\r\n";
      }
    };
    return ReadableStream.from(inBlocks(lines())).pipeThrough(new TextEncoderStream());
  }

  /** All that is known of one call. */
  async call(url: URL): Promise<unknown> {
    const key = readText(url, "key");
    const record = await this.#record(key);
    if (record === undefined) throw new RangeError(`Cannot find the call ${key}: it is not known`);
    return record;
  }

  /** What some calls have in common, and what not: column by column. */
  async compare(url: URL): Promise<unknown> {
    const keys = readNames(url, "keys");
    if (keys.length < 2 || keys.length > MOST_COMPARED) {
      throw new BadRequestError(
        `Cannot compare ${keys.length} calls: 2 to ${MOST_COMPARED} are compared`,
      );
    }
    const rows = keys.map((key) => {
      const row = this.#index.row(key);
      if (row < 0) throw new RangeError(`Cannot find the call ${key}: it is not known`);
      return row;
    });
    const columns = [...this.#index.columns()].filter(({ isSpread }) => !isSpread).map((
      column,
    ) => ({
      name: column.name,
      kind: column.kind,
      differs: column.differs(Uint32Array.from(rows)),
      cells: rows.map((row) => toSent(column.cell(row))),
      digests: rows.map((row) => column.digest(row) ?? null),
    }));
    return {
      calls: await Promise.all(keys.map(async (key) => toBrief(key, await this.#record(key)))),
      columns: columns.filter(({ cells }) => cells.some((cell) => cell !== null)),
    };
  }

  /** Which calls a call has made, which one has made it, whose results it got, and who got its own. */
  async lineage(url: URL): Promise<unknown> {
    const key = readText(url, "key");
    const index = this.#index;
    const record = await this.#record(key);
    if (record === undefined) throw new RangeError(`Cannot find the call ${key}: it is not known`);
    const calls = record.metadata.calls;
    const { by, made, more }: { readonly [name: string]: unknown } =
      typeof calls === "object" && calls !== null ? { ...calls } : {};
    const children = new Set(index.madeBy(key).map((row) => index.key(row)));
    for (const child of Array.isArray(made) ? made : []) {
      if (typeof child === "string") children.add(child);
    }
    const end = (row: number) => index.started.number(row) + index.duration.number(row);
    // Many calls may give the same small number: whoever gave it later is no source.
    const sources = record.args.flatMap(({ name, digest, value }) =>
      index.givenBy(value ?? digest).filter((row) => end(row) <= record.started)
        .map((row) => ({ key: index.key(row), argument: name }))
    );
    const given = record.started + record.duration;
    const users = Array.from(
      index.usersOf(record.result).filter(([row]) => index.started.number(row) >= given)
        .take(MOST_RELATIVES),
      ([row, argument]) => ({ key: index.key(row), argument: argument.replace(/^args\./, "") }),
    );
    const brief = async <T extends { readonly key: string }>(list: readonly T[]) =>
      await Promise.all(
        list.slice(0, MOST_RELATIVES).map(async (one) => ({
          ...one,
          ...toBrief(one.key, await this.#record(one.key)),
        })),
      );
    return {
      call: toBrief(key, record),
      by: typeof by === "string" ? toBrief(by, await this.#record(by)) : null,
      made: await brief([...children].map((key) => ({ key }))),
      more: typeof more === "number" ? more : 0,
      sources: await brief(sources.filter(({ key: source }) => source !== key)),
      users: await brief(users.filter(({ key: user }) => user !== key)),
    };
  }

  /** When calls ran, as bars that fit the width of the page. */
  timeline(url: URL): unknown {
    const { rows } = selectCalls(
      this.#index,
      { ...readSelection(url), sort: "started" },
      this.#sorted,
    );
    return toTimeline(this.#index, rows, {
      from: readNumber(url, "from", -Infinity),
      to: readNumber(url, "to", Infinity),
      width: Math.max(readCount(url, "width", 800, 4000), 16),
      lane: url.searchParams.get("lane") ?? undefined,
    });
  }

  async #record(key: string): Promise<CallRecord | undefined> {
    const row = this.#index.row(key);
    const failed = row >= 0 && this.#index.state.cell(row) === "failed";
    if (!failed) return await this.#bag.record(key);
    return await query(this.#bag, { state: "failed" }).filter((one) => one.key === key).first();
  }
}

/** What is said of a call where many are. */
function toBrief(key: string, record: CallRecord | undefined) {
  if (record === undefined) return { key, task: null };
  const { task, started, duration, result, failure } = record;
  const error = failure && `${failure.error.name}: ${failure.error.message}`;
  return { key, task, started, duration, result, ...(error !== undefined && { error }) };
}

/** JSON has no `undefined`. */
function toSent(cell: Cell): Exclude<Cell, undefined> | null {
  return cell ?? null;
}

/** Moments are written as ISO 8601, which programs for tables read; a record may have one that is none. */
function toCsvTime({ kind }: Column, cell: Cell): Cell {
  if (kind !== "time" || typeof cell !== "number") return cell;
  const time = new Date(cell);
  return Number.isNaN(time.getTime()) ? cell : time.toISOString();
}

/** A cell that begins like a formula is none: programs for tables would run it. */
function toCsvCell(cell: Cell): string {
  if (cell === undefined) return "";
  if (typeof cell === "number") return String(cell);
  const text = typeof cell === "object" ? cell.text : String(cell);
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Puts lines together, and lets others run in between. */
async function* inBlocks(lines: Iterable<string>): AsyncGenerator<string> {
  let block = "";
  for (const line of lines) {
    block += line;
    if (block.length < 2 ** 16) continue;
    yield block;
    block = "";
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  if (block !== "") yield block;
}
