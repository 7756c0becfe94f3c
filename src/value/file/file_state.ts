import type { Digest, Payload } from "../value.ts";

/** What is in a stored directory, or the one file that an output is. */
export type FileEntry =
  | {
    readonly type: "file";
    /** Where it lies in the directory, with `/` between names; `""` for an output that is one file. */
    readonly path: string;
    /** How many bytes it has. */
    readonly size: number;
    /** Whether its owner may run it. */
    readonly executable: boolean;
    /** The SHA-256 of its bytes. */
    readonly digest: Digest;
    /** The digests of its pieces, which are stored as byte arrays. */
    readonly chunks: readonly Digest[];
  }
  | { readonly type: "directory"; readonly path: string }
  | { readonly type: "link"; readonly path: string; readonly target: string };

/** What a file or directory held when it was looked at. */
export interface FileContent {
  /** Whether it is a directory. */
  readonly directory: boolean;
  /** The SHA-256 of the bytes of a file, or of the list of what is in a directory. */
  readonly digest: Digest;
  /** How many bytes there are, of all files together. */
  readonly size: number;
  /** What lies in a store of it; absent when nothing does. */
  readonly entries?: readonly FileEntry[];
}

/** All that makes up a handle. */
export interface FileState {
  /** Where the file is, absolute where that could be known. */
  readonly path: string;
  /** Whether the content is hashed for each call, whatever the system says of the file. */
  readonly always?: boolean;
  /** What the output is called by the task: relative to the directory of outputs, or absolute. */
  readonly output?: string;
  /** Whether a task has just made it: what it holds is looked at whenever it is stored. */
  readonly own?: boolean;
  /** What the handle stands for, once that is settled. */
  readonly content?: FileContent;
  /** Reads a piece out of the store that the handle comes from. */
  readonly load?: (digest: Digest) => Payload | undefined;
}
