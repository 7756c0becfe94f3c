import { assertEquals } from "@std/assert";
import type { BackupState } from "../../src/bag/backup/backup_json.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import type { BagOptions } from "../../src/disk/disk_storage.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import type { CallRecord, CallUse } from "../../src/call/call_record.ts";
import { digestArgument } from "../../src/value/digest/digest_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { type EncodedPart, type EncodedValue, toKindName } from "../../src/value/value.ts";
import { Tool } from "../tools.ts";
import { describeValue, type ValueDescription } from "./_describe_value.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

/** The reader. */
export const READER = new URL("format_reader.py", import.meta.url).pathname;
/** The key that records of these tests are signed with. */
export const SIGNING_KEY = "a key that is léng enough";

/** What the reader prints of a value. */
export interface ReadValue {
  readonly kind: string;
  readonly place: "journal" | "segment" | "table" | "chunks";
  readonly shape: readonly number[] | null;
  readonly exact: string;
  readonly argument: string;
  readonly value: ValueDescription;
  /** The digest of a part that is not there; then there is no value. */
  readonly missing?: string;
}

/** What the reader prints. */
export interface ReadBag {
  readonly bag: { readonly features: readonly string[] };
  readonly manifest: {
    readonly generation: number;
    readonly logGeneration: number;
    readonly segments: readonly unknown[];
  };
  readonly id: string | null;
  readonly backup: BackupState | null;
  readonly values: Readonly<Record<string, ReadValue>>;
  readonly damaged: readonly string[];
  readonly unreadable: readonly string[];
  readonly records: readonly { record: CallRecord; key: string; signature: string }[];
  readonly forgotten: readonly string[];
  readonly skipped: number;
  readonly touches: readonly { readonly touch: string; readonly at: number }[];
  readonly files: readonly { readonly size: number; readonly digest: string }[];
  readonly failures: readonly CallRecord[];
  readonly uses: readonly (CallUse & { readonly key: string })[];
  readonly indexed: number | null;
}

/** Reads a bag with the reader. */
export function readBag(path: string): ReadBag {
  return runReader([READER, path, SIGNING_KEY]);
}

/** Runs a reader that prints what it read. */
export function runReader(args: string[]): ReadBag {
  const { stdout, stderr } = Tool.find("python3").command(args).outputSync();
  assertEquals(new TextDecoder().decode(stderr), "");
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** Opens a bag that seals only when asked to. */
export function openManual(path: string, options: BagOptions = {}): Promise<DiskBag> {
  const environment = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };
  return openBagFiles(path, { ...options, fold: "manual" }, environment);
}

/** A value as it is stored, and as it was. */
export interface Stored {
  readonly value: unknown;
  readonly encoded: EncodedValue;
}

/** Encodes a value. */
export function toStored(value: unknown): Stored {
  return { value, encoded: encodeValue(value) };
}

/** Puts a value into a bag, its parts first. */
export function put(bag: DiskBag, { encoded }: Stored): void {
  for (const part of encoded.parts) bag.values.putPart(part);
  bag.values.putPart(encoded);
}

/** Compares all values that were read with those that were stored. */
export function checkValues(found: ReadBag["values"], stored: readonly Stored[]): void {
  const parts = new Map<string, EncodedPart>();
  for (const { encoded } of stored) {
    for (const part of [...encoded.parts, encoded]) {
      if (parts.get(part.digest)?.shape === undefined) parts.set(part.digest, part);
    }
  }
  assertEquals(Object.keys(found).sort(), [...parts.keys()].sort());
  for (const [digest, part] of parts) {
    assertEquals(found[digest]?.exact, digest);
    assertEquals(found[digest]?.kind, toKindName(part.kind));
    assertEquals(found[digest]?.shape, part.shape ?? null);
  }
  for (const { value, encoded } of stored) {
    const read = found[encoded.digest];
    assertEquals(read?.value, describeValue(value), encoded.digest);
    assertEquals(read?.argument, digestArgument(value), encoded.digest);
  }
}

/** Counts values by where they were read. */
export function countPlaces({ values }: ReadBag): Record<ReadValue["place"], number> {
  const places = { journal: 0, segment: 0, table: 0, chunks: 0 };
  for (const { place } of Object.values(values)) places[place]++;
  return places;
}
