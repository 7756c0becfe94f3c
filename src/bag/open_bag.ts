import { resolve } from "node:path";
import { checkOptions, OBJECT, type OptionRules, withDefaults } from "../base/check_options.ts";
import { BagFormatError } from "../base/errors.ts";
import {
  type BagOptions,
  CACHE_FILES_RULES,
  type CacheSettings,
  either,
  integerFrom,
} from "../disk/disk_storage.ts";
import { DISK } from "../disk/file_system.ts";
import { type BagLayout, toLayout } from "../disk/layout.ts";
import { writeFirst } from "../disk/read_only.ts";
import {
  type BagFeatures,
  checkBag,
  createBag,
  isGzipLevel,
  refuseFile,
  upgradeBag,
} from "./bag_json.ts";
import { DiskBag, type DiskBagOptions } from "./disk_bag.ts";
import { WORKER_FOLD_RUNNER } from "./fold/worker_runner.ts";
import { createManifest } from "./manifest.ts";

const DEFAULTS: Omit<CacheSettings<BagOptions>, "compression"> = {
  mode: "readwrite",
  durability: "process",
  fold: "auto",
  journalBytes: 32 * 1024 * 1024,
  memoryBytes: 32 * 1024 * 1024,
};

const RULES: OptionRules<BagOptions> = {
  ...CACHE_FILES_RULES,
  fold: either("auto", "full", "manual"),
  journalBytes: integerFrom(1),
  memoryBytes: integerFrom(0),
  compression: OBJECT,
};

/** What a bag stands on; a test puts other things in their place. */
type BagEnvironment = Pick<DiskBagOptions, "fileSystem" | "runner">;

/**
 * Opens a bag, and makes one of a directory that is missing or empty.
 *
 * Requires `--allow-read` and, unless `mode` is `"read"`, `--allow-write` for the directory.
 *
 * @param options How to open it.
 * @param environment What the bag stands on; the disk, if not given.
 * @returns The open bag; it must be closed.
 * @throws {BagFormatError} If the directory is not a bag, or one of another version.
 * @throws {QuiverError} If the mode is not `"read"` and somebody else owns what is to be written.
 */
export async function openBagFiles(
  path: string,
  options: BagOptions = {},
  environment: BagEnvironment = { fileSystem: DISK, runner: WORKER_FOLD_RUNNER },
): Promise<DiskBag> {
  const { fileSystem } = environment;
  const layout = toLayout(resolve(path));
  const { compression, permissions, ...others } = options;
  checkOptions("open a bag", options, RULES, "no option");
  const settings = withDefaults(DEFAULTS, others);
  const wanted = checkCompression(compression);
  const writes = settings.mode === "readwrite";
  refuseFile(layout);
  const owned = writes
    ? writeFirst(layout.root, () => createBag(fileSystem, layout, { ...wanted, permissions }))
    : fileSystem;
  checkSame(layout, wanted, checkBag(layout));
  if (writes) writeFirst(layout.root, () => upgradeBag(owned, layout));
  if (writes) await createManifest(owned, layout);
  const open = () => new DiskBag({ ...settings, ...environment, fileSystem: owned, layout });
  const bag = writes ? writeFirst(layout.root, open) : open();
  try {
    await bag.heal();
    return bag;
  } catch (error) {
    await bag.close();
    throw error;
  }
}

function checkCompression(compression: BagOptions["compression"]): BagFeatures {
  if (compression === undefined) return {};
  const { gzip, ...others } = compression;
  const unknown = Object.keys(others)[0];
  if (unknown === undefined && isGzipLevel(gzip)) return { gzip };
  const Refusal = unknown === undefined && typeof gzip === "number" ? RangeError : TypeError;
  throw new Refusal(
    'Cannot open a bag as "compression" must be { gzip: 1 … 9 }: ' +
      `current value is ${Deno.inspect(compression)}`,
  );
}

function checkSame(layout: BagLayout, wanted: BagFeatures, decided: BagFeatures): void {
  if (wanted.gzip === undefined || wanted.gzip === decided.gzip) return;
  const state = decided.gzip === undefined ? "without compression" : `with gzip: ${decided.gzip}`;
  throw new BagFormatError(
    `Cannot open "${layout.root}" with gzip: ${wanted.gzip}: the bag was created ${state}, which ` +
      "is decided once; leave the option out",
  );
}
