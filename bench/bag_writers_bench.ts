// How do writers in 1 to 4 processes share one bag, and how long do readers wait beside them?
import { openBag } from "@quiver/quiver";
import { formatBytes } from "./_byte_stores.ts";

const CHILD = new URL("./_writer_child.ts", import.meta.url);
const READ_VALUES = 1000;
const ROUNDS = 3;

/** Compares writers of a bag with as many writers of plain files, and times readers beside them. */
export async function run({ full = false }: { full?: boolean } = {}): Promise<void> {
  await compareWriters(200, full ? 10_000 : 1000);
  await compareWriters(8e6, full ? 40 : 10);
}

async function compareWriters(size: number, count: number): Promise<void> {
  console.log(
    `\n${count} values of ${formatBytes(size)} from each writer, median of ${ROUNDS} runs`,
  );
  for (const writers of [1, 2, 4]) {
    const runs: { files: number; bag: number; waits: readonly number[] }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const files = await write("files", writers, count, size);
      const bag = await write("bag", writers, count, size);
      runs.push({ files: files.rate, bag: bag.rate, waits: bag.waits });
    }
    const files = quantile(runs.map((run) => run.files), 0.5);
    const bag = quantile(runs.map((run) => run.bag), 0.5);
    const ratio = quantile(runs.map((run) => run.bag / run.files), 0.5);
    const waits = runs.flatMap((run) => run.waits);
    console.log(
      `  ${writers} writers: files ${format(files, size)}, bag ${format(bag, size)}, ` +
        `× ${ratio.toFixed(2)}; readers beside them: ` +
        [0.5, 0.99].map((q) => `p${q * 100} ${quantile(waits, q).toFixed(1)} µs`).join(", "),
    );
  }
}

/** How many values were written in a second, and the times of reads meanwhile in µs. */
interface Writing {
  readonly rate: number;
  readonly waits: readonly number[];
}

async function write(
  kind: "files" | "bag",
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

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? NaN;
}

function format(rate: number, size: number): string {
  return size >= 1e6
    ? `${(rate * size / 1e6).toFixed(0)} MB/s`
    : `${Math.round(rate).toLocaleString("en")}/s`;
}

if (import.meta.main) await run({ full: Deno.args.includes("--full") });
