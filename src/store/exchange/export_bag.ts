/**
 * The file that `Bag.exportHdf5()` writes, for HDF5 tools and for `Bag.importHdf5()`.
 *
 * ```text
 * /                      attribute "quiver", a JSON text: format "quiver-export", version 2
 * /calls/<task>/<key>    one group for each call; attributes task, module, version, key, started
 *                        (ISO 8601), duration (milliseconds), metadata (JSON), record, the record of
 *                        the call log as JSON, and uses, a JSON array of objects with tags, run and
 *                        at, if there are any
 *   args/<name>          each argument that is stored; of others an attribute "digest …"
 *   result               the result
 * /values, /packed, …    the exact values, as in a segment (`format.ts`)
 * ```
 *
 * Below `args` and `result` values are laid out for people: objects, Maps and other containers are
 * groups; typed arrays and n-dimensional arrays datasets with their shape; Arrays of numbers, texts
 * or booleans one dataset; numbers, texts and booleans (int8) datasets without dimensions. The texts of
 * a dataset have one length, padded with NULs, unless that takes far more space than they do. Large
 * arrays are there once: in the groups are links to `/values`. With `layout: "plain"` there is nothing
 * but `/calls`, the format is "quiver-plain", and nothing in it is a link: what is in several places is
 * written as often. An attribute `kind` says what HDF5 has no type for. In names `/` is written `~1`.
 *
 * @module
 */
import { resolve } from "node:path";
import { crc32 } from "node:zlib";
import type { Hdf5Environment, Hdf5Output } from "../../bag/hdf5/access.ts";
import { ATTRIBUTE, toDatasetShape } from "../../bag/segment/format.ts";
import { HDF5_ENVIRONMENT, writeHdf5File } from "../../bag/segment/hdf5_file.ts";
import { type SegmentSource, writeSegment } from "../../bag/segment/segment_writer.ts";
import { checkOptions, type OptionRules } from "../../base/check_options.ts";
import { CacheMissError } from "../../base/errors.ts";
import type { ArgumentRecord, CallRecord } from "../../call/call_record.ts";
import { referencesOf } from "../../value/codec/references.ts";
import { openValue } from "../../value/tree/open_value.ts";
import type { Digest, PayloadSource, StoredPayload } from "../../value/value.ts";
import { either } from "../../disk/disk_storage.ts";
import type { BagView } from "../browse/bag_view.ts";
import { KnownUses, withoutUses } from "../known_uses.ts";
import { toPath } from "../open_stores.ts";
import { type ExportLayout, ExportTree, toUniqueName, UNLIKE_HDF5 } from "./export_tree.ts";

/** What `format` says in the file. */
export const EXPORT_FORMAT = "quiver-export";

/** The version of the format. */
export const EXPORT_VERSION = 2;

const PIECE_BYTES = 1024 * 1024;

/** What `format` says in a file that has no exact values. */
export const PLAIN_FORMAT = "quiver-plain";

/** Options of `Bag.exportHdf5`. */
export interface ExportOptions {
  /**
   * What is in the file: `"exact"` the values themselves, too, so that a bag can import them, large arrays
   * once and with links to them; `"plain"` nothing but groups and datasets without any links, for netCDF4
   * and xarray.
   *
   * @default {"exact"}
   */
  layout?: "exact" | "plain";
}

const RULES: OptionRules<ExportOptions> = { layout: either("exact", "plain") };

/** What was exported. */
export interface ExportResult {
  /** How many calls were written. */
  readonly calls: number;
  /** How many values, large arrays counted on their own. */
  readonly values: number;
  /** How many calls were left out because their result is missing or damaged. */
  readonly skipped: number;
}

/**
 * Writes calls with their values into one HDF5 file.
 *
 * @param path The file; it is replaced when all is written.
 * @param matches Tells which calls are meant.
 * @param options What is in the file.
 * @param environment What the file stands on.
 * @returns What was written.
 */
export async function exportBag(
  view: BagView,
  path: string | URL,
  matches: (record: CallRecord) => boolean,
  options: ExportOptions = {},
  environment: Hdf5Environment = HDF5_ENVIRONMENT,
): Promise<ExportResult> {
  checkOptions("export calls", options, RULES);
  const isPlain = options.layout === "plain";
  const { source } = view;
  const found = new Map<Digest, SegmentSource>();
  const records: CallRecord[] = [];
  let skipped = 0;
  const known = new KnownUses(view.uses());
  for (const stored of view.calls.records()) {
    const record = known.addTo(stored);
    if (!matches(record)) continue;
    if (!collect(source, record.result, found)) {
      skipped++;
      continue;
    }
    records.push(withoutLost(record, (value) => collect(source, value, found)));
  }
  await writeHdf5File(resolve(toPath(path)), async (output) => {
    const sources = [...found.values()];
    if (!isPlain) await writeSegment(output, sources, pause);
    const shapes = toShapes(sources);
    const layout = isPlain ? toCopies(output, shapes, found) : toLinks(output, shapes);
    writeCalls(output, source, records, layout);
  }, environment);
  return { calls: records.length, values: found.size, skipped };
}

/** Notes in a record which arguments are lost, as a repair does: it is still what somebody signed. */
function withoutLost(record: CallRecord, isThere: (digest: Digest) => boolean): CallRecord {
  const isLost = ({ value }: ArgumentRecord) => value !== undefined && !isThere(value);
  const lost = new Set(record.args.filter(isLost));
  if (lost.size === 0) return record;
  const args = record.args.map((argument) => {
    const { value, ...others } = argument;
    return value !== undefined && lost.has(argument) ? { ...others, lost: value } : argument;
  });
  return { ...record, args };
}

