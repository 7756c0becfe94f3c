import { assertEquals } from "@std/assert";
import { checkAfterKill } from "./_check_after_kill.ts";
import { Expectations } from "./_expectations.ts";
import { Hdf5Reader } from "./_hdf5_reader.ts";
import { InlineBags } from "./_inline_bags.ts";
import { Random } from "./_random.ts";
import { type Team, TEAMS } from "./_teams.ts";
import { createLineStream } from "./testdata/text_lines.ts";

/** How programs are killed. */
export interface KillOptions {
  /** How many at least. */
  readonly kills: number;
  /** What the moments follow from, as far as they follow from anything. */
  readonly seed: number;
  /** An empty directory for the bags. */
  readonly directory: string;
}

/** What came of it. */
export interface KillCounts {
  /** How many programs were killed, by what they did. */
  readonly kills: Record<string, number>;
  /** How often bags were checked. */
  checks: number;
  /** How many acknowledged results were looked for, over all checks. */
  looked: number;
  /** How many arrays h5py has found. */
  arrays: number;
  /** How many things verification named that killed programs had left unfinished. */
  unfinished: number;
}

/** After so many rounds a team gets a new bag: the checks read all of it each time. */
const ROUNDS_OF_A_BAG = 8;

/** Of so many kills one comes while the program starts. */
const KILLS_AT_START = 6;

/** About how long programs take to start, in milliseconds. */
const START = 300;

/** How many teams work at the same time. */
const LANES = 2;

/** What all rounds have in common. */
interface Harness {
  readonly options: KillOptions;
  readonly counts: KillCounts;
  readonly bags: InlineBags;
  readonly reader: Hdf5Reader | undefined;
}

/**
 * Kills programs that work with bags at random moments, again and again, and checks after each kill
 * that nothing is lost that they were told of.
 *
 * @param options How many, and from which seed.
 * @returns What was done.
 */
export async function runKills(options: KillOptions): Promise<KillCounts> {
  await using reader = Hdf5Reader.start();
  const counts = { kills: {}, checks: 0, looked: 0, arrays: 0, unfinished: 0 };
  const harness = { options, counts, bags: new InlineBags(), reader };
  const lanes = Array.from({ length: LANES }, (_, lane) => {
    return runLane(harness, TEAMS.filter((_, i) => i % LANES === lane));
  });
  const failed = (await Promise.allSettled(lanes)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
  return counts;
}

function countKills({ counts }: Harness): number {
  return Object.values(counts.kills).reduce((sum, count) => sum + count, 0);
}

async function runLane(harness: Harness, teams: readonly Team[]): Promise<void> {
  const { options: { kills, directory, seed }, counts } = harness;
  const states = teams.map((team) => ({ team, path: "", expectations: new Expectations() }));
  for (let round = 0; countKills(harness) < kills; round++) {
    const state = states[round % states.length];
    if (state === undefined) return;
    const { team } = state;
    const age = Math.floor(round / states.length);
    if (age % ROUNDS_OF_A_BAG === 0) {
      if (state.path !== "") await Deno.remove(state.path, { recursive: true });
      state.path = `${directory}/${team.modes.join(" and ")} ${age}`;
      state.expectations = new Expectations();
    }
    const begun = `${team.modes.join(" beside ")}, round ${round}, seed ${seed}`;
    try {
      const random = new Random(seed + 1_000_003 * round + TEAMS.indexOf(team));
      await runTeam(team, state.path, state.expectations, random, round);
      for (const mode of team.modes) counts.kills[mode] = (counts.kills[mode] ?? 0) + 1;
      await checkAfterKill(harness, team, state.path, state.expectations);
    } catch (cause) {
      throw new Error(`Cannot keep what was promised (${begun}): ${cause}`, { cause });
    }
  }
}

/** Lets all programs of a team work on a bag, and kills each at a moment of its own. */
async function runTeam(
  { modes, lines, delay, toSize, kept }: Team,
  path: string,
  expectations: Expectations,
  random: Random,
  round: number,
): Promise<void> {
  const plans = modes.map((mode, i) => {
    const atStart = random.below(KILLS_AT_START) === 0;
    return {
      mode,
      name: `${mode}-${round}-${i}`,
      lines: atStart ? 0 : 1 + random.below(lines),
      delay: random.below(1000 * (atStart ? START : delay)) / 1000,
    };
  });
  const told = await Promise.all(
    plans.map(({ mode, name, lines, delay }) => runAndKill([mode, path, name], lines, delay)),
  );
  told.forEach((texts, i) => {
    const name = plans[i]?.name ?? "";
    for (const text of texts) expectations.take(text, name, toSize);
    if (kept !== undefined) expectations.keepLast(name, kept);
  });
}

async function runAndKill(
  args: readonly string[],
  lines: number,
  delay: number,
): Promise<readonly string[]> {
  const program = new URL("./testdata/crash.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-read", "--allow-write", program, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const told: string[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  // A timer is what makes the moment one that the program does not know of.
  const kill = () => void (timer ??= setTimeout(() => child.kill("SIGKILL"), delay));
  if (lines === 0) kill();
  const texts = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(createLineStream());
  for await (const text of texts) {
    told.push(text);
    if (told.length >= lines) kill();
  }
  const { signal } = await child.status;
  clearTimeout(timer);
  assertEquals(signal, "SIGKILL", `${args[0]} has ended by itself`);
  return told;
}
