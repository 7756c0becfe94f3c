import { type FilePlace, readAround } from "../../disk/file_system.ts";
import type { RecordPlan, TaskFields } from "../../call/call_query.ts";
import type { TellDamaged } from "../../disk/stores.ts";
import type { Digest } from "../../value/value.ts";
import { LONGEST_LINE_BYTES } from "../../disk/checked_line.ts";
import type { HeaderReader, HeaderSource } from "./call_headers.ts";
import { decodeRecord, type LineGlance, LineGlances } from "./call_line.ts";
import { scanCalls, scanLines, type SkippedLine } from "./call_scan.ts";
import { type CallTable, type CallTail, toNewestPlaces } from "./call_table.ts";
import { isUnfinished } from "./unfinished_line.ts";

/** A log and what is known of it now. */
export interface SettledLog {
  /** A file of the reader's own. */
  readonly file: Deno.FsFile;
  /** Up to where it was scanned. */
  readonly scanned: number;
  /** The table of its prefix, if there is one, as it is now. */
  readonly table: CallTable | undefined;
  /** What lies behind the prefix, as it is now. */
  readonly tail: CallTail;
}

/** What all records of a log are read with. */
export interface LogReading {
  /** Opens the log as it is now; nothing where there is none. */
  readonly settle: () => SettledLog | undefined;
  /** Finds the newest line of a key, or a header, as it is now. */
  readonly find: (key: Digest) => FilePlace | undefined;
  /** Reads headers. */
  readonly headers: HeaderReader;
  /** What the log is called in messages. */
  readonly path: string;
}

/** The first records are found one by one: to look for the places of all takes a while in a large log. */
const FIRST_BYTES = 32 * 1024;

/** How much of a log is read before its records are given. */
const PAGE_BYTES = 256 * 1024;

/** A record that is met. */
interface MetRecord {
  /** Where it begins. */
  readonly offset: number;
  /** The name of its header, if it has one. */
  readonly header?: string | undefined;
  /** Its line, good until the next. */
  readonly bytes: Uint8Array;
  /** What its header is looked for in. */
  readonly source: HeaderSource;
}

/**
 * Reads the newest record of every key of a log, in the order of the log. Each that stays as it is
 * meanwhile is given once; one that is put or forgotten meanwhile is given as it was, as it is, or not.
 */
export class LogRecords {
  readonly #reading: LogReading;
  readonly #plan: RecordPlan | undefined;
  readonly #damaged: TellDamaged | undefined;
  /** What the header of that name says of the task: whether its records may match. */
  readonly #matching = new Map<string, boolean>();

  /**
   * Reads nothing yet.
   *
   * @param plan Which records are wanted, as far as their tasks tell; all if not given.
   * @param damaged Told where a line lies that is passed over as it is damaged.
   */
  constructor(reading: LogReading, plan?: RecordPlan, damaged?: TellDamaged) {
    this.#reading = reading;
    this.#plan = plan;
    this.#damaged = damaged;
  }

  /** Goes over the records. */
  *read(): Generator<Record<string, unknown>> {
    const page: Record<string, unknown>[] = [];
    const take = (met: MetRecord) => {
      const record = this.#decode(met);
      if (record !== undefined) page.push(record);
    };
    const given = new Set<unknown>();
    const whole = this.#visitFirst(take);
    for (const record of page.splice(0)) {
      given.add(record.key);
      yield record;
    }
    if (whole) return;
    for (const _ of this.#visitAll(take)) {
      for (const record of page.splice(0)) if (!given.has(record.key)) yield record;
    }
  }

