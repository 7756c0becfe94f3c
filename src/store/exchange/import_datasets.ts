import { resolve } from "node:path";
import { crc32 } from "node:zlib";
import { LARGEST_BYTES } from "../../bag/bag_values.ts";
import type { DiskBag } from "../../bag/disk_bag.ts";
import type {
  ArrayBox,
  ArrayDescription,
  ArrayPlace,
  DatasetInput,
  Hdf5Environment,
} from "../../bag/hdf5/access.ts";
import { HDF5_ENVIRONMENT, openUserDatasets } from "../../bag/segment/hdf5_file.ts";
import { checkOptions, type OptionRules } from "../../base/check_options.ts";
import { BagCorruptError, QuiverError } from "../../base/errors.ts";
import { digestKey, KEY_SCHEME } from "../../call/call_key.ts";
import { encodeNdArray, encodeValue } from "../../value/codec/encode_value.ts";
import { digestArgument, PartDigest } from "../../value/digest/digest_value.ts";
import { type Digest, SPLIT_BYTES, VALUE_KIND } from "../../value/value.ts";
import { type OpenFiles, toPath } from "../open_stores.ts";
import {
  type DatasetType,
  decodeText,
  NotCarriedError,
  type NumberType,
  type TextType,
  toBlocks,
  toDatasetType,
  toNumberValue,
  toTextValue,
  turn,
} from "./dataset_type.ts";
import { type FoundDataset, walkDatasets } from "./walk_datasets.ts";

/** Options of `Bag.importDatasets`. */
export interface ImportDatasetsOptions {
  /**
   * A dataset of the file, or a group: then all datasets in it and in the groups below.
   *
   * @default {"/"}
   */
  path?: string;
  /**
   * Which part of a dataset, for each dimension `[start, end]`, the end left out; dimensions without a
   * range are taken whole. `path` is then that of a dataset.
   *
   * @default {[]}
   */
  ranges?: readonly (readonly [start: number, end: number])[];
}

/** An array that was taken in. */
export interface ImportedDataset {
  /** Where it is in the file, from its root. */
  readonly path: string;
  /** The digest of the value: what `bag.read` and `bag.slice` take, and what counts as an argument. */
  readonly digest: Digest;
  /** The lengths of its dimensions; `undefined` for one without elements (`h5py.Empty`). */
  readonly shape: readonly number[] | undefined;
  /** The type of its elements by NumPy's name, such as `"float32"`, `"bool"`, `"complex128"`, `"str"`. */
  readonly dtype: string;
  /** What it says of itself: texts, numbers and arrays by their names. */
  readonly attributes: { readonly [name: string]: unknown };
  /** The numbers of an enumeration by their names; absent for what is none. */
  readonly members?: { readonly [name: string]: number };
}

/** Something in a file that was not taken in. */
export interface SkippedDataset {
  /** Where it is in the file. */
  readonly path: string;
  /** The attribute of what is there, if it is one. */
  readonly attribute?: string;
  /** Why it was not taken in. */
  readonly reason: string;
}

/** What came of the arrays of a file. */
export interface ImportDatasetsResult {
  /** What was taken in, in the order of the file. */
  readonly datasets: readonly ImportedDataset[];
  /** What was left out, and why. */
  readonly skipped: readonly SkippedDataset[];
}

/** The call that a bag remembers an array by: with all that is known of it beside what is in it. */
const IDENTITY = { address: { module: "quiver:importDatasets", name: "importDatasets" } } as const;

const RULES: OptionRules<ImportDatasetsOptions> = {
  path: {
    allows: (value) => typeof value === "string",
    says: (name, value) => ` as "${name}" must be a text: current value is ${Deno.inspect(value)}`,
  },
  ranges: {
    allows: (value) => Array.isArray(value) && value.every(isRange),
    says: (name, value) =>
      ` as "${name}" must be [start, end] for each dimension: current value is ` +
      Deno.inspect(value),
  },
};

function isRange(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 &&
    value.every((n) => Number.isSafeInteger(n) && n >= 0) && value[0] <= value[1];
}

/** Deflate does no better than this: https://zlib.net/zlib_tech.html. */
const MOST_INFLATED = 1032;

/** What a dataset may have of which nothing was ever written. */
const MOST_UNWRITTEN = 64 * 1024 * 1024;

/** Texts are all in memory, together. */
const MOST_TEXT_BYTES = 256 * 1024 * 1024;

