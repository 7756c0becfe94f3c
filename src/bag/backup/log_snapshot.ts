import { openIfThere, removeIfThere, writeAll } from "../../disk/file_system.ts";
import type { BagLayout } from "../../disk/layout.ts";
import { MOVED } from "../log/call_line.ts";
import { scanCalls } from "../log/call_scan.ts";
import { CallTail, checkPrefix } from "../log/call_table.ts";
import { PURPOSE, readTableHeader } from "../table/digest_table.ts";
import type { BackedUpLog } from "./backup_json.ts";
import type { BackupTarget } from "./backup_target.ts";
import { findStruck, isPrefix } from "./compare_files.ts";
import { isAlone } from "./copy_values.ts";
import type { FileCopier } from "./file_copier.ts";

/**
 * The call log of a bag as it was at one moment. It stays so for as long as its file is open, but for
 * records that are struck: another log that takes its place is another file.
 */
export class LogSnapshot implements Disposable {
  /** What it is. */
  readonly log: BackedUpLog;
  readonly #file: Deno.FsFile | undefined;
  readonly #table: Deno.FsFile | undefined;

  /**
   * Opens the log.
   *
   * @param layout The bag's paths.
   * @param generation The generation of the log.
   */
  constructor(layout: BagLayout, generation: number) {
    this.#file = openIfThere(layout.callLog);
    this.log = { generation, length: this.#file?.seekSync(0, Deno.SeekMode.End) ?? 0 };
    const table = openIfThere(layout.callIndex);
    const isOfLog = table !== undefined && this.#fits(table);
    if (!isOfLog) table?.close();
    this.#table = isOfLog ? table : undefined;
  }

  #fits(table: Deno.FsFile): boolean {
    const { subject } = readTableHeader(table, PURPOSE.calls) ?? {};
    if (subject === undefined || this.#file === undefined) return false;
    const { length, generation } = this.log;
    return subject.length <= length &&
      subject.check === checkPrefix(this.#file, subject.length, generation);
  }

  /**
   * Brings the log into a backup, and its table: only what is new where the backup has the begin of it.
   *
   * @param copier Brings files.
   */
  async bring(target: BackupTarget, copier: FileCopier): Promise<void> {
    if (this.#file === undefined) return;
    const { layout, fileSystem } = target;
    const { length } = this.log;
    using copy = openIfThere(layout.callLog);
    const known = copy?.seekSync(0, Deno.SeekMode.End) ?? 0;
    if (copy === undefined || this.#isExtended(copy, known)) {
      if (known < length) await copier.extend(this.#file, [known, length], layout.callLog);
    } else {
      // What has another name is part of a copy, too, and stays as it is.
      using moved = isAlone(copy) ? fileSystem.open(layout.callLog, { append: true }) : undefined;
      // A table that knows keys which are nowhere any more would look as if the log had been cut.
      removeIfThere(fileSystem, layout.callIndex);
      fileSystem.syncDirectory(layout.root);
      await copier.replace(this.#file, length, layout.callLog);
      if (moved !== undefined) writeAll(fileSystem, moved, MOVED);
    }
    await this.#bringTable(target, copier);
    fileSystem.syncDirectory(layout.root);
  }

  /** Whether all that is new in it stands behind what has been copied. */
  #isExtended(copy: Deno.FsFile, known: number): boolean {
    return known <= this.log.length && isAlone(copy) && isPrefix(copy, this.#file, known) &&
      findStruck(this.#file, copy, known).length === 0;
  }

  async #bringTable({ layout }: BackupTarget, copier: FileCopier): Promise<void> {
    const table = this.#table;
    if (table === undefined) return;
    using copy = openIfThere(layout.callIndex);
    const [is, known] = [table, copy].map((file) => file && readTableHeader(file, PURPOSE.calls));
    if (known !== undefined && JSON.stringify(is) === JSON.stringify(known)) return;
    await copier.replace(table, table.seekSync(0, Deno.SeekMode.End), layout.callIndex);
  }

  /** Lets go of the files. */
  [Symbol.dispose](): void {
    this.#file?.close();
    this.#table?.close();
  }
}

/** Counts the calls that a bag knows. A table may name records that were struck. */
export function countCalls(layout: BagLayout): number {
  using log = openIfThere(layout.callLog);
  if (log === undefined) return 0;
  const newest = new CallTail();
  scanCalls(log, 0, log.seekSync(0, Deno.SeekMode.End), (line) => newest.set(line));
  let count = 0;
  for (const { type } of newest.lines()) if (type === "record") count++;
  return count;
}
