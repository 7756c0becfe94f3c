import { crc32 } from "node:zlib";
import type { Digest, Payload } from "../value/encoded_value.ts";
import type { StoredPayload } from "../value/stored_payload.ts";
import { readAt } from "./_file_system.ts";
import type { FileHandles } from "./file_handles.ts";
import { type JournalEntry, scanJournal } from "./journal_scan.ts";
import { readShape } from "./journal_shape.ts";
import { type BagLayout, listNames, toJournalPath } from "./layout.ts";
import type { Manifest } from "./manifest.ts";
import { BlockPayload, createBlocks, isWhole } from "./payload_blocks.ts";
import type { ReadBytes } from "./read_bytes.ts";
import { toPayload } from "./to_payload.ts";

/** What is known of one journal. */
interface JournalTail {
  readonly entries: Map<Digest, JournalEntry>;
  /** Entries whose payload was read and found whole. */
  readonly checked: Set<Digest>;
  /** Up to where the journal was scanned. */
  scanned: number;
}

/** Finds values in journals: the own ones as they are written, those of others by scanning them. */
export class JournalIndex {
  readonly #layout: BagLayout;
  readonly #handles: FileHandles;
  readonly #ownPrefix: string;
  readonly #tails = new Map<string, JournalTail>();

  /**
   * Creates an index that knows nothing yet.
   *
   * @param layout The bag's paths.
   * @param handles Where open files are kept.
   * @param ownPrefix How the names of the own journals begin.
   */
  constructor(layout: BagLayout, handles: FileHandles, ownPrefix: string) {
    this.#layout = layout;
    this.#handles = handles;
    this.#ownPrefix = ownPrefix;
  }

  /**
   * Takes note of a value that was appended to an own journal.
   *
   * @param journal The journal's name.
   * @param entry Where the value lies.
   */
  add(journal: string, entry: JournalEntry): void {
    this.#tail(journal, 0).entries.set(entry.digest, entry);
  }

  /**
   * Tells whether a value is known; looks at no file.
   *
   * @param digest The digest of the value.
   * @returns Whether a journal has it.
   */
  has(digest: Digest): boolean {
    for (const tail of this.#tails.values()) {
      if (tail.entries.has(digest)) return true;
    }
    return false;
  }

  /**
   * Tells whether a value is known to be whole; looks at no file.
   *
   * @param digest The digest of the value.
   * @returns Whether this handle has written the value, or has read it and found it whole.
   */
  isWhole(digest: Digest): boolean {
    for (const [journal, { entries, checked }] of this.#tails) {
      if (checked.has(digest)) return true;
      if (journal.startsWith(this.#ownPrefix) && entries.has(digest)) return true;
    }
    return false;
  }

  /**
   * Reads a value that is known. What is found damaged is no longer known afterwards.
   *
   * @param digest The digest of the value.
   * @returns The payload, or `undefined` when no journal has it whole.
   */
  read(digest: Digest): Payload | undefined {
    for (const [journal, tail] of this.#tails) {
      const entry = tail.entries.get(digest);
      if (entry === undefined) continue;
      const bytes = this.#readEntry(journal, tail, entry);
      if (bytes !== undefined) return toPayload(entry.kind, bytes);
      tail.entries.delete(digest);
    }
    return undefined;
  }

  /**
   * Opens a value that is known for reading pieces of it; the first time it is read to the end, as a
   * journal has no checksums of pieces.
   *
   * @param digest The digest of the value.
   * @returns The payload, or `undefined` when no journal has it whole.
   */
  open(digest: Digest): StoredPayload | undefined {
    for (const [journal, tail] of this.#tails) {
      const entry = tail.entries.get(digest);
      if (entry === undefined) continue;
      const read: ReadBytes = (offset, target) => {
        const file = this.#handles.open(toJournalPath(this.#layout, journal));
        return file !== undefined && readAt(file, entry.offset + offset, target);
      };
      if (!tail.checked.has(digest)) {
        if (!isWhole(read, entry.length, entry.crc)) continue;
        tail.checked.add(digest);
      }
      const shape = readShape(read, entry);
      return new BlockPayload({ ...entry, ...shape }, createBlocks(entry.length, read));
    }
    return undefined;
  }

  #readEntry(
    journal: string,
    tail: JournalTail,
    entry: JournalEntry,
  ): Uint8Array<ArrayBuffer> | undefined {
    const file = this.#handles.open(toJournalPath(this.#layout, journal));
    const bytes = new Uint8Array(entry.length);
    if (file === undefined || !readAt(file, entry.offset, bytes)) return undefined;
    if (!tail.checked.has(entry.digest)) {
      if (crc32(bytes) !== entry.crc) return undefined;
      tail.checked.add(entry.digest);
    }
    return bytes;
  }

  /**
   * Looks at the journals of other writers, and learns what was appended since the last look.
   *
   * @param manifest What is live: sealed parts of journals are not scanned.
   */
  rescan(manifest: Manifest): void {
    for (const name of listNames(this.#layout.journals)) {
      if (name.startsWith(this.#ownPrefix)) continue;
      const file = this.#handles.open(toJournalPath(this.#layout, name));
      // Sealed and removed since it was listed.
      if (file === undefined) continue;
      const tail = this.#tail(name, manifest.sealed[name] ?? 0);
      tail.scanned = scanJournal(file, tail.scanned, (entry) => {
        tail.entries.set(entry.digest, entry);
      });
    }
  }

  /** Forgets journals that are gone: all they had is in segments. */
  forgetRemoved(): void {
    const names = new Set(listNames(this.#layout.journals));
    for (const name of this.#tails.keys()) {
      if (names.has(name)) continue;
      this.#tails.delete(name);
      this.#handles.close(toJournalPath(this.#layout, name));
    }
  }

  #tail(name: string, scanned: number): JournalTail {
    let tail = this.#tails.get(name);
    if (tail === undefined) {
      tail = { entries: new Map(), checked: new Set(), scanned };
      this.#tails.set(name, tail);
    }
    return tail;
  }
}
