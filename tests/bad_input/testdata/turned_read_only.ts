// Works with a bag on a disk that the kernel makes read-only, and mounts the disk anew; prints what
// came of it. Arguments: the disk, the file that is its image.
import { type Bag, cacheScope, openBag, type QuiverWarning } from "@quiver/quiver";
import { samples } from "./tasks.ts";
import { Tool } from "../../tools.ts";

const [disk = "", image = ""] = Deno.args;
const path = `${disk}/bag`;
const MOUNT = Tool.find("mount");
const OPTIONS = { durability: "power", memoryBytes: 0 } as const;

function mount(...args: readonly string[]): void {
  const { code, output } = MOUNT.run(...args);
  if (code !== 0) throw new Error(output);
}

function toMessage(error: unknown): string {
  return error instanceof Error ? error.message.replace(/ \(os error.*/, "") : String(error);
}

/** Makes calls, and says how many had to run, how many were wrong, and of what was warned. */
async function call(bag: Bag, from: number, to: number): Promise<void> {
  const warnings: string[] = [];
  const onWarning = ({ message, cause }: QuiverWarning) => {
    warnings.push(`${message}: ${toMessage(cause)}`);
  };
  const before = bag.statistics().misses;
  let wrong = 0;
  await cacheScope({ cache: bag, onWarning }, async () => {
    for (let n = from; n < to; n++) {
      const array = await samples(n);
      if (array.length !== 1000 || !array.every((sample) => sample === n)) wrong++;
    }
  });
  tell({ misses: bag.statistics().misses - before, wrong, warnings: [...new Set(warnings)] });
}

async function fails(act: () => unknown): Promise<void> {
  try {
    await act();
    tell({ error: "none" });
  } catch (error) {
    tell({ error: toMessage(error) });
  }
}

function tell(report: unknown): void {
  console.log(JSON.stringify(report));
}

mount("-o", "loop", image, disk);
{
  const bag = await openBag(path, OPTIONS);
  await call(bag, 0, 10);
  await bag.fold();
  await call(bag, 10, 20);
  // As after an error of the disk: files that are open for writing are no reason to wait.
  mount("-o", "remount,abort", disk);
  await call(bag, 0, 20);
  await call(bag, 20, 25);
  await fails(() => bag.putValue("new"));
  await fails(() => bag.evict("0".repeat(64)));
  await fails(() => bag.fold());
  await fails(() => openBag(path));
  {
    await using reading = await openBag(path, { mode: "read" });
    await call(reading, 0, 20);
  }
  await fails(() => bag.close());
}
tell({ unmounted: Tool.find("umount").run(disk).code === 0 });
mount("-o", "loop", image, disk);
{
  await using bag = await openBag(path, OPTIONS);
  await call(bag, 0, 20);
  await call(bag, 20, 25);
  const { sound } = await bag.verify();
  tell({ sound });
}
