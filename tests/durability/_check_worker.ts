// Checks the bags of killed programs, beside the isolate that kills: checks would hold up the kills.
import { checkAfterKill } from "./_check_after_kill.ts";
import { Expectations } from "./_expectations.ts";
import { Hdf5Reader } from "./_hdf5_reader.ts";
import { InlineBags } from "./_inline_bags.ts";
import { TEAMS } from "./_teams.ts";

/** What is to be checked, or that nothing is any more. */
export type CheckRequest =
  | {
    readonly type: "check";
    /** Which of the teams was killed. */
    readonly team: number;
    /** Its bag. */
    readonly path: string;
    /** What each of its programs has printed, by its name. */
    readonly told: Readonly<Record<string, readonly string[]>>;
  }
  | { readonly type: "end" };

/** What checks have counted. */
export interface CheckCounts {
  /** How many bags were checked. */
  checks: number;
  /** How many acknowledged results were looked for. */
  looked: number;
  /** How many arrays h5py has found. */
  arrays: number;
  /** How many things verification named that killed programs had left unfinished. */
  unfinished: number;
}

/** What was found: numbers, or in words what is not as it should be. */
export type CheckAnswer =
  | { readonly type: "counts"; readonly counts: CheckCounts }
  | { readonly type: "wrong"; readonly problem: string }
  | { readonly type: "ended" };

/** The part of a worker's global scope that this needs; Deno's default types are a window's. */
interface WorkerScope {
  onmessage: (event: MessageEvent<CheckRequest>) => void;
  postMessage(message: CheckAnswer): void;
}

const bags = new InlineBags();
const reader = Hdf5Reader.start();
const expected = new Map<string, Expectations>();

// This module is only ever started as a worker.
const scope = globalThis as unknown as WorkerScope;
scope.onmessage = async ({ data }) => scope.postMessage(await answer(data));

async function answer(request: CheckRequest): Promise<CheckAnswer> {
  if (request.type === "end") {
    await reader?.[Symbol.asyncDispose]();
    return { type: "ended" };
  }
  const { team: index, path, told } = request;
  const counts = { checks: 0, looked: 0, arrays: 0, unfinished: 0 };
  try {
    const team = TEAMS[index];
    if (team === undefined) throw new RangeError(`There is no team ${index}`);
    const expectations = expected.get(path) ?? new Expectations();
    expected.set(path, expectations);
    for (const [name, lines] of Object.entries(told)) {
      for (const line of lines) expectations.take(line, name, team.toSize);
      if (team.kept !== undefined) expectations.keepLast(name, team.kept);
    }
    await checkAfterKill({ bags, reader, counts }, team, path, expectations);
    return { type: "counts", counts };
  } catch (error) {
    const problem = error instanceof Error ? error.stack ?? error.message : String(error);
    return { type: "wrong", problem };
  }
}
