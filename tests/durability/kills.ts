import { assertEquals } from "@std/assert";
import { Checker } from "./_checker.ts";
import type { CheckCounts } from "./_check_worker.ts";
import { Random } from "../random.ts";
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
export interface KillCounts extends CheckCounts {
  /** How many programs were killed, by what they did. */
  readonly kills: Record<string, number>;
}

/** After so many rounds a team gets a new bag: the checks read all of it each time. */
const ROUNDS_OF_A_BAG = 8;

/** Of so many kills one comes while the program starts. */
const KILLS_AT_START = 6;

/** About how long programs take to start, in milliseconds. */
const START = 200;

/** How many teams work at the same time. */
const LANES = 2;

/**
 * Kills programs that work with bags at random moments, again and again, and checks after each kill
 * that nothing is lost that they were told of.
 *
 * @param options How many, and from which seed.
 * @returns What was done.
 */
export async function runKills(options: KillOptions): Promise<KillCounts> {
  const counts = { kills: {}, checks: 0, looked: 0, arrays: 0, unfinished: 0 };
  const lanes = Array.from({ length: LANES }, (_, lane) => {
    return runLane(options, counts, TEAMS.filter((_, i) => i % LANES === lane));
  });
  const failed = (await Promise.allSettled(lanes)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
  return counts;
}

/** Lets one team after another work and die, until each has and enough programs have. */
async function runLane(
  { kills, directory, seed }: KillOptions,
  counts: KillCounts,
  teams: readonly Team[],
): Promise<void> {
  await using checker = new Checker();
  for (let turn = 0; turn < teams.length || sum(counts.kills) < kills; turn++) {
    const team = teams[turn % teams.length] ?? teams[0];
    if (team === undefined) return;
    const round = Math.floor(turn / teams.length);
    const index = TEAMS.indexOf(team);
    const path = `${directory}/${index}-${Math.floor(round / ROUNDS_OF_A_BAG)}`;
    const context = `${team.modes.join(" beside ")}, round ${round}, seed ${seed}, bag "${path}"`;
    try {
      const random = new Random(seed + 1_000_003 * round + index);
      const told = await killTeam(team, path, random, round);
      for (const mode of team.modes) counts.kills[mode] = (counts.kills[mode] ?? 0) + 1;
      const { checks, looked, arrays, unfinished } = await checker.check(index, path, told);
      counts.checks += checks;
      counts.looked += looked;
      counts.arrays += arrays;
      counts.unfinished += unfinished;
    } catch (cause) {
      throw new Error(`Cannot keep what was promised (${context}): ${cause}`, { cause });
    }
  }
}

function sum(kills: Record<string, number>): number {
  return Object.values(kills).reduce((sum, count) => sum + count, 0);
}

/** Lets the programs of a team work on a bag, and kills each at a moment of its own. */
async function killTeam(
  { modes, lines, delay }: Team,
  path: string,
  random: Random,
  round: number,
): Promise<Record<string, string[]>> {
  const told = modes.map(async (mode, i) => {
    const name = `${mode}-${round}-${i}`;
    const atStart = random.below(KILLS_AT_START) === 0;
    const enough = atStart ? 0 : 1 + random.below(lines);
    const wait = random.below(1000 * (atStart ? START : delay)) / 1000;
    return [name, await runAndKill([mode, path, name], enough, wait)] as const;
  });
  return Object.fromEntries(await Promise.all(told));
}

async function runAndKill(args: string[], enough: number, wait: number): Promise<string[]> {
  const program = new URL("./testdata/crash.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-read", "--allow-write", program, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const lines: string[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  // Nothing that the program does tells this moment: that is what makes it a random one.
  const kill = () => void (timer ??= setTimeout(() => child.kill("SIGKILL"), wait));
  if (enough === 0) kill();
  const texts = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(createLineStream());
  for await (const line of texts) {
    lines.push(line);
    if (lines.length >= enough) kill();
  }
  const { signal } = await child.status;
  clearTimeout(timer);
  assertEquals(signal, "SIGKILL", `${args[0]} has ended by itself`);
  return lines;
}
