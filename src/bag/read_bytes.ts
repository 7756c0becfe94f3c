/** Reads bytes at a position; `false` when the file has become too short, or is gone. */
export type ReadBytes = (offset: number, target: Uint8Array<ArrayBuffer>) => boolean;
