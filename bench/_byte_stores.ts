/**
 * Stores of bytes under keys, behind one face: a plain file each, the bag, and its peers.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { openBag } from "@quiver/quiver";
import cacache from "cacache";
import { open as openLmdb } from "lmdb";

/** What a value survives once it is put. */
export type Durability = "process" | "power";

/** Keeps bytes. */
export interface ByteStore extends AsyncDisposable {
  /** What it is called in tables. */
  readonly name: string;
  /** Keeps bytes that are not there yet; they are safe when this has settled. */
  put(key: string, bytes: Uint8Array<ArrayBuffer>): unknown;
  /** Gives the bytes that were put under a key, or nothing. */
  get(key: string): unknown;
}

/** Opens all stores in a folder, the plain files first. */
export async function openByteStores(
  folder: string,
  durability: Durability,
): Promise<ByteStore[]> {
  await Deno.mkdir(folder, { recursive: true });
  const stores = [
    openFiles(`${folder}/files`, durability),
    await openBagStore(`${folder}/bag`, durability),
    openSqlite(`${folder}/sqlite`, durability),
    openLmdbStore(`${folder}/lmdb`, durability),
  ];
  // These two have no way to sync.
  if (durability === "power") return stores;
  return [...stores, openCacache(`${folder}/cacache`), await openHdf5(`${folder}/plain.h5`)];
}

/** One file a value. */
export function openFiles(folder: string, durability: Durability): ByteStore {
  Deno.mkdirSync(folder, { recursive: true });
  return {
    name: durability === "power" ? "file: write + sync (baseline)" : "file (baseline)",
    put(key, bytes) {
      using file = Deno.openSync(`${folder}/${key}`, { write: true, create: true, truncate: true });
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      if (durability === "power") file.syncDataSync();
    },
    get(key) {
      try {
        return Deno.readFileSync(`${folder}/${key}`);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The bag: encoding and digest of the value included, the digest stands for the key. */
export async function openBagStore(path: string, durability: Durability): Promise<ByteStore> {
  const bag = await openBag(path, { durability });
  const digests = new Map<string, string>();
  return {
    name: "Quiver",
    async put(key, bytes) {
      const digest = bag.putValue(bytes);
      digests.set(key, typeof digest === "string" ? digest : await digest);
    },
    get: (key) => bag.value(digests.get(key) ?? key.padStart(64, "0")),
    [Symbol.asyncDispose]: () => bag.close(),
  };
}

/** SQLite with a write-ahead log. */
export function openSqlite(path: string, durability: Durability): ByteStore {
  const database = new DatabaseSync(path);
  const synchronous = durability === "power" ? "full" : "normal";
  database.exec(`pragma journal_mode = wal; pragma synchronous = ${synchronous}`);
  database.exec("create table bytes (key text primary key, value blob)");
  const insert = database.prepare("insert or replace into bytes values (?, ?)");
  const select = database.prepare("select value from bytes where key = ?");
  return {
    name: "node:sqlite",
    put: (key, bytes) => insert.run(key, bytes),
    get: (key) => select.get(key)?.value,
    [Symbol.asyncDispose]: () => Promise.resolve(database.close()),
  };
}

/** LMDB: a transaction a value. */
export function openLmdbStore(path: string, durability: Durability): ByteStore {
  const database = openLmdb({
    path,
    encoding: "binary",
    noSync: durability === "process",
    mapSize: 4 * 2 ** 30,
  });
  return {
    name: "lmdb",
    put: (key, bytes) => database.putSync(key, bytes),
    get: (key) => database.getBinary(key),
    [Symbol.asyncDispose]: () => database.close(),
  };
}

/** npm's own cache. */
export function openCacache(path: string): ByteStore {
  return {
    name: "cacache",
    put: (key, bytes) => cacache.put(path, key, bytes),
    get: (key) => cacache.get(path, key).catch(() => undefined),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The HDF5 library alone: one file, a dataset a value, flushed after each. */
export async function openHdf5(path: string): Promise<ByteStore> {
  const { ready, File } = await import("h5wasm/node");
  await ready;
  const file = new File(path, "w");
  const known = new Set<string>();
  return {
    name: "h5wasm alone",
    put(key, bytes) {
      file.create_dataset({ name: key, data: bytes });
      file.flush();
      known.add(key);
    },
    get(key) {
      // Asking the library for what is not there writes to the standard error.
      const found = known.has(key) ? file.get(key) : null;
      return found !== null && "value" in found ? found.value : undefined;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(void file.close()),
  };
}

/** Bytes that differ from those of every other number. */
export function fillBytes(bytes: Uint8Array<ArrayBuffer>, n: number): Uint8Array<ArrayBuffer> {
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

/** A size as people write it. */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e6) return `${bytes / 1e6} MB`;
  return bytes >= 1e3 ? `${bytes / 1e3} kB` : `${bytes} B`;
}
