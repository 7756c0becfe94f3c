/**
 * Several processes that write values at the same time, and a reader beside them.
 *
 * @module
 */
import { openBag } from "@quiver/quiver";

const CHILD = new URL("./_writer_child.ts", import.meta.url);
const READ_VALUES = 1000;

/** What is written, or digested and thrown away. */
export type Kind = "files" | "synced files" | "digests" | "bag";

/** How many values were written in a second, and the times of reads meanwhile in µs. */
export interface Writing {
  readonly rate: number;
  readonly waits: readonly number[];
}

/**
 * Writes values in processes of their own, all at the same time.
 *
 * @param kind What they do with each value.
 * @param writers How many processes.
 * @param count How many values each writes.
 * @param size The size of a value in bytes.
 * @returns The rate of all together; a bag is read meanwhile.
 */
export async function write(
  kind: Kind,
  writers: number,
  count: number,
  size: number,
): Promise<Writing> {
  const folder = await Deno.makeTempDir({ prefix: "quiver_bench_" });
  const path = `${folder}/${kind}`;
  const reader = kind === "bag" ? await createReader(path) : undefined;
  const children = Array.from({ length: writers }, (_, name) => {
    const args = ["run", "--allow-all", CHILD.href, kind, path, `${name}`, `${count}`, `${size}`];
    return new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
  });
  const outputs = children.map((child) => child.stdout.getReader());
  const inputs = children.map((child) => child.stdin.getWriter());
  const tell = () => Promise.all(inputs.map((input) => input.write(new Uint8Array(1))));
  const hear = () => Promise.all(outputs.map((output) => output.read()));
  await hear();
  const begun = performance.now();
  await tell();
  let seconds = NaN;
  const done = hear().then(() => {
    seconds = (performance.now() - begun) / 1000;
  });
  const waits = await reader?.read(done) ?? [];
  await done;
  await tell();
  await Promise.all(inputs.map((input) => input.close()));
  await Promise.all(outputs.map((output) => output.cancel()));
  await Promise.all(children.map((child) => child.status));
  await reader?.close();
  await Deno.remove(folder, { recursive: true });
  return { rate: writers * count / seconds, waits };
}

/** Reads small values of a bag at random, from the disk each time. */
async function createReader(path: string) {
  const bag = await openBag(path, { memoryBytes: 0 });
  const digests: string[] = [];
  for (let n = 0; n < READ_VALUES; n++) {
    digests.push(
      await bag.putValue(
        new Uint8Array(200).fill(n)
          .with(0, n >> 8),
      ),
    );
  }
  await bag.fold();
  return {
    close: () => bag.close(),
    async read(until: Promise<void>): Promise<number[]> {
      const waits: number[] = [];
      let ended = false;
      const end = until.then(() => {
        ended = true;
      });
      for (let n = 0; !ended; n++) {
        const begun = performance.now();
        await bag.value(digests[(n * 7919) % READ_VALUES] ?? "");
        waits.push((performance.now() - begun) * 1000);
        // Ten thousand reads a second leave the writers their cores.
        if (n % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await end;
      return waits;
    },
  };
}
