import type { VerifyOptions, VerifyReport } from "../bag/verify_report.ts";
import { importLater } from "../import_later.ts";

type Verification = typeof import("../store/run_verify_worker.ts");

/**
 * Checks a bag, and repairs it if that is wanted, without opening it: also a bag that `openBag`
 * refuses because its manifest is damaged.
 *
 * It reads every file: each payload is compared with its checksum, each table with its segment, each
 * line of the call log with its checksum, and each record's result and arguments are read and
 * decoded. The checksums are CRC-32, which find accidents; with `digests` the SHA-256 of each value
 * that a record names is computed again, which also finds what was put there on purpose.
 *
 * Others may read and write meanwhile; nobody folds until it has ended. A repair loses nothing that
 * is whole: damaged files are copied to `quarantine/` before they are replaced, and calls whose
 * results cannot be had are forgotten, so that they are computed again.
 *
 * Requires `--allow-read` and, for a repair, `--allow-write` of the directory.
 *
 * @param path The directory.
 * @param options What to do.
 * @returns What each step found, as data to be printed.
 * @throws {BagFormatError} When the directory is not a bag, or one of a newer format.
 *
 * @example Check a bag, and repair it
 * ```ts
 * import { cacheScope, openBag, task, verifyBag } from "@quiver/quiver";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempDir();
 * const square = task(import.meta, (n: number) => n * n, { name: "square" });
 * {
 *   await using bag = await openBag(path);
 *   await cacheScope({ cache: bag }, () => square(3));
 * }
 * assert((await verifyBag(path)).sound);
 * await Deno.writeTextFile(`${path}/manifest.json`, "damaged");
 * const { sound, missed } = await verifyBag(path, { repair: true });
 * assertEquals([sound, missed], [true, 0]);
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export async function verifyBag(
  path: string | URL,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const { runVerifyWorker } = await importLater<Verification>(
    "../store/run_verify_worker.ts",
    import.meta.url,
  );
  return await runVerifyWorker(path, options);
}
