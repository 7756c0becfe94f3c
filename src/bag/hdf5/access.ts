/**
 * What the bag wants of an HDF5 library.
 *
 * @module
 */
import type { FilePlace, FileSystem } from "../../disk/file_system.ts";
import type { PositionedFile } from "./emscripten_fs.ts";

/** What a dataset is like. */
export interface DatasetShape {
  /** The type of an element, or the columns of a table. */
  readonly type: string | readonly (readonly [name: string, type: string])[];
  /** The number of elements. */
  readonly count: number;
  /** The size of all elements in bytes. */
  readonly length: number;
  /** The lengths of the dimensions; one dimension if not given. */
  readonly dimensions?: readonly number[];
}

/** How a dataset is compressed. */
export interface ChunkOptions {
  /** The lengths of a chunk's dimensions. */
  readonly shape: readonly number[];
  /** The level of the filter deflate, 1 to 9. */
  readonly level: number;
}

/** A chunk of a dataset. */
export interface DatasetChunk {
  /** Where in the dataset it begins, in each dimension. */
  readonly start: readonly number[];
  /** How many elements it has in each dimension. */
  readonly count: readonly number[];
  /** Its raw bytes. */
  readonly bytes: Uint8Array;
}

/** The dimensions of a dataset. */
export interface DatasetDimensions {
  /** Their lengths. */
  readonly shape: readonly number[];
  /** The lengths of a chunk's dimensions; absent without chunks. */
  readonly chunk?: readonly number[];
}

/** A part of a dataset. */
export interface DatasetPart {
  /** Its raw bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What was read of the file for it. */
  readonly reads: readonly FilePlace[];
}

/** An HDF5 file that is being written. */
export interface Hdf5Output {
  /** Makes a group. */
  createGroup(path: string): void;
  /**
   * Makes a contiguous dataset.
   *
   * @param path Where in the file.
   * @param shape What it is like.
   * @param chunks Its raw bytes, in pieces; taken before this returns.
   * @returns Where in the file the raw bytes lie, or `undefined` when that could not be seen.
   */
  createDataset(
    path: string,
    shape: DatasetShape,
    chunks: Iterable<Uint8Array>,
  ): number | undefined;
  /**
   * Makes a compressed dataset.
   *
   * @param path Where in the file.
   * @param shape What it is like.
   * @param options How it is compressed.
   * @param chunks All of its chunks, one at a time.
   * @returns For each chunk, where in the file it may lie: to be confirmed by its checksum.
   */
  createChunkedDataset(
    path: string,
    shape: Required<DatasetShape>,
    options: ChunkOptions,
    chunks: Iterable<DatasetChunk>,
  ): (readonly FilePlace[])[];
  /** Gives a dataset an attribute that is a text. */
  setAttribute(path: string, name: string, text: string): void;
  /** Makes a dataset of a text without dimensions, or of a row of texts. */
  createText(path: string, texts: string | readonly string[]): void;
  /** Gives a group or dataset an attribute that tools show as a text or a number. */
  setProperty(path: string, name: string, value: string | number): void;
  /** Makes another name for what has a name in this file. */
  createHardLink(path: string, target: string): void;
  /** Makes a link to a name in this file. */
  createSoftLink(path: string, target: string): void;
  /** Makes a link to something in another file, whose name is relative to this file. */
  createExternalLink(path: string, file: string, target: string): void;
  /** Completes the file. */
  close(): void;
}

/** An HDF5 file that is being read. */
export interface Hdf5Input {
  /** The names in a group. */
  names(group: string): string[];
  /** The dimensions of a dataset, and those of its chunks if it has chunks. */
  describeDataset(path: string): DatasetDimensions;
  /** A part of a dataset that lies in one chunk, and where that chunk may lie in the file. */
  readPart(path: string, start: readonly number[], count: readonly number[]): DatasetPart;
  /** Where in the file the raw bytes of a dataset lie; to be confirmed by their checksum. */
  locateDataset(path: string): number | undefined;
  /** The size of the raw bytes of a dataset. */
  measureDataset(path: string): number;
  /** The raw bytes of a dataset. */
  readDataset(path: string): Uint8Array<ArrayBuffer>;
  /** Tells whether a group or dataset has an attribute. */
  hasAttribute(path: string, name: string): boolean;
  /** An attribute that is a text. */
  readAttribute(path: string, name: string): string;
  /** What a link to something in another file says. */
  readExternalLink(path: string): { readonly file: string; readonly target: string };
  /** Lets go of the file. */
  close(): void;
}

