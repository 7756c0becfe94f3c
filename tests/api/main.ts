/**
 * Writes what users can import and call into `snapshot.txt`, where a change of it is to be on purpose:
 * `deno task api`, and look at the difference.
 *
 * @module
 */
import { readSignatures, SNAPSHOT } from "./_signatures.ts";

if (import.meta.main) {
  await Deno.writeTextFile(SNAPSHOT, await readSignatures());
}