/** As how long texts of any length are taken when they are divided into parts: some thousands each. */
const TEXT_BYTES = 1024;

/** HDF5 and JavaScript's values know no more dimensions. */
const MAX_RANK = 32;

/**
 * Takes in arrays of a file that anybody has written.
 *
 * @param environment What the file stands on.
 * @returns What was taken in, and what was not.
 * @throws {BagCorruptError} If the file is none of HDF5's, or damaged.
 * @throws {RangeError} If there is no such path, or a range is outside of the dataset.
 * @throws {TypeError} If an option is wrong, or the dataset that the path names is not carried.
 * @throws {QuiverError} If the bag is closed or read-only.
 */
export async function importDatasets(
  opened: OpenFiles<DiskBag>,
  file: string | URL,
  options: ImportDatasetsOptions,
  environment: Hdf5Environment = HDF5_ENVIRONMENT,
): Promise<ImportDatasetsResult> {
  checkOptions("import datasets", options, RULES);
  const path = resolve(toPath(file));
  if (opened.stores.readOnly === true) {
    throw new QuiverError(
      `Cannot import "${path}": the bag "${opened.files.path}" was opened with mode: "read"`,
    );
  }
  using source = await openUserDatasets(path, environment);
  return await new DatasetImport(opened, path, source.input).run(options);
}

/** A value, and how it gets into the bag. */
interface ReadyValue {
  readonly digest: Digest;
  /** Stores it. */
  readonly store: () => Promise<void>;
}

/** The import of one file. */
class DatasetImport {
  readonly #opened: OpenFiles<DiskBag>;
  readonly #file: string;
  readonly #input: DatasetInput;
  readonly #skipped: SkippedDataset[] = [];

  constructor(opened: OpenFiles<DiskBag>, file: string, input: DatasetInput) {
    this.#opened = opened;
    this.#file = file;
    this.#input = input;
  }

  async run(
    { path = "/", ranges = [] }: ImportDatasetsOptions,
  ): Promise<ImportDatasetsResult> {
    const place = this.#ask("its groups", () => walkDatasets(this.#input, path));
    if (ranges.length > 0 && place.type === "group") {
      throw new TypeError(
        `Cannot import a part of "${place.path}" of "${this.#file}": it is a group; name a dataset`,
      );
    }
    this.#skipped.push(...place.skipped);
    const datasets: ImportedDataset[] = [];
    for (const found of place.datasets) {
      try {
        datasets.push(await this.#import(found, ranges));
      } catch (error) {
        if (!(error instanceof NotCarriedError)) throw error;
        if (place.type === "dataset") throw this.#refuse(found.path, error);
        this.#skipped.push({ path: found.path, reason: error.message });
      }
    }
    return { datasets, skipped: this.#skipped };
  }

  #refuse(path: string, cause: NotCarriedError): TypeError {
    return new TypeError(`Cannot import "${path}" of "${this.#file}": ${cause.message}`, { cause });
  }

  /** Asks the library, whose errors say that the file is damaged. */
  #ask<T>(what: string, fn: () => T): T {
    try {
      return fn();
    } catch (cause) {
      if (!(cause instanceof QuiverError) || cause instanceof NotCarriedError) throw cause;
      if (cause.message.includes("external raw data file")) {
        throw new NotCarriedError("its elements lie in another file, which is not followed", {
          cause,
        });
      }
      throw new BagCorruptError(
        `Cannot import "${this.#file}": ${what} cannot be read, as the file is damaged; what else is in it is ` +
          "imported by its own `path`",
        this.#file,
        0,
        { cause },
      );
    }
  }

