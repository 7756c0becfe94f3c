import { Buffer } from "node:buffer";
import { openIfThere, readIfWhole, replaceFile } from "../../disk/file_system.ts";
import {
  toSegmentIndexPath,
  toSegmentName,
  toSegmentPath,
  toSegmentPaths,
} from "../../disk/layout.ts";
import type { Digest } from "../../value/value.ts";
import { checkBag } from "../bag_json.ts";
import { createToSource } from "../fold/merge.ts";
import { type Manifest, type SegmentEntry, toNextSegment, writeManifest } from "../manifest.ts";
import { concatenate, iteratePayloads } from "../segment/rebuild_index.ts";
import { encodeSegmentIndex, type IndexedPayload, measure, sealSegment } from "../segment/seal.ts";
import { createSegmentReader, SealedPayload } from "../segment/sealed_payload.ts";
import { SegmentTable } from "../segment/segment_table.ts";
import type { SegmentSource } from "../segment/segment_writer.ts";
import { LOCATION, type TableRow } from "../table/digest_table.ts";
import type { CheckedManifest } from "./check_manifest.ts";
import { StepReport, type VerifyContext, type VerifyFinding } from "./report.ts";

/** How much of a table is compared at once. */
const PIECE_BYTES = 256 * 1024;

/** What is live once the manifest is switched. */
export interface CheckedSegments {
  /** What was found in segments. */
  readonly segments: StepReport;
  /** What was found in their tables. */
  readonly tables: StepReport;
  /** What is live from now on; the same object as before if nothing was changed. */
  readonly manifest: Manifest;
  /** Files that nothing names after the switch; they are in quarantine already. */
  readonly replaced: readonly string[];
}

/**
 * Checks all segments and their tables.
 *
 * A repair makes a table again whose segment is sound. Of a segment that is damaged itself, all
 * values that are whole go into a new one.
 *
 * @param context What all steps have in common.
 * @param checked What is live, and whether that is what the manifest says.
 * @param isCondemned Tells copies that are whole but wrong; a repair leaves them out.
 * @returns What was found, and what is live from now on.
 */
export async function checkSegments(
  context: VerifyContext,
  { manifest, changed }: Pick<CheckedManifest, "manifest" | "changed">,
  isCondemned: (source: SegmentSource) => boolean = () => false,
): Promise<CheckedSegments> {
  const segments = new StepReport("segments");
  const tables = new StepReport("tables");
  const live: SegmentEntry[] = [];
  const replaced: string[] = [];
  let next = toNextSegment(manifest);
  let reserved = manifest;
  for (const entry of manifest.segments) {
    const examined = await examineSegment(context, segments, entry);
    count(segments, tables, examined);
    const sources = examined.sources();
    const kept = sources.filter((source) => !isCondemned(source));
    if (examined.findings.length > 0 || kept.length < sources.length) {
      if (context.quarantine === undefined) continue;
      if (reserved === manifest && !changed) reserved = reserveNumbers(context, manifest);
      const name = toSegmentName(next);
      const renewed = await replaceSegment(context, segments, entry.name, name, kept);
      replaced.push(...toSegmentPaths(context.layout, entry.name));
      if (renewed !== undefined) {
        live.push(renewed);
        next++;
      }
    } else {
      live.push(examined.entry);
      renewTable(context, tables, examined);
    }
    await context.pause(segments);
  }
  if (context.quarantine === undefined) return { segments, tables, manifest, replaced };
  segments.repairAll();
  tables.repairAll();
  if (JSON.stringify(live) === JSON.stringify(manifest.segments)) {
    return { segments, tables, manifest: reserved, replaced };
  }
  const nextSegment = Math.max(next, reserved.nextSegment);
  const repaired = { ...reserved, segments: live, nextSegment };
  return { segments, tables, manifest: repaired, replaced };
}

/**
 * Takes numbers for the segments that a repair writes before its switch. If it is killed, they are
 * older than the manifest, and the next fold removes them; newer ones it would refuse to.
 */
function reserveNumbers({ fileSystem, layout }: VerifyContext, manifest: Manifest): Manifest {
  const { generation, segments } = manifest;
  const reserved = {
    ...manifest,
    generation: generation + 1,
    nextSegment: toNextSegment(manifest) + segments.length,
  };
  writeManifest(fileSystem, layout, reserved);
  return reserved;
}

