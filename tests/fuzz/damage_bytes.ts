// A worker of main.ts: changes the bytes of a small bag one by one, a share of them
import { listFiles } from "../bag/_temporary_directory.ts";
import { attack, flip, inflate } from "../store/_attack.ts";
import { CALLS, UNSEALED } from "../store/_small_bag.ts";
import { type BagName, CREATE_BAG } from "./bags.ts";

/** What a worker is to do. */
export interface DamageShare {
  /** Where its bag is made. */
  readonly path: string;
  /** Which bag it is. */
  readonly name: BagName;
  /** Every so many bytes. */
  readonly step: number;
  /** The first one. */
  readonly first: number;
}

/** What a worker tells. */
export type DamageNews =
  | { readonly type: "begin"; readonly bytes: number }
  | { readonly type: "progress"; readonly bytes: number }
  | { readonly type: "end" }
  | { readonly type: "failure"; readonly text: string };

interface WorkerScope {
  onmessage: ((event: MessageEvent<DamageShare>) => void) | null;
  postMessage(news: DamageNews): void;
}

/** After how many bytes a worker tells how far it is. */
const STRIDE = 50;

const ALL = [...CALLS, UNSEALED];

/** A byte of a file as it was. */
interface Place {
  readonly file: string;
  readonly content: Uint8Array;
  readonly at: number;
}

async function damageByte(
  path: string,
  { file, content, at }: Place,
): Promise<void> {
  await attack(path, file, flip(content, at), ALL, `${file} with a bit flipped at ${at}`);
  await attack(path, file, inflate(content, at), ALL, `${file} with 2^40 at ${at}`);
  // Cut between two lines, a log is just a shorter one.
  if (file === "calls.jsonl" && (at === 0 || content[at - 1] === 0x0a)) return;
  await attack(path, file, content.subarray(0, at), ALL, `${file} cut to ${at}`);
}

function* listPlaces({ path, first, step }: DamageShare): Generator<Place> {
  let index = 0;
  for (const file of listFiles(path)) {
    const content = Deno.readFileSync(`${path}/${file}`);
    for (let at = 0; at < content.length; at++) {
      if (index++ % step === first) yield { file, content, at };
    }
  }
}

async function damageShare(share: DamageShare, tell: (news: DamageNews) => void): Promise<void> {
  const { path, name } = share;
  await CREATE_BAG[name](path);
  // All files are read before the first is changed: what is changed is put back.
  const places = [...listPlaces(share)];
  tell({ type: "begin", bytes: places.length });
  let done = 0;
  for (const place of places) {
    await damageByte(path, place);
    if (++done % STRIDE === 0) tell({ type: "progress", bytes: STRIDE });
  }
  tell({ type: "progress", bytes: done % STRIDE });
}

// This module is a worker's entry, so its global scope is a worker's.
const scope = globalThis as unknown as WorkerScope;
scope.onmessage = async ({ data }) => {
  const tell = (news: DamageNews) => scope.postMessage(news);
  try {
    await damageShare(data, tell);
    tell({ type: "end" });
  } catch (error) {
    tell({ type: "failure", text: Deno.inspect(error) });
  }
};
