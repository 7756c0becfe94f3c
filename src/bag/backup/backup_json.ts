/**
 * `backup.json`: what makes a directory a backup of one bag, and how far it has come. `FORMAT.md`
 * specifies the fields.
 *
 * @module
 */
import { BagFormatError } from "../../base/errors.ts";
import { decodeCheckedLine, encodeCheckedLine } from "../../disk/checked_line.ts";
import {
  type FileSystem,
  readWhole,
  replaceFile,
  SMALL_FILE_BYTES,
} from "../../disk/file_system.ts";
import type { BagLayout } from "../../disk/layout.ts";
import { isId } from "./bag_id.ts";

const FORMAT = "quiver-backup";

/** The version of the format that this code writes and reads. */
const BACKUP_VERSION = 1;

/** A call log, as far as it is in a backup. */
export interface BackedUpLog {
  /** The generation of the log. */
  readonly generation: number;
  /** How long it is, in bytes. */
  readonly length: number;
}

/** What a backup is of. */
export interface BackupState {
  /** What the bag is known by; absent if that could not be written into the bag. */
  readonly bag?: string;
  /** Where the bag was. */
  readonly path: string;
  /** The generation of the bag's manifest. */
  readonly generation: number;
  /** The call log that is there, and the one that takes its place; none before there is one. */
  readonly logs: readonly BackedUpLog[];
}

/**
 * Reads what a directory is a backup of.
 *
 * @returns `undefined` if it is no backup.
 * @throws {BagFormatError} If the file is damaged, or of another version.
 */
export function readBackupState(layout: BagLayout): BackupState | undefined {
  const bytes = readWhole(layout.backupJson, SMALL_FILE_BYTES);
  if (bytes === undefined) return undefined;
  const content = decodeCheckedLine(bytes.subarray(1, -1));
  if (content?.format !== FORMAT) throw refuse(layout, "its backup.json is damaged");
  const { format: _, version, ...state } = content;
  if (version !== BACKUP_VERSION) {
    throw refuse(
      layout,
      `it has format version ${version}, and this is Quiver for version ${BACKUP_VERSION}`,
    );
  }
  if (!isState(state)) throw refuse(layout, "its backup.json is damaged");
  return state;
}

/** Writes what a directory is a backup of. */
export function writeBackupState(
  fileSystem: FileSystem,
  layout: BagLayout,
  state: BackupState,
): void {
  const text = JSON.stringify({ format: FORMAT, version: BACKUP_VERSION, ...state }).slice(0, -1);
  replaceFile(fileSystem, layout.backupJson, [encodeCheckedLine(text)]);
  fileSystem.syncDirectory(layout.root);
}

function refuse({ root }: BagLayout, state: string): BagFormatError {
  return new BagFormatError(
    `Cannot back up into "${root}": ${state}; choose another directory, and keep this one for ` +
      "openBag()",
  );
}

function isState(
  content: Record<string, unknown>,
): content is Record<string, unknown> & BackupState {
  const { bag, path, generation, logs } = content;
  return (bag === undefined || isId(bag)) && typeof path === "string" && isCount(generation) &&
    Array.isArray(logs) && logs.every(isLog);
}

function isLog(log: unknown): boolean {
  return typeof log === "object" && log !== null && "generation" in log && "length" in log &&
    isCount(log.generation) && isCount(log.length);
}

function isCount(content: unknown): boolean {
  return Number.isSafeInteger(content) && Number(content) >= 0;
}
