import type { FieldCondition, RecordPlan, TaskFields } from "../../call/call_query.ts";
import type { DatabaseSync, StatementSync } from "./connection.ts";

/** How many records are read at once, so that no reader holds the database for long. */
const PAGE_RECORDS = 1000;

/** And by who reads the first, and perhaps no other. */
const FIRST_RECORDS = 20;

/** A row of a call. */
export interface CallRow {
  /** The key of the call. */
  readonly key: unknown;
  /** The line of its record. */
  readonly record: unknown;
}

/** What SQL tells of a condition. */
interface SqlCondition {
  /** The condition. */
  readonly sql: string;
  /** Its parameters. */
  readonly values: readonly (string | number)[];
  /** Whether it tells exactly what is wanted; if not, it leaves out only what cannot be. */
  readonly exact: boolean;
}

/** Of which task calls are, as the database knows it. */
export class TaskIds {
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #known = new Map<string, number>();

  /**
   * Reads nothing yet.
   *
   * @param database The connection; the table is there.
   */
  constructor(database: DatabaseSync) {
    this.#find = database.prepare(
      "SELECT id FROM tasks WHERE module = ? AND task = ? AND version = ?",
    );
    this.#insert = database.prepare(
      "INSERT OR IGNORE INTO tasks (module, task, version) VALUES (?, ?, ?)",
    );
  }

  /**
   * Gives the number of a task; a new one where there is none.
   *
   * @param fields What a record says of it.
   * @returns The number, or `null` for what no task has.
   */
  idOf({ module, task, version }: Readonly<Record<string, unknown>>): number | null {
    if (typeof module !== "string" || typeof task !== "string") return null;
    const fields = [module, task, JSON.stringify(version ?? null)] as const;
    const name = JSON.stringify(fields);
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    this.#insert.run(...fields);
    const id = Number(this.#find.get(...fields)?.id);
    this.#known.set(name, id);
    return id;
  }
}

/** Looks records up by what a query wants of them. */
export class SqliteQuery {
  readonly #database: DatabaseSync;
  readonly #tasks: StatementSync | undefined;

  /**
   * Reads nothing yet.
   *
   * @param database The connection.
   * @param hasTasks Whether it knows of which tasks calls are.
   */
  constructor(database: DatabaseSync, hasTasks: boolean) {
    this.#database = database;
    this.#tasks = hasTasks
      ? database.prepare("SELECT id, module, task, version FROM tasks ORDER BY id")
      : undefined;
  }

  /**
   * Goes over the rows of records that may be wanted, and of those that are damaged as far as they may be.
   *
   * @param plan What is wanted; all if not given.
   * @param check Called before each time the database is asked.
   */
  *rows(plan: RecordPlan | undefined, check: () => void): Generator<CallRow> {
    const { ofTask, conditions = [] } = plan ?? {};
    const sql = conditions.map(toSql).filter((one) => one !== undefined);
    check();
    if (ofTask === undefined || this.#tasks === undefined) {
      return yield* this.#page("1", sql, check);
    }
    for (const id of this.#idsOf(this.#tasks, ofTask)) {
      yield* this.#page(`task = ${id}`, sql, check);
    }
    // What an earlier version has written may be of any.
    yield* this.#page("task IS NULL", sql, check);
  }