function count(
  segments: StepReport,
  tables: StepReport,
  { entry, findings, tableProblem }: ExaminedSegment,
): void {
  tables.checked++;
  for (const { count, ...finding } of findings) segments.find(finding, count);
  if (tableProblem !== undefined) {
    tables.find({ file: `segments/${entry.name}.index`, problem: tableProblem });
  }
}

/** Nobody looks at the new segment before the manifest names it. */
async function replaceSegment(
  context: VerifyContext,
  report: StepReport,
  old: string,
  name: string,
  sources: readonly SegmentSource[],
): Promise<SegmentEntry | undefined> {
  const { layout, quarantine } = context;
  for (const path of toSegmentPaths(layout, old)) {
    if (quarantine?.copy(path)) report.quarantined++;
  }
  if (sources.length === 0) return undefined;
  const pause = () => context.pause(report);
  return await sealSegment({ ...context, pause, ...checkBag(layout) }, name, sources);
}

function renewTable(
  { fileSystem, layout, quarantine }: VerifyContext,
  report: StepReport,
  { entry, tableProblem, table }: ExaminedSegment,
): void {
  if (quarantine === undefined || tableProblem === undefined || table === undefined) return;
  const path = toSegmentIndexPath(layout, entry.name);
  if (quarantine.copy(path)) report.quarantined++;
  replaceFile(fileSystem, path, [table]);
}

/** Something that is wrong with several values. */
interface CountedFinding extends VerifyFinding {
  /** With how many. */
  readonly count: number;
}

/** What a segment and its table look like. */
interface ExaminedSegment {
  /** The segment, as it is. */
  readonly entry: SegmentEntry;
  /** What is wrong with the segment. */
  readonly findings: readonly CountedFinding[];
  /** What is wrong with the table. */
  readonly tableProblem: string | undefined;
  /** What the table should say; absent when the library cannot read the segment. */
  readonly table: Uint8Array<ArrayBuffer> | undefined;
  /** All payloads that have their checksum, each digest once. */
  readonly sources: () => SegmentSource[];
}

/**
 * Reads all of a segment twice: by its table, as the bag does, and with the HDF5 library, as others
 * do. Both must give the same.
 *
 * @param context What all steps have in common.
 * @param report The step that this is a part of.
 * @returns What was found.
 */
async function examineSegment(
  context: VerifyContext,
  report: StepReport,
  entry: SegmentEntry,
): Promise<ExaminedSegment> {
  const { layout } = context;
  using file = openIfThere(toSegmentPath(layout, entry.name));
  const payloads = file && await readPayloads(context, report, file);
  const table = file && payloads && concatenate(encodeSegmentIndex(file, payloads));
  using index = openIfThere(toSegmentIndexPath(layout, entry.name));
  const known = SegmentTable.read(layout, entry.name, context.handles, { anyLength: true });
  // Rows of the segment itself are in the table whatever has become of what they name.
  const isAll = known?.packedSize === payloads?.filter(({ packed }) => packed !== undefined).length;
  if (!isAll || table === undefined || index === undefined || !hasContent(index, table)) {
    const problem = file === undefined
      ? "it is missing"
      : payloads === undefined
      ? "it cannot be read as HDF5"
      : undefined;
    const seen = toSources(context, entry.name, payloads ?? []);
    const examination = new Examination(context, entry);
    await examination.readTable(index !== undefined, known, () => context.pause(report));
    return { ...examination.end(seen, problem), table };
  }
  // The library found all that the table says, each with its checksum.
  const found = measure((payloads ?? []).map(({ row }) => row));
  return {
    entry: { ...entry, ...found },
    findings: findMissing(entry, found.values),
    tableProblem: undefined,
    table,
    sources: () => toSources(context, entry.name, payloads ?? []),
  };
}

/** Whatever a file has, no more memory is taken for it. What its disk does not give is not the same. */
function hasContent(file: Deno.FsFile, content: Uint8Array): boolean {
  const size = file.seekSync(0, Deno.SeekMode.End);
  if (size !== content.length) return false;
  const buffer = new Uint8Array(Math.min(size, PIECE_BYTES));
  for (let at = 0; at < size; at += buffer.length) {
    const piece = buffer.subarray(0, size - at);
    if (!readIfWhole(file, at, piece)) return false;
    if (Buffer.compare(piece, content.subarray(at, at + piece.length)) !== 0) return false;
  }
  return true;
}