  /**
   * Counts the records without reading more of them than which task they are of.
   *
   * @returns How many, or `undefined` where that does not tell which are wanted.
   */
  count(): number | undefined {
    const { whole, conditions, ofTask } = this.#plan ?? { whole: true, conditions: [] };
    if (!whole || conditions.length > 0) return undefined;
    let count = 0;
    const take = (met: MetRecord) => {
      if (met.header !== undefined) count += Number(this.#mayMatch(met));
      else {
        const record = this.#decode(met);
        if (record !== undefined && (ofTask?.(toFields(record)) ?? true)) count++;
      }
    };
    for (const _ of this.#visitAll(take)) { /* All are counted on the way. */ }
    return count;
  }

  #decode(met: MetRecord): Record<string, unknown> | undefined {
    if (!this.#mayMatch(met)) return undefined;
    const { headers } = this.#reading;
    const record = decodeRecord(met.bytes, (name) => headers.find(name, met.source));
    if (record === undefined) this.#tell(met.offset);
    return record;
  }

  #tell(offset: number): void {
    this.#damaged?.(`"${this.#reading.path}" at ${offset}`);
  }

  /** A record that says all by itself may, until it is decoded. */
  #mayMatch({ header: name, source }: MetRecord): boolean {
    const { ofTask } = this.#plan ?? {};
    if (name === undefined) return true;
    const known = this.#matching.get(name);
    if (known !== undefined) return known;
    const header = this.#reading.headers.find(name, source);
    // Whoever decodes it tells that it is lost.
    const matches = ofTask === undefined || header === undefined || ofTask(toFields(header));
    this.#matching.set(name, matches);
    return matches;
  }

  /**
   * Visits those that lie first, or all of a small log.
   *
   * @returns Whether there are no others.
   */
  #visitFirst(take: (met: MetRecord) => void): boolean {
    const log = this.#reading.settle();
    if (log === undefined) return true;
    using file = log.file;
    const { scanned } = log;
    if (scanned <= FIRST_BYTES) {
      for (const _ of this.#visitPages(log, take)) { /* At once. */ }
      return true;
    }
    const { find } = this.#reading;
    const source = { file, scanned, findHeader: find };
    scanCalls(
      file,
      0,
      FIRST_BYTES,
      ({ key, type, header, offset }, bytes) => {
        const isNewest = type === "record" && find(key)?.offset === offset;
        if (isNewest) take({ offset, header, bytes, source });
      },
      () => {},
      readAround,
    );
    return false;
  }

  *#visitAll(take: (met: MetRecord) => void): Generator<void> {
    const log = this.#reading.settle();
    if (log === undefined) return;
    using _file = log.file;
    yield* this.#visitPages(log, take);
  }

  /** Visits the newest record of each key; gives something after each page. */
  *#visitPages(
    { file, scanned, table, tail }: SettledLog,
    take: (met: MetRecord) => void,
  ): Generator<void> {
    const { headers, places } = toNewestPlaces(table, tail);
    const source: HeaderSource = { file, scanned, findHeader: (key) => headers.get(key) };
    const tell = (offset: number) => this.#tell(offset);
    const glances = new LineGlances();
    const look = (line: Uint8Array) => glances.look(line);
    const visit = (
      { type, keyStart, header }: LineGlance,
      { offset }: FilePlace,
      bytes: Uint8Array,
    ) => {
      if (type !== "record" || !places.take(offset, keyStart, tell)) return;
      take({ offset, header, bytes, source });
    };
    const skip = (line: SkippedLine) => {
      places.drop(line.offset, tell);
      if (this.#damaged !== undefined && !isUnfinished(file, line)) tell(line.offset);
    };
    let pageBytes = PAGE_BYTES;
    for (let from = 0; from < scanned;) {
      const size = Math.min(scanned, from + pageBytes);
      const { end } = scanLines({ file, from, size, read: readAround }, look, visit, skip);
      if (end === from && size === scanned) break;
      // A line may be longer than a page.
      pageBytes = end === from ? 2 * LONGEST_LINE_BYTES : PAGE_BYTES;
      from = end;
      yield;
    }
    places.drop(scanned, tell);
  }
}

function toFields({ module, task, version }: Readonly<Record<string, unknown>>): TaskFields {
  // What is of another type than in a record of ours matches nothing.
  return { module, task, version } as TaskFields;
}