/** What an element of an array is in any HDF5 file, by the file's own word. */
export type ElementType =
  | {
    readonly type: "integer" | "bits";
    readonly bytes: number;
    readonly signed: boolean;
    readonly littleEndian: boolean;
  }
  | { readonly type: "float"; readonly bytes: number; readonly littleEndian: boolean }
  | {
    readonly type: "text";
    /** The size of a text, those that are shorter padded; absent where texts are of any length. */
    readonly bytes?: number;
    readonly padding: "terminated" | "nuls" | "spaces";
  }
  | {
    readonly type: "enum";
    readonly of: ElementType;
    readonly members: { readonly [name: string]: number };
  }
  | { readonly type: "array"; readonly of: ElementType; readonly dimensions: readonly number[] }
  | { readonly type: "compound"; readonly bytes: number; readonly members: readonly TypeMember[] }
  | { readonly type: "complex"; readonly bytes: number; readonly littleEndian: boolean }
  | { readonly type: "other"; readonly name: string };

/** A member of a compound. */
export interface TypeMember {
  /** What it is called. */
  readonly name: string;
  /** Where in the compound it begins, in bytes. */
  readonly offset: number;
  /** What it is. */
  readonly of: ElementType;
}

/** What an array is like in any HDF5 file, by the file's own word. */
export interface ArrayDescription {
  /** What its elements are. */
  readonly element: ElementType;
  /** The size of an element in memory, in bytes. */
  readonly elementBytes: number;
  /** The lengths of its dimensions; `undefined` for one that has no elements and never will. */
  readonly shape: readonly number[] | undefined;
  /** The lengths of a chunk's dimensions; absent without chunks. */
  readonly chunk?: readonly number[];
  /** Whether its elements lie in other datasets. */
  readonly virtual: boolean;
}

/** Where an attribute or dataset is. */
export interface ArrayPlace {
  /** The path of the dataset or group. */
  readonly path: string;
  /** The name of the attribute, if it is one. */
  readonly attribute?: string;
}

/** A part of a dataset. */
export interface ArrayBox {
  /** Where it begins, in each dimension. */
  readonly start: readonly number[];
  /** How many elements it has in each dimension. */
  readonly count: readonly number[];
}

/** An HDF5 file of anybody's, of which arrays are read, whatever their type. */
export interface DatasetInput {
  /** The size of the file in bytes. */
  readonly size: number;
  /** The names in a group. */
  names(group: string): string[];
  /** The path or file that a link leads to, or `undefined` when the name is no such link. */
  linkTarget(path: string): { readonly external: boolean; readonly target: string } | undefined;
  /** What there is; links in the file are followed. */
  kindOf(path: string): "group" | "dataset" | "other" | "nothing";
  /** The same for two paths that lead to the same thing. */
  identify(path: string): string;
  /** The names of what a group or dataset says of itself. */
  attributeNames(path: string): string[];
  /** What an array is like; none of it is read. */
  describe(place: ArrayPlace): ArrayDescription;
  /** The names of the filters that are needed to read a dataset, and that the library lacks. */
  missingFilters(path: string): string[];
  /**
   * Reads elements, one behind the other: numbers in the byte order of this machine, but those of an
   * enumeration in that of the file.
   *
   * @param box Which part of a dataset; all if not given, as always of an attribute.
   */
  readBytes(place: ArrayPlace, box?: ArrayBox): Uint8Array<ArrayBuffer>;
  /**
   * Reads texts of any length, one behind the other.
   *
   * @param box Which part of a dataset; all if not given, as always of an attribute.
   */
  readTexts(place: ArrayPlace, box?: ArrayBox): Uint8Array<ArrayBuffer>[];
  /** Lets go of the file. */
  close(): void;
}

/** What opens HDF5 files: the library, or what a test puts in its place. */
export interface Hdf5Access {
  /**
   * Begins a new HDF5 file.
   *
   * @returns What writes it.
   */
  create(file: PositionedFile): Hdf5Output;
  /**
   * Opens an HDF5 file for reading.
   *
   * @returns What reads it.
   */
  open(file: PositionedFile): Hdf5Input;
  /**
   * Opens an HDF5 file of anybody's for reading arrays.
   *
   * @returns What reads it.
   */
  openDatasets(file: PositionedFile): DatasetInput;
}

/** What HDF5 files stand on; a test puts other things in their place. */
export interface Hdf5Environment {
  /** The seam. */
  readonly fileSystem: FileSystem;
  /** Loads the HDF5 library; only called when there is something to write or read with it. */
  readonly loadLibrary: () => Promise<Hdf5Access>;
}
