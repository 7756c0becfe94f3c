import { type QuiverWarning, toSafeWarning } from "../base/warning.ts";
import type { CallUse } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import { decodeCheckedLine, encodeCheckedLine } from "./checked_line.ts";
import { isDigest } from "./disk_storage.ts";
import { lookAt } from "./file_system.ts";
import { LineLog, type LineLogOptions } from "./line_log.ts";
import type { UseSet, UseSource, UseStore } from "./stores.ts";
import { nameTags, UseSets } from "./use_sets.ts";

/** After so long what was used is written down, in milliseconds: who is killed loses no more. */
const PAUSE = 2000;

/** So long what has been written down is as good as new, in milliseconds. */
const INTERVAL = 60_000;

/** So many uses this handle remembers that it has written; then it may write them again. */
const MOST_WRITTEN = 2 ** 18;

/** So many calls one line has. */
const LINE_CALLS = 500;

/** The file is written anew when it has twice what it had then, and so many bytes. */
const LEAST_BYTES = 2 ** 20;

/** No more than the end of a larger file is read, which is none of ours, in bytes. */
const MOST_BYTES = 2 ** 30;

/** So long it is kept in mind that uses were forgotten, in milliseconds: others may still tell of them. */
const MEMORY = 24 * 60 * 60 * 1000;

/** Options of {@linkcode UseLog}. */
export interface UseLogOptions extends LineLogOptions {
  /** The file without which there is no such cache any more. */
  readonly marker: string;
  /** Tells whether a call is known: uses of others are dropped when the file is written anew. */
  readonly isKnown: (key: Digest) => boolean;
  /**
   * Told, once, why uses are not written down.
   *
   * @default {a line on standard error}
   */
  readonly onWarning?: (warning: QuiverWarning) => void;
  /**
   * From which size on the file is written anew, in bytes.
   *
   * @default {1048576}
   */
  readonly leastBytes?: number;
  /**
   * After how long uses are written down, in milliseconds.
   *
   * @default {2000}
   */
  readonly pause?: number;
}

/** Uses that were forgotten. */
interface Drop {
  /** Of which calls, and until when. */
  readonly calls: ReadonlyMap<Digest, number>;
  /** Of which tags; of all, if not given. */
  readonly tags: CallUse["tags"] | undefined;
}

/** Until when the uses of calls were forgotten, as others may still tell of them. */
class Drops {
  readonly #drops = new Map<string, Drop & { readonly calls: Map<Digest, number> }>();

  add({ calls, tags }: Drop): void {
    const name = tags === undefined ? "" : nameTags(tags);
    const known = this.#drops.getOrInsertComputed(name, () => ({ tags, calls: new Map() }));
    for (const [key, at] of calls) known.calls.set(key, Math.max(at, known.calls.get(key) ?? at));
  }

  /**
   * Leaves out of a set what was forgotten.
   *
   * @param carried When the uses came from elsewhere, if they did: then that counts.
   */
  filter(set: UseSet, carried: number = -Infinity): UseSet {
    const some = ["", nameTags(set.tags)].flatMap((name) => this.#drops.get(name)?.calls ?? []);
    if (some.length === 0) return set;
    const isLater = ([key, at]: [Digest, number]) =>
      some.every((calls) => Math.max(at, carried) > (calls.get(key) ?? -Infinity));
    return { ...set, calls: new Map([...set.calls].filter(isLater)) };
  }

  /** Those of late. */
  recent(): Drop[] {
    const since = Date.now() - MEMORY;
    return Array.from(this.#drops.values(), ({ tags, calls }) => ({
      tags,
      calls: new Map([...calls].filter(([, at]) => at > since)),
    }));
  }
}

/**
 * Who has used which call, in a file of the cache's directory: `FORMAT.md` specifies it ("uses.jsonl").
 * Uses are written down 2 seconds after they were first heard of, and each again when it is a minute
 * older than the last, or when the cache is closed. No call depends on them: what is damaged or missing
 * is as if nobody had used it, and what cannot be written is a warning.
 */
export class UseLog implements UseStore, Disposable {
  readonly #options: UseLogOptions;
  readonly #log: LineLog;
  readonly #onWarning: (warning: QuiverWarning) => void;
  readonly #sources = new Set<UseSource>();
  /** What is to be written. */
  readonly #owed = new UseSets();
  /** What was, and when, as far as this handle has done it. */
  readonly #written = new UseSets();
  /** What the file says, and what is owed; nothing before the first look. */
  #known: UseSets | undefined;
  #drops = new Drops();
  #compactAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #warned = false;
  #closed = false;
  readonly #flushAtEnd = (): void => this.#write(true);

