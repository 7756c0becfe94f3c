// What do 250 calls with one array of 100 MB cost, digested and sent once or each time?
import { createHash } from "node:crypto";
import { cacheScope, Executor, openBag, share } from "@quiver/quiver";
import { type Claim, printClaims } from "./_claims.ts";
import { elementAt, half } from "./_tasks.ts";

const BYTES = 100_000_000;
const CALLS = 250;
/** So few of those that copy and digest the array each time say enough. */
const PLAIN_CALLS = 5;
const WORKERS = 4;

async function time(run: () => unknown): Promise<number> {
  const begun = performance.now();
  await run();
  return performance.now() - begun;
}

function all(count: number, call: (index: number) => unknown): Promise<unknown[]> {
  return Promise.all(Array.from({ length: count }, (_, index) => call(index)));
}

/** Compares shared with plain arrays, remembered by a bag. */
export async function run(): Promise<Claim[]> {
  const path = await Deno.makeTempDir();
  const array = new Float64Array(BYTES / 8).map((_, index) => index / 3);
  const claims: Claim[] = [];
  {
    await using bag = await openBag(`${path}/results.bag`, { fold: "manual" });
    await using executor = new Executor({ maxWorkers: WORKERS });
    await cacheScope({ cache: bag }, async () => {
      // The best of three: other programs may run beside.
      const hashes: number[] = [];
      const digests: number[] = [];
      for (let round = 0; round < 3; round++) {
        using once = share(array);
        const pass = () => createHash("sha256").update(new Uint8Array(array.buffer)).digest();
        hashes.push(await time(pass));
        digests.push(await time(() => elementAt.digest(once, 0)));
      }
      const [hash, digest] = [Math.min(...hashes), Math.min(...digests)];
      await all(CALLS, (index) => executor.submit(half, -index));
      const memory = Deno.memoryUsage().rss;
      using shared = share(array);
      await elementAt.digest(shared, 0);
      const first = await time(() =>
        all(WORKERS, (index) => executor.submit(elementAt, shared, -index))
      );
      const grown = Deno.memoryUsage().rss - memory;
      const further = await time(() =>
        all(CALLS, (index) => executor.submit(elementAt, shared, index))
      );
      const tiny = await time(() => all(CALLS, (index) => executor.submit(half, index)));
      const plain = await time(() =>
        all(PLAIN_CALLS, (index) => executor.submit(elementAt, array, CALLS + index))
      );
      const beside = `plain: ${(plain / PLAIN_CALLS).toFixed(0)} ms a call`;
      claims.push(
        toClaim("the digest of a shared array, to a pass of SHA-256", digest / hash, 1.2, beside),
        toClaim(
          "a further call with it, to one without arguments to speak of",
          further / tiny,
          2,
          beside,
        ),
        toClaim("memory for it, beside the caller's own, to its size", grown / BYTES, 2, beside),
      );
      console.log(
        `\n100 MB: SHA-256 ${hash.toFixed(0)} ms; digest ${digest.toFixed(0)} ms, first calls ` +
          `${first.toFixed(0)} ms, ${CALLS} more ${further.toFixed(0)} ms, tiny ${
            tiny.toFixed(0)
          } ms`,
      );
    });
  }
  await Deno.remove(path, { recursive: true });
  return claims;
}

function toClaim(text: string, ratio: number, most: number, beside: string): Claim {
  const measured = `× ${ratio.toFixed(2)}`;
  return { text, measured, goal: `≤ × ${most}`, holds: ratio <= most, beside };
}

if (import.meta.main) printClaims(await run());