  async #import(
    { path }: FoundDataset,
    ranges: readonly (readonly [start: number, end: number])[],
  ): Promise<ImportedDataset> {
    const started = Date.now();
    const what = `the dataset "${path}"`;
    const begun = performance.now();
    const description = this.#ask(what, () => this.#input.describe({ path }));
    const type = toDatasetType(description.element);
    const box = this.#toBox(path, description, ranges);
    this.#checkSize(path, type, description, box);
    const members = type.type === "numbers" ? type.members : undefined;
    const about = {
      dtype: type.dtype,
      attributes: this.#readAttributes(path),
      ...(members !== undefined && { members: { ...members } }),
    };
    const part = ranges.length === 0 ? {} : { ranges: ranges.map((range) => [...range]) };
    const args = Object.entries({ file: this.#file, path, ...part, ...about })
      .map(([name, value], position) => {
        return { name, position, digest: digestArgument(value), encoded: encodeValue(value) };
      });
    const key = digestKey(IDENTITY, args.map(({ digest }) => digest));
    const { stores, files } = this.#opened;
    // Whoever drops values meanwhile keeps those of calls in flight.
    using _lease = stores.leases.tryAcquire(key);
    const { digest, store } = await this.#read({ path }, type, description, box);
    await store();
    for (const { encoded } of args) await files.values.put(encoded);
    const { address: { module, name: task } } = IDENTITY;
    await stores.calls.put({
      key,
      scheme: KEY_SCHEME,
      module,
      task,
      args: args.map(({ encoded, ...argument }) => ({ ...argument, value: encoded.digest })),
      result: digest,
      started,
      duration: performance.now() - begun,
      metadata: {},
    });
    return { path, digest, shape: box?.count, ...about };
  }

  /** Which part of a dataset is meant; `undefined` for one that never has elements. */
  #toBox(
    path: string,
    { shape }: ArrayDescription,
    ranges: readonly (readonly [start: number, end: number])[],
  ): ArrayBox | undefined {
    const rank = shape?.length ?? 0;
    if (ranges.length > rank) {
      throw new RangeError(
        `Cannot import a part of "${path}" of "${this.#file}": it has ${rank} dimensions, and there ` +
          `are ${ranges.length} ranges`,
      );
    }
    if (shape === undefined) return undefined;
    const taken = shape.map((length, i) => ranges[i] ?? [0, length]);
    for (const [i, [, end]] of taken.entries()) {
      if (end <= (shape[i] ?? 0)) continue;
      throw new RangeError(
        `Cannot import a part of "${path}" of "${this.#file}": the range [${
          taken[i]
        }] of dimension ` +
          `${i} is not within [0, ${shape[i]}]`,
      );
    }
    return { start: taken.map(([start]) => start), count: taken.map(([a, b]) => b - a) };
  }

  #checkSize(
    path: string,
    type: DatasetType,
    { elementBytes, virtual }: ArrayDescription,
    box: ArrayBox | undefined,
  ): void {
    if (virtual) {
      throw new NotCarriedError(
        "it is virtual: its elements lie in other datasets, which are not followed; copy it into one",
      );
    }
    const [filter] = this.#ask(
      `the dataset "${path}"`,
      () => this.#input.missingFilters(path),
    );
    if (filter !== undefined) {
      throw new NotCarriedError(
        `it is compressed with "${filter}", which the HDF5 library here lacks; write it anew, as with ` +
          "h5repack -f GZIP=4",
      );
    }
    const inner = type.type === "numbers" ? type.inner : [];
    if ((box?.count.length ?? 0) + inner.length > MAX_RANK) {
      throw new NotCarriedError(`it has more than ${MAX_RANK} dimensions`);
    }
    const bytes = (box?.count ?? [0]).reduce((product, n) => product * n, elementBytes);
    const most = Math.max(this.#input.size * MOST_INFLATED, MOST_UNWRITTEN);
    if (!(bytes <= most)) {
      throw new NotCarriedError(
        `it says that it has ${bytes} bytes, more than a file of ${this.#input.size} can hold; import ` +
          "a part of it with `ranges`",
      );
    }
    const largest = type.type === "texts" ? MOST_TEXT_BYTES : LARGEST_BYTES;
    if (bytes > largest) {
      const what = type.type === "texts" ? "texts have" : "a value has";
      throw new NotCarriedError(
        `it has ${bytes} bytes, and ${what} ${largest} at the most; import parts of it with \`ranges\``,
      );
    }
  }

  #readAttributes(path: string): { [name: string]: unknown } {
    const names = this.#ask(
      `the attributes of "${path}"`,
      () => this.#input.attributeNames(path),
    );
    const attributes: [string, unknown][] = [];
    for (const attribute of names) {
      const place = { path, attribute };
      const what = `the attribute "${attribute}" of "${path}"`;
      try {
        const description = this.#ask(what, () => this.#input.describe(place));
        const type = toDatasetType(description.element);
        attributes.push([attribute, this.#readSmall(place, type, description.shape)]);
      } catch (error) {
        if (!(error instanceof NotCarriedError)) throw error;
        this.#skipped.push({ path, attribute, reason: error.message });
      }
    }
    return Object.fromEntries(attributes);
  }

  /** Reads all of an array into memory. */
  #readSmall(
    place: ArrayPlace,
    type: DatasetType,
    shape: readonly number[] | undefined,
    box?: ArrayBox,
  ): unknown {
    if (shape === undefined) return null;
    const count = shape.reduce((product, n) => product * n, 1);
    if (type.type === "texts") {
      const texts = count === 0 ? [] : this.#readTexts(place, type, shape, box);
      return toTextValue(texts, shape);
    }
    const what = place.attribute === undefined
      ? `the dataset "${place.path}"`
      : `the attribute "${place.attribute}" of "${place.path}"`;
    const bytes = count === 0
      ? new Uint8Array(0)
      : turn(this.#ask(what, () => this.#input.readBytes(place, box)), type);
    return toNumberValue(bytes, type, [...shape, ...type.inner]);
  }

  #readTexts(
    place: ArrayPlace,
    type: TextType,
    shape: readonly number[],
    box: ArrayBox | undefined,
  ): string[] {
    const what = `the texts of "${place.path}"`;
    const { bytes } = type;
    if (bytes !== undefined) {
      const all = this.#ask(what, () => this.#input.readBytes(place, box));
      return Array.from(
        { length: all.length / bytes },
        (_, i) => decodeText(all.subarray(i * bytes, (i + 1) * bytes), type),
      );
    }
    let rest = MOST_TEXT_BYTES;
    const read = (part: ArrayBox | undefined): string[] => {
      const texts = this.#ask(what, () => this.#input.readTexts(place, part));
      for (const { length } of texts) rest -= length;
      if (rest >= 0) return texts.map((text) => decodeText(text, type));
      throw new NotCarriedError(
        `its texts have more than ${MOST_TEXT_BYTES} bytes together; import parts of it with \`ranges\``,
      );
    };
    if (place.attribute !== undefined || shape.length === 0) return read(undefined);
    return Array.from(toPartsOf(shape, box)).flatMap(read);
  }

  async #read(
    place: ArrayPlace,
    type: DatasetType,
    { elementBytes, chunk }: ArrayDescription,
    box: ArrayBox | undefined,
  ): Promise<ReadyValue> {
    const { values } = this.#opened.files;
    const shape = box?.count;
    const length = shape?.reduce((product, n) => product * n, elementBytes) ?? 0;
    if (shape === undefined || type.type === "texts" || length < SPLIT_BYTES) {
      const value = encodeValue(this.#readSmall(place, type, shape, box));
      return { digest: value.digest, store: async () => await values.put(value) };
    }
    const plan = { shape, bytes: elementBytes, ...(chunk !== undefined && { chunk }) };
    const chunks = () => this.#readBlocks(place, type, toBlocks(plan), box?.start ?? []);
    const hash = new PartDigest(type.kind, length);
    let crc = 0;
    for (const piece of chunks()) {
      hash.update(piece);
      crc = crc32(piece, crc);
      await pause();
    }
    const digest = hash.end();
    const whole = [...shape, ...type.inner];
    const source = {
      digest,
      kind: VALUE_KIND[type.kind],
      length,
      crc,
      ...(whole.length > 1 && { shape: whole }),
      chunks,
    };
    if (whole.length === 1) return { digest, store: () => values.putPieces(source) };
    const value = encodeNdArray(digest, whole);
    const store = async () => {
      await values.putPieces(source);
      await values.put(value);
    };
    return { digest: value.digest, store };
  }

  *#readBlocks(
    place: ArrayPlace,
    type: NumberType,
    blocks: Iterable<ArrayBox>,
    origin: readonly number[],
  ): Generator<Uint8Array<ArrayBuffer>> {
    for (const { start, count } of blocks) {
      const box = { start: start.map((index, i) => index + (origin[i] ?? 0)), count };
      yield turn(
        this.#ask(`the dataset "${place.path}"`, () => this.#input.readBytes(place, box)),
        type,
      );
    }
  }
}

/** The parts in which texts of any length are read. */
function* toPartsOf(shape: readonly number[], box: ArrayBox | undefined): Generator<ArrayBox> {
  for (const { start, count } of toBlocks({ shape, bytes: TEXT_BYTES })) {
    yield { start: start.map((index, i) => index + (box?.start[i] ?? 0)), count };
  }
}

/** Lets others run. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
