import { resolve } from "node:path";
import type { DiskBag } from "../../bag/disk_bag.ts";
import { ATTRIBUTE } from "../../bag/segment/format.ts";
import type { Hdf5Environment, Hdf5Input } from "../../bag/hdf5/access.ts";
import { HDF5_ENVIRONMENT, Hdf5Values } from "../../bag/segment/hdf5_file.ts";
import { BagCorruptError, QuiverError } from "../../base/errors.ts";
import type { CallRecord, CallUse, IgnoredPosition } from "../../call/call_record.ts";
import { isDigest } from "../../disk/disk_storage.ts";
import { toCallRecord } from "../../disk/disk_stores.ts";
import { decodeValue } from "../../value/codec/decode_value.ts";
import { encodeValue } from "../../value/codec/encode_value.ts";
import type { Digest, EncodedPart, EncodedValue } from "../../value/value.ts";
import { createBagView } from "../browse/bag_view.ts";
import { toUseSets } from "../known_uses.ts";
import { digestsOf } from "../sweep.ts";
import { type OpenFiles, toPath } from "../open_stores.ts";
import { EXPORT_FORMAT, EXPORT_VERSION, PLAIN_FORMAT } from "./export_bag.ts";

const IGNORED_REST_REGEXP = /^\.\.\.\d+$/;

/** What was imported. */
export interface ImportResult {
  /** How many calls are new in the bag. */
  readonly calls: number;
  /** How many calls of the file the bag knew already; they stay as they are. */
  readonly known: number;
  /**
   * How many calls were left out as no holder of a signing key has signed them; none in a bag without
   * one.
   */
  readonly rejected: number;
}

/**
 * Takes in the calls of a file that `exportBag()` has written. All of it is checked before anything
 * is stored: records have their form, and values have their digests.
 *
 * @param environment What the file stands on.
 * @returns What is new.
 * @throws {BagCorruptError} If the file is something else, or damaged.
 */
export async function importBag(
  opened: OpenFiles<DiskBag>,
  path: string | URL,
  environment: Hdf5Environment = HDF5_ENVIRONMENT,
): Promise<ImportResult> {
  const { files } = opened;
  const { calls, source } = createBagView(opened);
  const file = resolve(toPath(path));
  const check = (input: Hdf5Input) => explained(file, () => checkFormat(input));
  using values = await Hdf5Values.open(file, environment, check);
  try {
    const found = Array.from(readCalls(values));
    const records = found.map(({ record }) => record);
    const uses = found.flatMap(({ record: { key }, uses }) => toUseSets(uses, key));
    const digests = new Set(records.flatMap(digestsOf));
    for (const digest of digests) loadValue(values, digest);
    const believed = records.filter((record) => calls.believes?.(record) ?? true);
    const fresh = believed.filter(({ key }) => calls.get(key) === undefined);
    for (const digest of new Set(fresh.flatMap(digestsOf))) {
      const value = loadValue(values, digest);
      // A copy that is there, but is not what its digest says, makes room for another one.
      source.load(digest);
      await files.values.put(value);
    }
    for (const record of fresh) await files.calls.put(record);
    const isHere = (key: Digest) => calls.get(key) !== undefined;
    files.uses.carry(uses.filter(({ calls }) => [...calls.keys()].every(isHere)));
    return {
      calls: fresh.length,
      known: believed.length - fresh.length,
      rejected: records.length - believed.length,
    };
  } catch (cause) {
    throw explain(file, cause);
  }
}

/** Says which file it is that is not what it should be. */
function explain(file: string, cause: unknown): unknown {
  if (!(cause instanceof ImportError || cause instanceof SyntaxError)) return cause;
  return new BagCorruptError(`Cannot import "${file}": ${cause.message}`, file, 0, { cause });
}

function explained(file: string, check: () => void): void {
  try {
    check();
  } catch (cause) {
    throw explain(file, cause);
  }
}

/** Something in the file is not what it should be. */
class ImportError extends QuiverError {}

/** Runs what asks the library, whose errors say that the file is damaged. */
function ask<T>(what: string, fn: () => T): T {
  try {
    return fn();
  } catch (cause) {
    if (cause instanceof QuiverError) throw new ImportError(`${what} cannot be read`, { cause });
    throw cause;
  }
}

