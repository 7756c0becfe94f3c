// A program that holds a lock alone, says so, and keeps it until it is killed. Argument: the lock.
import { DISK } from "../../src/disk/file_system.ts";
import { LockFile } from "../../src/disk/lock_file.ts";

const [path = ""] = Deno.args;
using lock = new LockFile(DISK, path, { checkThere() {} });
await lock.lock();
Deno.stdout.writeSync(new TextEncoder().encode("locked\n"));
await new Promise((resolve) => setTimeout(resolve, 2 ** 31 - 1));
