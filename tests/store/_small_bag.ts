import type { BagOptions } from "../../src/disk/disk_storage.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import type { VerifyOptions, VerifyReport } from "../../src/bag/verify/report.ts";
import type { CallRecord } from "../../src/call/call_record.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { verifyStores } from "../../src/store/verify/verify_stores.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { InlineFoldRunner, loadHdf5Library } from "../bag/_inline_fold_runner.ts";
import { toDigest } from "../bag/_values.ts";
import { UNSYNCED_DISK } from "../bag/_unsynced_disk.ts";

/** The disk, and folds in this isolate. */
export const ENVIRONMENT = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };

/** A call whose result and argument are stored. */
export interface StoredCall {
  readonly key: string;
  readonly argument: unknown;
  readonly result: unknown;
}

/** Results of each form: packed, a dataset, a graph with a part of its own. */
export const CALLS: readonly StoredCall[] = [
  { key: toDigest("call 1"), argument: { n: 1 }, result: { sum: 1.5, text: "é" } },
  {
    key: toDigest("call 2"),
    argument: [2, 3],
    result: Float64Array.from({ length: 512 }, Math.sqrt),
  },
  {
    key: toDigest("call 3"),
    argument: new Map([["a", 1n]]),
    result: { table: new Int32Array(1024).fill(7), seen: new Set([1, -0]) },
  },
];

/** A call that is not sealed. */
export const UNSEALED: StoredCall = {
  key: toDigest("call 4"),
  argument: "four",
  result: { late: true, more: [1, 2, 3] },
};

/** Makes a bag with sealed calls, and one in a journal whose writer is gone. */
export async function createSmallBag(path: string, unsealed: boolean = true): Promise<void> {
  await storeCalls(path, CALLS, {}, true);
  if (unsealed) await storeCalls(path, [UNSEALED]);
}

/** Makes one that also has a table of its calls, and touches of values that were put again. */
export async function createCompactedBag(path: string): Promise<void> {
  await storeCalls(path, CALLS, {}, true);
  {
    await using files = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
    await files.compact({ full: true });
  }
  await storeCalls(path, [UNSEALED]);
  await using files = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
  const { values } = files;
  for (const { result } of CALLS) values.put(encodeValue(result));
}

/** Makes one whose segment has lost its table. */
export async function createBagWithoutTable(path: string): Promise<void> {
  await createSmallBag(path);
  Deno.removeSync(`${path}/segments/000001.index`);
}

/** Puts calls into a bag. */
export async function storeCalls(
  path: string,
  calls: readonly StoredCall[],
  options: BagOptions = {},
  seal: boolean = false,
): Promise<void> {
  await using files = await openBagFiles(path, { ...options, fold: "manual" }, ENVIRONMENT);
  for (const call of calls) putCall(files, call);
  if (seal) await files.fold();
}

function putCall(
  files: DiskBag,
  { key, argument, result }: StoredCall,
): void {
  const [value, output] = [encodeValue(argument), encodeValue(result)];
  files.values.put(value);
  files.values.put(output);
  const record: CallRecord = {
    key,
    scheme: 1,
    module: "file:///tasks.ts",
    task: "test",
    args: [{ name: "x", digest: value.digest, value: value.digest }],
    result: output.digest,
    started: 0,
    duration: 1,
    metadata: {},
  };
  files.calls.put(record);
}

/** Checks a bag in this isolate. */
export function verify(path: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  return verifyStores(path, options, ENVIRONMENT_OF_CHECKS);
}

const ENVIRONMENT_OF_CHECKS = { fileSystem: UNSYNCED_DISK, loadLibrary: loadHdf5Library };

/** The names of the steps in which something is wrong. */
export function listDamaged(report: VerifyReport): string[] {
  return report.steps.filter(({ problems }) => problems > 0).map(({ name }) => name);
}

/** Finds all files whose path matches. */
export function findResult(call: StoredCall): string {
  return encodeValue(call.result).digest;
}
