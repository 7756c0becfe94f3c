import { QuiverError } from "../../base/errors.ts";
import type {
  ArrayBox,
  ArrayDescription,
  ArrayPlace,
  DatasetInput,
  ElementType,
} from "./access.ts";
import { type Metadata, Module } from "./h5wasm.ts";
import { LibraryMemory, OpenFile } from "./open_file.ts";

/** The numbers of HDF5's classes of types; the library's own list lacks the last. */
const CLASS = {
  integer: 0,
  float: 1,
  time: 2,
  text: 3,
  bits: 4,
  opaque: 5,
  compound: 6,
  reference: 7,
  enum: 8,
  sequence: 9,
  array: 10,
  complex: 11,
} as const;

const PADDINGS = ["terminated", "nuls", "spaces"] as const;

/** The filters that are built into the library, by their numbers. */
const BUILT_IN: ReadonlySet<number> = new Set([1, 2, 3, 4, 5, 6]);

/** All that the library complains of where it leaves the byte order of an enumeration as it is. */
const FIXED_ORDER = /^HDF5-DIAG:(?!.*HDF5-DIAG:).*H5Torder\.c.*enum members are defined/s;

/** What the library complains of where a link leads to itself, to another file, or to nothing. */
const LOST_LINK = /too many links|external link|symbolic link traversal failed/;

/** What `kindOf()` says of the library's numbers. */
const KINDS: ReadonlyMap<number, "group" | "dataset" | "other"> = new Map([
  [0, "group"],
  [1, "dataset"],
  [2, "other"],
]);

/** An HDF5 file of anybody's, of which arrays are read. */
export class DatasetReader extends OpenFile implements DatasetInput {
  /** As the interface says. */
  get size(): number {
    return this.file.size;
  }

  names(group: string): string[] {
    return this.call(
      `list "${group}"`,
      () => Array.from(Module.get_names(this.id, group, false)),
    );
  }

  linkTarget(path: string): { readonly external: boolean; readonly target: string } | undefined {
    return this.call(`read link "${path}"`, () => {
      // The types of h5wasm leave out that there may be none.
      const soft: string | null = Module.get_symbolic_link(this.id, path);
      if (soft !== null) return { external: false, target: soft };
      const { filename }: { filename?: string } = Module.get_external_link(this.id, path);
      return filename === undefined ? undefined : { external: true, target: filename };
    });
  }

  kindOf(path: string): "group" | "dataset" | "other" | "nothing" {
    try {
      const type = this.call(`look at "${path}"`, () => Module.get_type(this.id, path));
      return KINDS.get(type) ?? "nothing";
    } catch (error) {
      if (error instanceof QuiverError && LOST_LINK.test(error.message)) return "nothing";
      throw error;
    }
  }

  identify(path: string): string {
    const action = `look at "${path}"`;
    return this.call(action, () => {
      return Uint8Array.from(Module.create_object_reference(this.id, path)).toHex();
    });
  }

  attributeNames(path: string): string[] {
    return this.call(
      `list the attributes of "${path}"`,
      () => Array.from(Module.get_attribute_names(this.id, path)),
    );
  }

  describe(place: ArrayPlace): ArrayDescription {
    return this.call(`describe ${nameOf(place)}`, () => {
      const metadata = this.#metadata(place);
      const { size, shape, chunks, virtual_sources } = metadata;
      return {
        element: toElement(metadata),
        elementBytes: size,
        shape: shape?.map(Number) ?? undefined,
        ...(chunks && { chunk: chunks.map(Number) }),
        virtual: virtual_sources !== undefined,
      };
    });
  }