  *#page(task: string, conditions: readonly SqlCondition[], check: () => void): Generator<CallRow> {
    const wanted = conditions.map(({ sql }) => ` AND ${sql}`).join("");
    const values = conditions.flatMap(({ values }) => values);
    const statement = this.#database.prepare(
      `SELECT key, record FROM calls WHERE ${task} AND key > ?${wanted} ` +
        "ORDER BY key LIMIT ?",
    );
    let limit = FIRST_RECORDS;
    for (let last = "";;) {
      check();
      const rows = statement.all(last, ...values, limit);
      for (const { key, record } of rows) {
        last = String(key);
        yield { key, record };
      }
      if (rows.length < limit) return;
      limit = PAGE_RECORDS;
    }
  }

  /**
   * Counts records by what the database knows of them; none is read, so that one counts that is damaged.
   *
   * @returns How many there are, or `undefined` where the database cannot tell.
   */
  count({ ofTask, conditions, whole }: RecordPlan): number | undefined {
    const sql = conditions.map(toSql).filter((one) => one?.exact === true);
    const knows = whole && sql.length === conditions.length;
    if (!knows || (ofTask !== undefined && this.#tasks === undefined)) return undefined;
    const wanted = sql.map((one) => ` AND ${one?.sql}`).join("");
    const values = sql.flatMap((one) => one?.values ?? []);
    const count = (task: string) =>
      Number(
        this.#database.prepare(`SELECT count(*) AS calls FROM calls WHERE ${task}${wanted}`)
          .get(...values)?.calls,
      );
    if (ofTask === undefined || this.#tasks === undefined) return count("1");
    const unknown = this.#database.prepare("SELECT 1 FROM calls WHERE task IS NULL LIMIT 1").get();
    if (unknown !== undefined) return undefined;
    return count(`task IN (${this.#idsOf(this.#tasks, ofTask)})`);
  }

  /** A program makes few tasks: which of them are wanted need not be said in SQL. */
  #idsOf(tasks: StatementSync, ofTask: (fields: TaskFields) => boolean): number[] {
    return tasks.all().flatMap(({ id, module, task, version }) => {
      const known: unknown = JSON.parse(String(version));
      const own = typeof known === "string" || typeof known === "number" ? { version: known } : {};
      return ofTask({ module: String(module), task: String(task), ...own }) ? [Number(id)] : [];
    });
  }
}

/** What SQLite takes as it is in a path into JSON. */
const PLAIN_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** What JSON writes as it is in a text, and has no other way to write. */
const PLAIN_TEXT = /^[ !#-[\]-~]*$/;

/** How much a number may be off that SQLite has read, as a share of it. */
const SLACK = 1e-12;

function toSql({ path, wanted }: FieldCondition): SqlCondition | undefined {
  if (!path.every((name) => PLAIN_NAME.test(name))) return undefined;
  const test = toTest(`$.${path.join(".")}`, wanted);
  // A line that is damaged is no JSON, perhaps; it is to be told of.
  return test && { ...test, sql: `CASE WHEN json_valid(record) THEN ${test.sql} ELSE 1 END` };
}

function toTest(at: string, wanted: FieldCondition["wanted"]): SqlCondition | undefined {
  const type = `json_type(record, '${at}')`;
  switch (wanted.is) {
    case "present":
      return { sql: `${type} IS NOT NULL`, values: [], exact: true };
    case "absent":
      return { sql: `${type} IS NULL`, values: [], exact: true };
    case "equal": {
      const { value } = wanted;
      const isPlain = value === null || typeof value === "boolean" ||
        (typeof value === "number" && Number.isFinite(value)) ||
        (typeof value === "string" && PLAIN_TEXT.test(value));
      if (!isPlain) return undefined;
      // The text of the line: SQLite need not read numbers as JavaScript does.
      return { sql: `record -> '${at}' IS ?`, values: [JSON.stringify(value)], exact: true };
    }
    case "all": {
      const tests = wanted.of.map((one) => toTest(at, one)).filter((test) => test !== undefined);
      if (tests.length === 0) return undefined;
      return {
        sql: `(${tests.map(({ sql }) => sql).join(" AND ")})`,
        values: tests.flatMap(({ values }) => values),
        exact: tests.length === wanted.of.length && tests.every(({ exact }) => exact),
      };
    }
    default: {
      const { bound } = wanted;
      if (typeof bound !== "number") return undefined;
      const isMore = wanted.is === "above" || wanted.is === "atLeast";
      const slack = Number.isFinite(bound) ? Math.abs(bound) * SLACK : 0;
      const limit = isMore ? bound - slack : bound + slack;
      return {
        sql: `(${type} IN ('integer', 'real') AND json_extract(record, '${at}') ` +
          `${isMore ? ">=" : "<="} ?)`,
        values: [limit],
        exact: false,
      };
    }
  }
}
