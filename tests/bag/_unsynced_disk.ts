import { DISK, type FileSystem } from "../../src/disk/file_system.ts";

/**
 * The disk, but nothing waits for it: no test loses power, and to sync takes more time than all the
 * rest of a test that does something once for each of its steps.
 */
export const UNSYNCED_DISK: FileSystem = { ...DISK, sync: () => {}, syncDirectory: () => {} };
