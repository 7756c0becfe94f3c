import type { BagName } from "./bags.ts";
import type { DamageNews, DamageShare } from "./damage_bytes.ts";

/** How often it is told how far the attack is, as a share of all. */
const TOLD = 0.1;

/**
 * Changes each byte of a small bag, and cuts each of its files at each length, on all cores. What
 * each core attacks is a bag of its own.
 *
 * @param directory Where the bags are made.
 * @param name Which bag.
 */
export async function damageEverywhere(directory: string, name: BagName): Promise<void> {
  const begun = performance.now();
  const step = navigator.hardwareConcurrency;
  let [begins, all, done, told] = [0, 0, 0, 0];
  const tell = () => {
    if (begins < step || done < told * all) return;
    told = Math.floor(done / all / TOLD + 1) * TOLD;
    const seconds = Math.round((performance.now() - begun) / 1000);
    console.log(`${done} of ${all} bytes of ${name} flipped, inflated and cut at; ${seconds} s`);
  };
  const shares = Array.from({ length: step }, (_, first) => {
    const path = `${directory}/${name} ${first}`;
    return runShare({ path, name, step, first }, (news) => {
      if (news.type === "begin") [begins, all] = [begins + 1, all + news.bytes];
      else if (news.type === "progress") done += news.bytes;
      tell();
    });
  });
  await Promise.all(shares);
}

async function runShare(share: DamageShare, tell: (news: DamageNews) => void): Promise<void> {
  const worker = new Worker(new URL("./damage_bytes.ts", import.meta.url), { type: "module" });
  const ended = Promise.withResolvers<void>();
  worker.addEventListener("message", ({ data }: MessageEvent<DamageNews>) => {
    if (data.type === "failure") ended.reject(new Error(data.text));
    else if (data.type === "end") ended.resolve();
    else tell(data);
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    ended.reject(new Error(event.message));
  });
  worker.postMessage(share);
  try {
    await ended.promise;
  } finally {
    worker.terminate();
  }
}