  #metadata({ path, attribute }: ArrayPlace): Metadata {
    return attribute === undefined
      ? Module.get_dataset_metadata(this.id, path)
      : Module.get_attribute_metadata(this.id, path, attribute);
  }

  missingFilters(path: string): string[] {
    return this.call(`list the filters of "${path}"`, () => {
      return Module.get_dataset_filters(this.id, path)
        .filter(({ id }) => !BUILT_IN.has(id))
        .map(({ id, name }) => name === "" ? `number ${id}` : name);
    });
  }

  readBytes(place: ArrayPlace, box?: ArrayBox): Uint8Array<ArrayBuffer> {
    return this.#read(place, box, (memory) => memory.copy());
  }

  readTexts(place: ArrayPlace, box?: ArrayBox): Uint8Array<ArrayBuffer>[] {
    return this.#read(place, box, (memory) => {
      try {
        const pointers = new Uint32Array(memory.copy().buffer);
        return Array.from(pointers, copyText);
      } finally {
        this.#reclaim(place, box, memory);
      }
    });
  }

  #read<T>(
    place: ArrayPlace,
    box: ArrayBox | undefined,
    take: (memory: LibraryMemory) => T,
  ): T {
    const action = `read ${nameOf(place)}`;
    const read = () => {
      const { size, total_size } = this.#metadata(place);
      const count = box === undefined ? total_size : product(box.count);
      // An attribute lies in the file as it is, and only whoever reads a dataset knows how much is apt.
      if (place.attribute !== undefined && !(size * count <= this.file.size)) {
        throw new QuiverError(`Cannot ${action} as HDF5: it is larger than the file`);
      }
      using memory = new LibraryMemory(size * count);
      // What stands in the memory of a read that failed leads anywhere.
      return this.#fill(place, box, memory.address) < 0 ? undefined : { taken: take(memory) };
    };
    const result = this.call(action, read, FIXED_ORDER);
    if (result === undefined) throw new QuiverError(`Cannot ${action} as HDF5: it is damaged`);
    return result.taken;
  }

  #fill({ path, attribute }: ArrayPlace, box: ArrayBox | undefined, at: bigint): number {
    if (attribute !== undefined) {
      return Module.get_attribute_data(this.id, path, attribute, at);
    }
    if (box === undefined || box.count.length === 0) {
      return Module.get_dataset_data(this.id, path, null, null, null, at);
    }
    const [counts, starts] = [box.count.map(BigInt), box.start.map(BigInt)];
    return Module.get_dataset_data(this.id, path, counts, starts, counts.map(() => 1n), at);
  }

  #reclaim({ path, attribute = "" }: ArrayPlace, box: ArrayBox | undefined, memory: LibraryMemory) {
    const { address } = memory;
    if (box === undefined || box.count.length === 0) {
      Module.reclaim_vlen_memory(this.id, path, attribute, address);
    } else {
      Module.reclaim_vlen_memory_count(this.id, path, attribute, address, box.count.map(BigInt));
    }
  }
}

function nameOf({ path, attribute }: ArrayPlace): string {
  return attribute === undefined ? `dataset "${path}"` : `attribute "${attribute}" of "${path}"`;
}

function product(lengths: readonly number[]): number {
  return lengths.reduce((all, length) => all * length, 1);
}

function copyText(at: number): Uint8Array<ArrayBuffer> {
  const heap = Module.HEAPU8;
  // Nothing was written there.
  if (at === 0) return new Uint8Array(0);
  const end = heap.indexOf(0, at);
  return new Uint8Array(heap.slice(at, end === -1 ? at : end));
}

function toElement(metadata: Metadata): ElementType {
  const { type, size: bytes, signed, littleEndian } = metadata;
  const { array_type, compound_type, enum_type, vlen, strpad = 0 } = metadata;
  if (type === CLASS.integer || type === CLASS.bits) {
    return { type: type === CLASS.bits ? "bits" : "integer", bytes, signed, littleEndian };
  }
  if (type === CLASS.float) return { type: "float", bytes, littleEndian };
  if (type === CLASS.complex) return { type: "complex", bytes, littleEndian };
  if (type === CLASS.text) {
    return { type: "text", padding: PADDINGS[strpad] ?? "nuls", ...(!vlen && { bytes }) };
  }
  if (type === CLASS.enum && enum_type !== undefined) {
    const of = { type: "integer", bytes, signed, littleEndian } as const;
    return { type: "enum", of, members: { ...enum_type.members } };
  }
  if (type === CLASS.array && array_type !== undefined) {
    return { type: "array", of: toElement(array_type), dimensions: array_type.shape ?? [] };
  }
  if (type === CLASS.compound && compound_type !== undefined) {
    const members = Array.from(compound_type.members, (member) => {
      return { name: member.name, offset: member.offset, of: toElement(member) };
    });
    return { type: "compound", bytes, members };
  }
  const name = Object.entries(CLASS).find(([, number]) => number === type)?.[0];
  return { type: "other", name: name ?? `class ${type}` };
}