function checkFormat(input: Hdf5Input): void {
  if (!ask("its root", () => input.hasAttribute("/", ATTRIBUTE))) {
    throw new ImportError("it was not written by exportHdf5: use importDatasets");
  }
  const about = parse("its format", ask("its format", () => input.readAttribute("/", ATTRIBUTE)));
  if (about.format === PLAIN_FORMAT) {
    throw new ImportError(
      'it was written with layout: "plain", without the exact values: use importDatasets',
    );
  }
  // Of version 1 only the rows of what is packed are others, which say so.
  const isKnown = about.version === 1 || about.version === EXPORT_VERSION;
  if (about.format !== EXPORT_FORMAT || !isKnown) {
    throw new ImportError(
      `it does not say "${EXPORT_FORMAT}" of the version ${EXPORT_VERSION}`,
    );
  }
}

/** A call of the file. */
interface ReadCall {
  readonly record: CallRecord;
  readonly uses: readonly CallUse[];
}

function* readCalls(values: Hdf5Values): Generator<ReadCall> {
  for (const task of ask("its list of tasks", () => values.names("/calls"))) {
    const group = `/calls/${task}`;
    for (const key of ask(`"${group}"`, () => values.names(group))) {
      const path = `${group}/${key}`;
      const record = toRecord(parse(path, ask(path, () => values.attribute(path, "record"))));
      if (record?.key !== key) throw new ImportError(`"${path}" has no sound record`);
      yield { record, uses: readUses(values, path) };
    }
  }
}

/** Who has used a call; what is no use is none. */
function readUses(values: Hdf5Values, path: string): CallUse[] {
  if (!ask(path, () => values.hasAttribute(path, "uses"))) return [];
  const content: unknown = parseUses(ask(path, () => values.attribute(path, "uses")));
  return Array.isArray(content) ? content.filter(isUse) : [];
}

function parseUses(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Nothing depends on them.
    return undefined;
  }
}

function isUse(content: unknown): content is CallUse {
  const { tags, run, at }: Partial<CallUse> = Object(content);
  return typeof tags === "object" && tags !== null && !Array.isArray(tags) && isText(run) &&
    Number.isFinite(at);
}

function parse(what: string, text: string): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === "object" && content !== null) return { ...content };
  } catch (cause) {
    throw new ImportError(`${what} cannot be parsed`, { cause });
  }
  throw new ImportError(`${what} is no object`);
}

/** Reads a value, and makes sure that it is the one with the digest, down to the last bit. */
function loadValue(values: Hdf5Values, digest: Digest): EncodedValue {
  const payload = ask(`the value ${digest}`, () => values.load(digest));
  if (payload === undefined) throw new ImportError(`the value ${digest} is missing or damaged`);
  const encoded = ask(`the value ${digest}`, () => {
    const encoded = encodeValue(decodeValue(payload, (part) => values.load(part)));
    for (const part of encoded.parts) if (part.lazy) checkPiece(part);
    return encoded;
  });
  if (encoded.digest !== digest) {
    throw new ImportError(`the value ${digest} has the digest ${encoded.digest}`);
  }
  const parts = encoded.parts.map((part) => {
    const shape = part.shape ?? values.open(part.digest)?.shape;
    return shape === undefined ? part : { ...part, shape };
  });
  return { ...encoded, parts };
}

/** Has a piece of a file be read, which is otherwise done when it is stored. */
function checkPiece({ digest, bytes }: EncodedPart): void {
  if (bytes.length === 0) throw new ImportError(`the piece ${digest} of a file is empty`);
}

/** Takes a record as it is, for all that it says is signed, if each field has its type. */
function toRecord(content: Record<string, unknown>): CallRecord | undefined {
  const record = toCallRecord(content);
  const { key, scheme, code, args, ignored, started, duration, metadata, signature } = content;
  const isWhole = isKey(key) && isNumber(scheme) && (code === undefined || isKey(code)) &&
    Array.isArray(args) && args.every(isArgument) &&
    (ignored === undefined || isIgnored(ignored)) && isNumber(started) && isNumber(duration) &&
    metadata !== undefined && (signature === undefined || isText(signature));
  return isWhole ? record : undefined;
}

function isArgument(content: unknown): boolean {
  return typeof content === "object" && content !== null && "name" in content &&
    isText(content.name) && "digest" in content && isKey(content.digest);
}

function isIgnored(content: unknown): content is readonly IgnoredPosition[] {
  return Array.isArray(content) &&
    content.every((position) => isNumber(position) || IGNORED_REST_REGEXP.test(position));
}

function isKey(content: unknown): content is Digest {
  return isText(content) && isDigest(content);
}

function isText(content: unknown): content is string {
  return typeof content === "string";
}

function isNumber(content: unknown): content is number {
  return typeof content === "number";
}
