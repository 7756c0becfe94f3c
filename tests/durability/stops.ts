import { assert, assertGreater } from "@std/assert";
import { type Fault, FaultError, FaultyFileSystem } from "../bag/_faulty_file_system.ts";
import { checkAfterKill } from "./_check_after_kill.ts";
import { copyBag } from "./_copy_bag.ts";
import { type Catalogue, Expectations } from "./_expectations.ts";
import { UNSYNCED_DISK } from "../bag/_unsynced_disk.ts";
import { InlineBags } from "./_inline_bags.ts";
import { NAME, type Scenario } from "./_stop_scenarios.ts";

/**
 * Lets a scenario fail at each of its steps in turn, and checks each time that nothing is lost.
 *
 * @param scenario What is done.
 * @param fault What goes wrong.
 * @param directory An empty directory.
 * @param stride How many steps lie between two that fail.
 * @returns How many steps there are.
 */
export async function runStops(
  scenario: Scenario,
  fault: Fault,
  directory: string,
  stride = 1,
): Promise<number> {
  const bags = new InlineBags(UNSYNCED_DISK);
  const told: string[] = [];
  const catalogue: Catalogue = new Map();
  const template = `${directory}/template`;
  await scenario.prepare(bags, template, (line) => told.push(line));
  for (let at = 0;; at += stride) {
    const path = `${directory}/${at}`;
    copyBag(template, path);
    const expectations = new Expectations(catalogue);
    const tell = (line: string) => expectations.take(line, NAME, scenario.toSize);
    told.forEach(tell);
    const fileSystem = new FaultyFileSystem(fault, at);
    try {
      await attempt(() => scenario.act(bags.on(fileSystem), path, tell));
      const { mend, toSize } = scenario;
      const team = { modes: [], lines: 0, delay: 0, toSize, ...(mend !== undefined && { mend }) };
      const counts = { checks: 0, looked: 0, arrays: 0, unfinished: 0 };
      await checkAfterKill({ bags, reader: undefined, counts }, team, path, expectations);
    } catch (cause) {
      throw new Error(`Cannot keep what was promised (${fault} at step ${at}): ${cause}`, {
        cause,
      });
    }
    Deno.removeSync(path, { recursive: true });
    if (fileSystem.failed) continue;
    assertGreater(at, scenario.steps, "so few steps prove nothing");
    return at;
  }
}

/** Does something in which a step may fail, and nothing else. */
async function attempt(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    assert(isFault(error), error instanceof Error ? error.stack : String(error));
  }
}

function isFault(error: unknown): boolean {
  if (error instanceof FaultError) return true;
  if (error instanceof AggregateError) return error.errors.every(isFault);
  if (error instanceof SuppressedError) return isFault(error.error) && isFault(error.suppressed);
  return error instanceof Error && error.cause !== undefined && isFault(error.cause);
}
