import {
  type FileHandles,
  type FileSystem,
  openIfThere,
  readAround,
  replaceFile,
} from "../../disk/file_system.ts";
import type { BagLayout } from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";
import type { SegmentEnvironment } from "../segment/seal.ts";

/**
 * Where a repair puts what is damaged: `quarantine/<time>/` with the paths that the files had. Nobody
 * reads it, and nobody removes it but the user.
 */
export class Quarantine {
  readonly #fileSystem: FileSystem;
  readonly #root: string;
  readonly #directory: string;
  #used = false;

  /** Chooses the directory; it is made with the first file. */
  constructor(fileSystem: FileSystem, layout: BagLayout) {
    const time = new Date().toISOString().replaceAll(/[^0-9TZ]/g, "");
    this.#fileSystem = fileSystem;
    this.#root = layout.root;
    this.#directory = `${layout.quarantine}/${time}-${crypto.randomUUID().slice(0, 8)}`;
  }

  /** The directory, if there is anything in it. */
  get path(): string | undefined {
    return this.#used ? this.#directory : undefined;
  }

  /**
   * Copies a file and brings the copy to the disk itself. The file stays until nothing needs it any
   * more: whoever is killed in between loses nothing.
   *
   * @returns Whether there was such a file.
   */
  copy(path: string): boolean {
    using file = openIfThere(path);
    if (file === undefined) return false;
    if (file.seekSync(0, Deno.SeekMode.End) > LARGEST_COPY) {
      // Nobody can have written that much there who meant it, and a disk may have no room for it twice.
      this.move(path);
      return true;
    }
    this.write(path, readPieces(file));
    return true;
  }

  /**
   * Writes what was taken out of a file.
   *
   * @param path The file that it comes from.
   * @param chunks What was in it.
   */
  write(path: string, chunks: Iterable<Uint8Array>): void {
    replaceFile(this.#fileSystem, this.#toPath(path), chunks);
  }

  /**
   * Moves a link or whatever else is in the place of a file, without a look at what it leads to.
   *
   * @param path What to move.
   */
  move(path: string): void {
    this.#fileSystem.rename(path, this.#toPath(path));
  }

  #toPath(path: string): string {
    const target = `${this.#directory}${path.slice(this.#root.length)}`;
    this.#fileSystem.makeDirectory(target.slice(0, target.lastIndexOf("/")));
    this.#used = true;
    return target;
  }
}

/** All of a file, with zeros in the place of what its disk does not give. */
function* readPieces(file: Deno.FsFile): Generator<Uint8Array> {
  const size = file.seekSync(0, Deno.SeekMode.End);
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, size));
  for (let at = 0; at < size; at += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, size - at));
    if (!readAround(file, at, piece)) return;
    yield piece;
  }
}

/** How much of a file is copied at once. */
const PIECE_BYTES = 256 * 1024;

/** What a repair copies at the most of a file that it makes anew, in bytes. */
const LARGEST_COPY = 2 ** 30;

const MOST_FINDINGS = 100;

/** Counts what a step of a check finds. */
export class StepReport implements VerifyStep {
  /** What is checked. */
  readonly name: VerifyStep["name"];
  /** How many things were looked at. */
  checked = 0;
  /** How many bytes were read. */
  bytes = 0;
  /** What killed programs left. */
  unfinished = 0;
  /** How many problems were found. */
  problems = 0;
  /** How many problems are gone. */
  repaired = 0;
  /** How many files were put aside. */
  quarantined = 0;
  /** The first problems. */
  readonly findings: VerifyFinding[] = [];

  /**
   * Begins a step.
   *
   * @param name What is checked.
   */
  constructor(name: VerifyStep["name"]) {
    this.name = name;
  }

  /**
   * Takes note of problems.
   *
   * @param finding What is wrong.
   * @param count How many things it is wrong with.
   */
  find(finding: VerifyFinding, count: number = 1): void {
    this.problems += count;
    if (this.findings.length < MOST_FINDINGS) this.findings.push(finding);
  }

  /** All problems up to here are gone. */
  repairAll(): void {
    this.repaired = this.problems;
  }

  /** What was found, as data. */
  toStep(): VerifyStep {
    return { ...this, findings: [...this.findings] };
  }
}

/** What all steps of a check have in common. */
export interface VerifyContext extends SegmentEnvironment {
  /** Where open files are kept. */
  readonly handles: FileHandles;
  /** Where damaged files go, if they are to be put aside at all. */
  readonly quarantine: Quarantine | undefined;
  /** Called between two things that are checked; throws when the check is to end. */
  readonly pause: (step: StepReport) => Promise<void>;
}

/**
 * Names a file as findings do.
 *
 * @returns The path relative to the bag.
 */
export function toRelative(layout: BagLayout, path: string): string {
  return path.slice(layout.root.length + 1);
}

// What checking a bag gives: data that a program can print.

/** Options of `verifyBag()` and `Bag.verify()`. */
export interface VerifyOptions {
  /**
   * Whether to put right what is wrong: tables, `values.h5` and the manifest are made again from
   * segments, journals and the call log; what is damaged goes to `quarantine/`.
   *
   * @default {false}
   */
  repair?: boolean;
  /**
   * Whether the digest of each value is computed again, which finds what a checksum cannot: a value
   * that was put under a wrong digest on purpose. It takes a few times as long.
   *
   * @default {false}
   */
  digests?: boolean;
  /** Ends the check between two of its steps with the signal's reason; nothing is left half done. */
  signal?: AbortSignal;
  /** Told how the check goes: now and then, and when a step has ended, the step as far as it is done. */
  progress?: { update(step: VerifyStep): void };
}

/** What one step found. */
export interface VerifyStep {
  /** What was checked, in this order. */
  readonly name:
    | "links"
    | "bag.json"
    | "manifest"
    | "link file"
    | "segments"
    | "tables"
    | "journals"
    | "log"
    | "files"
    | "unfinished"
    | "records";
  /** How many things were looked at: files, values, lines or records. */
  readonly checked: number;
  /** How many bytes were read and compared with their checksums. */
  readonly bytes: number;
  /** What a killed program left behind; that is no problem, and nothing acknowledged is among it. */
  readonly unfinished: number;
  /** How many things are damaged or missing. */
  readonly problems: number;
  /**
   * How many of the problems are gone. What was lost is still lost: it has become a miss, and is
   * computed again when it is asked for.
   */
  readonly repaired: number;
  /** How many files went to `quarantine/`. */
  readonly quarantined: number;
  /**
   * The first 100 problems: the file relative to the bag, where in it, in bytes, if that is known, and
   * what is wrong, in words.
   */
  readonly findings: readonly {
    readonly file: string;
    readonly offset?: number;
    readonly problem: string;
  }[];
}

/** Something that is not as it should be. */
export type VerifyFinding = VerifyStep["findings"][number];

/** What checking a bag found. */
export interface VerifyReport {
  /** The absolute path of the bag. */
  readonly path: string;
  /** Whether no problem is left. */
  readonly sound: boolean;
  /** What each step found. */
  readonly steps: readonly VerifyStep[];
  /**
   * How many calls the log knows whose results cannot be had, those included whose records are damaged,
   * as far as the log or its table still tells their keys. With signing keys, those are counted as
   * well that are a miss for who has these keys.
   */
  readonly missed: number;
  /** The keys of the first 1,000 of them. */
  readonly misses: readonly Digest[];
  /** Where damaged files were put, if any were. */
  readonly quarantine?: string;
}