/** Takes a value with its parts, if all of it is there. */
function collect(
  source: PayloadSource,
  digest: Digest,
  found: Map<Digest, SegmentSource>,
): boolean {
  if (found.has(digest)) return true;
  const stored = source.open(digest);
  if (stored === undefined) return false;
  const isDataset = toDatasetShape(stored.kind, stored.length) !== undefined;
  const payload = isDataset ? undefined : source.load(digest);
  if (!isDataset && payload === undefined) return false;
  const parts = payload === undefined ? [] : referencesOf(payload);
  if (!parts.every((part) => collect(source, part, found))) return false;
  found.set(digest, toSource(source, stored));
  return true;
}

/** A payload of the bag on its way into the file. */
function toSource(
  source: PayloadSource,
  { digest, kind, length, shape }: StoredPayload,
): SegmentSource {
  let crc = 0;
  return {
    digest,
    kind,
    length,
    ...(shape !== undefined && { shape }),
    /** The CRC-32 of what was read: it is asked for when the payload is written. */
    get crc() {
      return crc;
    },
    *chunks() {
      crc = 0;
      // Opened anew, for it may have been moved since it was found.
      const payload = source.open(digest);
      const buffer = new Uint8Array(Math.min(PIECE_BYTES, length));
      for (let at = 0; at < length; at += buffer.length) {
        const piece = buffer.subarray(0, Math.min(buffer.length, length - at));
        if (payload?.read(at, piece) !== true) {
          throw new CacheMissError(
            `Cannot export the value ${digest}: it was lost meanwhile, or is damaged`,
            digest,
          );
        }
        crc = crc32(piece, crc);
        yield piece;
      }
    },
  };
}

function toShapes(sources: readonly SegmentSource[]): Map<Digest, readonly number[]> {
  const shapes = new Map<Digest, readonly number[]>();
  for (const { digest, kind, length, shape } of sources) {
    const dataset = toDatasetShape(kind, length, shape);
    if (dataset !== undefined) shapes.set(digest, dataset.dimensions);
  }
  return shapes;
}

/** Large arrays are once in the file, and where they belong are links to them. */
function toLinks(
  output: Hdf5Output,
  shapes: ReadonlyMap<Digest, readonly number[]>,
): ExportLayout {
  return {
    links: true,
    writeStored(path, { digest, shape }) {
      const stored = shapes.get(digest);
      if (stored === undefined) return undefined;
      // The numbers of this array are in the file with another shape.
      if (shape !== undefined && stored.join() !== shape.join()) return false;
      output.createHardLink(path, `/values/${digest}`);
      return true;
    },
  };
}

/** Each array is where it belongs, as often as it is there. */
function toCopies(
  output: Hdf5Output,
  shapes: ReadonlyMap<Digest, readonly number[]>,
  sources: ReadonlyMap<Digest, SegmentSource>,
): ExportLayout {
  return {
    links: false,
    writeStored(path, { digest, kind, shape = shapes.get(digest) }) {
      const stored = sources.get(digest);
      const dataset = stored && toDatasetShape(stored.kind, stored.length, shape);
      if (stored === undefined || dataset === undefined) return undefined;
      output.createDataset(path, dataset, stored.chunks());
      if (UNLIKE_HDF5.has(kind)) output.setProperty(path, "kind", kind);
      return true;
    },
  };
}

function writeCalls(
  output: Hdf5Output,
  source: PayloadSource,
  records: readonly CallRecord[],
  layout: ExportLayout,
): void {
  const format = layout.links ? EXPORT_FORMAT : PLAIN_FORMAT;
  const about = { format, version: EXPORT_VERSION };
  output.setAttribute("/", ATTRIBUTE, JSON.stringify(about));
  output.createGroup("/calls");
  const groups = new Map<string, string>();
  const names = new Set<string>();
  for (const record of records) {
    let group = groups.get(record.task);
    if (group === undefined) {
      group = `/calls/${toUniqueName({ type: "key", key: record.task }, names)}`;
      groups.set(record.task, group);
      output.createGroup(group);
    }
    writeCall(output, `${group}/${record.key}`, record, (path, digest) => {
      const node = openValue(digest, source);
      if (node !== undefined) new ExportTree(output, layout).write(path, node);
    });
  }
}

function writeCall(
  output: Hdf5Output,
  path: string,
  record: CallRecord,
  writeValue: (path: string, digest: Digest) => void,
): void {
  output.createGroup(path);
  const { task, module, key, version, started, duration, metadata, args, result } = record;
  const properties = { task, module, key, version, started: toTime(started), duration };
  for (const [name, value] of Object.entries(properties)) {
    if (value !== undefined) output.setProperty(path, name, value);
  }
  output.setProperty(path, "metadata", JSON.stringify(metadata ?? {}));
  output.setAttribute(path, "record", JSON.stringify(withoutUses(record)));
  if (record.uses !== undefined) output.setAttribute(path, "uses", JSON.stringify(record.uses));
  output.createGroup(`${path}/args`);
  const names = new Set<string>();
  for (const { name, digest, value } of args) {
    const unique = toUniqueName({ type: "key", key: name }, names);
    if (value !== undefined) writeValue(`${path}/args/${unique}`, value);
    else output.setProperty(`${path}/args`, unique, `digest ${digest}`);
  }
  writeValue(`${path}/result`, result);
}

function toTime(started: number): string | undefined {
  const time = new Date(started);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

/** Lets others run between two values. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