/** All payloads that the library finds whole, or `undefined` when it cannot read the segment. */
async function readPayloads(
  context: VerifyContext,
  report: StepReport,
  file: Deno.FsFile,
): Promise<IndexedPayload[] | undefined> {
  const payloads: IndexedPayload[] = [];
  for (const payload of iteratePayloads(context, file)) {
    if (payload === undefined) return undefined;
    payloads.push(payload);
    report.checked++;
    report.bytes += payload.row.length;
    await context.pause(report);
  }
  return payloads;
}

/** Goes over a segment value by value, as its table has them. */
class Examination {
  readonly #context: VerifyContext;
  readonly #entry: SegmentEntry;
  readonly #findings: CountedFinding[] = [];
  readonly #whole = new Map<Digest, SegmentSource>();
  #damaged = 0;
  #tableProblem: string | undefined;

  constructor(context: VerifyContext, entry: SegmentEntry) {
    this.#context = context;
    this.#entry = entry;
  }

  async readTable(
    isThere: boolean,
    table: SegmentTable | undefined,
    pause: () => Promise<void>,
  ): Promise<void> {
    if (!isThere) this.#tableProblem = "it is missing";
    else if (table === undefined) this.#tableProblem = "it is damaged";
    else await this.#readRows(table, pause);
  }

  async #readRows(table: SegmentTable, pause: () => Promise<void>): Promise<void> {
    const { layout, handles } = this.#context;
    const { name } = this.#entry;
    const toSource = createToSource(layout, handles, name);
    const reader = createSegmentReader(layout, handles, name);
    for (const row of table.rows()) {
      const inTable = row.location === LOCATION.table;
      const { details } = new SealedPayload(reader, row);
      // What the table does not tell, the library does.
      const lost = row.details !== undefined && Object.keys(details).length === 0;
      if (lost) this.#tableProblem = "it is damaged";
      if (lost && row.location === LOCATION.chunks) continue;
      const source = toSource(row, details);
      if (source.isWhole()) this.#whole.set(row.digest, source);
      else if (inTable) this.#tableProblem = "it is damaged";
      else this.#findDamaged(row);
      await pause();
    }
  }

  #findDamaged({ digest, offset, location }: TableRow): void {
    this.#damaged++;
    const file = `segments/${this.#entry.name}.h5`;
    const at = location === LOCATION.chunks ? {} : { offset };
    this.#find({ file, ...at, problem: `the value ${digest} is damaged` });
  }

  /** Compares with what the library sees, and sums up. */
  end(seen: readonly SegmentSource[], problem: string | undefined): Omit<ExaminedSegment, "table"> {
    const file = `segments/${this.#entry.name}.h5`;
    if (problem !== undefined) this.#find({ file, problem });
    else this.#compare(seen, file);
    const sources = Array.from(this.#whole.values());
    const missing = findMissing(this.#entry, sources.length + this.#damaged);
    this.#findings.push(...missing);
    return {
      entry: { ...this.#entry, ...measure(sources) },
      findings: this.#findings,
      tableProblem: this.#tableProblem,
      sources: () => sources,
    };
  }

  #compare(seen: readonly SegmentSource[], file: string): void {
    const digests = new Set(seen.map((source) => source.digest));
    for (const digest of this.#whole.keys()) {
      if (digests.has(digest)) continue;
      this.#find({ file, problem: `HDF5 tools do not find the value ${digest} whole` });
    }
    for (const source of seen) {
      const known = this.#whole.get(source.digest);
      // Where the bytes lie may differ: the library does not always tell, and then the table has them.
      if (known !== undefined && isSame(known, source)) continue;
      this.#tableProblem ??= "it does not agree with its segment";
      this.#whole.set(source.digest, source);
    }
  }

  #find(finding: VerifyFinding): void {
    this.#findings.push({ ...finding, count: 1 });
  }
}

function isSame(one: SegmentSource, other: SegmentSource): boolean {
  return one.kind === other.kind && one.crc === other.crc &&
    String(one.shape) === String(other.shape);
}

function findMissing({ name, values }: SegmentEntry, there: number): CountedFinding[] {
  const count = values - there;
  const problem = `${count} of its ${values} values are not there`;
  return count > 0 ? [{ file: `segments/${name}.h5`, problem, count }] : [];
}

function toSources(
  { layout, handles }: VerifyContext,
  name: string,
  payloads: readonly IndexedPayload[],
): SegmentSource[] {
  const toSource = createToSource(layout, handles, name);
  return payloads.map(({ row, inline, details = {} }) => {
    if (inline === undefined) return toSource(row, details);
    const { shape } = details;
    return { ...row, ...(shape !== undefined && { shape }), chunks: () => [inline] };
  });
}