  /** Opens nothing yet. */
  constructor(options: UseLogOptions) {
    this.#options = options;
    this.#log = new LineLog(options);
    this.#onWarning = toSafeWarning(options.onWarning);
  }

  /** As the interface says. */
  expect(source: UseSource): void {
    if (!this.#options.writable || this.#closed) return;
    globalThis.addEventListener("unload", this.#flushAtEnd);
    this.#sources.add(source);
    this.#startTimer();
  }

  #startTimer(): void {
    if (this.#timer !== undefined || this.#closed) return;
    const { pause = PAUSE } = this.#options;
    const timer = setTimeout(() => {
      this.#timer = undefined;
      this.#write(false);
      if (this.#owed.size > 0) this.#startTimer();
    }, pause);
    // Who has nothing else to do writes them at the end.
    Deno.unrefTimer(timer);
    this.#timer = timer;
  }

  /** As the interface says. */
  add(sets: readonly UseSet[]): void {
    if (!this.#options.writable) return;
    for (const set of sets) {
      this.#owed.addAll(set);
      this.#known?.addAll(set);
    }
    this.#startTimer();
  }

  /** As the interface says. */
  carry(sets: readonly UseSet[]): void {
    if (!this.#options.writable || sets.length === 0) return;
    this.#attempt("write down", () => {
      const now = Date.now();
      this.#append(sets.flatMap((set) => toUseLines(set, now)));
    });
  }

  /** As the interface says. */
  forget(keys: Iterable<Digest>, tags?: readonly CallUse["tags"][]): void {
    if (!this.#options.writable) return;
    this.#attempt("forget", () => {
      const known = this.#follow();
      const names = tags && new Set(tags.map(nameTags));
      const sets = known.sets().filter((set) => names?.has(nameTags(set.tags)) !== false);
      const used = [...new Set(keys)].filter((key) => sets.some(({ calls }) => calls.has(key)));
      if (used.length === 0) return;
      const now = Date.now();
      // Whoever has used them may have had a clock that was ahead.
      const lastOf = (key: Digest) =>
        Math.max(now, ...sets.map(({ calls }) => calls.get(key) ?? 0));
      const calls = new Map(used.map((key) => [key, lastOf(key)]));
      const drops = (tags ?? [undefined]).map((tags): Drop => ({ calls, tags }));
      for (const sets of [known, this.#owed, this.#written]) sets.forget(used, names);
      for (const drop of drops) this.#drops.add(drop);
      this.#append(drops.flatMap(toDropLines));
    });
  }

  /** As the interface says. */
  read(): readonly UseSet[] {
    return this.#attempt("read", () => this.#follow().sets()) ?? [];
  }

  /** What the file says, with what is new. */
  #follow(): UseSets {
    this.#collect();
    const { all, lines } = this.#log.read(MOST_BYTES);
    if (all || this.#known === undefined) {
      this.#known = new UseSets();
      this.#drops = new Drops();
      for (const set of this.#owed.sets()) this.#known.addAll(set);
    }
    for (const line of lines) this.#take(this.#known, decodeCheckedLine(line) ?? {});
    return this.#known;
  }

  #take(known: UseSets, line: Record<string, unknown>): void {
    const used = toUsed(line);
    if (used !== undefined) {
      const { set, carried } = used;
      // What was noted before others forgot it may be told of later.
      return known.addAll(this.#drops.filter(set, carried));
    }
    const drop = toDrop(line);
    if (drop === undefined) return;
    this.#drops.add(drop);
    for (const set of known.sets()) {
      const { tags, run } = set;
      const isMeant = drop.tags === undefined || nameTags(drop.tags) === nameTags(tags);
      if (isMeant) known.remove({ tags, run, calls: drop.calls });
    }
  }

  #collect(): void {
    const sources = [...this.#sources];
    this.#sources.clear();
    for (const source of sources) this.add(source());
  }

  /** Writes down what is owed: what was written less than a minute ago only at the end. */
  #write(all: boolean): void {
    this.#attempt("write down", () => {
      this.#collect();
      const due: UseSet[] = [];
      for (const { tags, run, calls } of this.#owed.sets()) {
        const written = this.#written.find(tags, run);
        const isDue = ([key, at]: [Digest, number]) => {
          const before = written?.get(key);
          return before === undefined || (all ? at > before : at - before >= INTERVAL);
        };
        const now = new Map([...calls].filter(isDue));
        if (now.size > 0) due.push({ tags, run, calls: now });
      }
      if (due.length > 0) this.#append(due.flatMap((set) => toUseLines(set)));
      for (const set of due) this.#owed.remove(set);
      if (this.#written.size > MOST_WRITTEN) this.#written.clear();
      for (const set of due) this.#written.addAll(set);
      if (all) this.#owed.clear();
    });
  }

  /** Writes down what is owed; others see it from then on. */
  flush(): void {
    if (this.#options.writable && !this.#closed) this.#write(true);
  }

  #append(lines: readonly Uint8Array[]): void {
    // What is there instead of a cache is not to be written to.
    if (lookAt(this.#options.marker) === undefined) return;
    const { leastBytes = LEAST_BYTES } = this.#options;
    if (this.#log.size >= Math.max(this.#compactAt, leastBytes)) this.#compact();
    this.#log.append(concat(lines));
  }

  #compact(): void {
    const known = this.#follow();
    known.prune(this.#options.isKnown);
    // What is known was not forgotten.
    const now = Date.now();
    const lines = [
      ...known.sets().flatMap((set) => toUseLines(set, now)),
      ...this.#drops.recent().flatMap(toDropLines),
    ];
    this.#log.replace(lines);
    this.#compactAt = 2 * lines.reduce((sum, { length }) => sum + length, 0);
  }

  #attempt<T>(what: string, fn: () => T): T | undefined {
    try {
      return fn();
    } catch (cause) {
      if (!this.#warned) {
        const { path } = this.#options;
        this.#onWarning({
          message: `Cannot ${what} who has used calls, in "${path}": results are not concerned`,
          cause,
        });
      }
      this.#warned = true;
      return undefined;
    }
  }

  /** Writes down what is owed; may be called twice. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    if (this.#options.writable) this.#write(true);
    this.#closed = true;
    clearTimeout(this.#timer);
    globalThis.removeEventListener("unload", this.#flushAtEnd);
    this.#sources.clear();
  }
}

function concat(lines: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(lines.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const line of lines) {
    all.set(line, at);
    at += line.length;
  }
  return all;
}

/** How exactly it is said when a call was used, in parts of a millisecond. */
const PARTS = 100;

/** Makes the lines of uses, as `FORMAT.md` specifies them. */
function toUseLines({ tags, run, calls }: UseSet, carried?: number): Uint8Array<ArrayBuffer>[] {
  const all = [...calls].sort(([, a], [, b]) => a - b);
  const lines: Uint8Array<ArrayBuffer>[] = [];
  for (let from = 0; from < all.length; from += LINE_CALLS) {
    const some = all.slice(from, from + LINE_CALLS);
    const at = Math.round((some.at(-1)?.[1] ?? 0) * PARTS) / PARTS;
    const used = some.map(([key]) => key);
    const ago = some.map(([, one]) => Math.max(0, Math.round((at - one) * PARTS)) / PARTS);
    const line = { used, ago, at, run, tags, carried };
    lines.push(encodeCheckedLine(JSON.stringify(line).slice(0, -1)));
  }
  return lines;
}

function toDropLines({ calls, tags }: Drop): Uint8Array<ArrayBuffer>[] {
  const lines: Uint8Array<ArrayBuffer>[] = [];
  for (const [at, all] of Map.groupBy(calls, ([, at]) => at)) {
    for (let from = 0; from < all.length; from += LINE_CALLS) {
      const dropped = all.slice(from, from + LINE_CALLS).map(([key]) => key);
      const line = { dropped, at, ...(tags !== undefined && { tags }) };
      lines.push(encodeCheckedLine(JSON.stringify(line).slice(0, -1)));
    }
  }
  return lines;
}

/** What a line says of uses, if it does; another program may have written anything. */
function toUsed(
  line: Record<string, unknown>,
): { readonly set: UseSet; readonly carried?: number } | undefined {
  const { used, ago, at, run, tags, carried } = line;
  const isSound = isDigests(used) && Array.isArray(ago) && ago.length === used.length &&
    ago.every((one) => typeof one === "number") && isTime(at) && typeof run === "string" &&
    isTags(tags);
  if (!isSound) return undefined;
  const calls = new Map(used.map((key, index) => [key, at - Number(ago[index])]));
  return { set: { tags, run, calls }, ...(isTime(carried) && { carried }) };
}

function toDrop({ dropped, at, tags }: Record<string, unknown>): Drop | undefined {
  if (!isDigests(dropped) || !isTime(at) || (tags !== undefined && !isTags(tags))) return undefined;
  return { calls: new Map(dropped.map((key) => [key, at])), tags };
}

function isDigests(value: unknown): value is Digest[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string" && isDigest(one));
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** What JSON has given, and is an object. */
function isTags(value: unknown): value is CallUse["tags"] {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
