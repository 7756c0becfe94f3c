import { resolve } from "node:path";
import { likeDirectory } from "../../disk/ownership.ts";
import { type BagLayout, toLayout } from "../../disk/layout.ts";
import { toPayload } from "../../disk/payload.ts";
import type { Digest, Payload } from "../../value/value.ts";
import { refuseFile } from "../bag_json.ts";
import type { DiskBag } from "../disk_bag.ts";
import { compactBag, foldBag, rebuildBag } from "../fold/fold.ts";
import type { Hdf5Access, Hdf5Environment } from "../hdf5/access.ts";
import { openBagFiles } from "../open_bag.ts";
import { HDF5_ENVIRONMENT } from "../segment/hdf5_file.ts";
import type { SegmentSource } from "../segment/segment_writer.ts";
import { amendCalls, type Amendment } from "./repair_log.ts";
import { Quarantine, type VerifyOptions } from "./report.ts";
import {
  dropValues,
  type VerifiedFiles,
  type VerifyEnvironment,
  verifyFiles,
} from "./verify_files.ts";

/** The check of one bag, as far as it does not know what calls mean. */
export class BagVerification {
  readonly #layout: BagLayout;
  readonly #environment: VerifyEnvironment;
  readonly #options: VerifyOptions;

  /**
   * Prepares the check; nothing is looked at yet.
   *
   * @param options What to do.
   * @param environment What the check stands on.
   */
  constructor(
    path: string,
    options: VerifyOptions,
    { fileSystem: disk, loadLibrary }: Hdf5Environment = HDF5_ENVIRONMENT,
  ) {
    let library: Promise<Hdf5Access> | undefined;
    this.#layout = toLayout(resolve(path));
    this.#options = options;
    const fileSystem = likeDirectory(disk, this.#layout.root);
    this.#environment = {
      fileSystem,
      loadLibrary: () => library ??= loadLibrary(),
      quarantine: options.repair === true ? new Quarantine(fileSystem, this.#layout) : undefined,
    };
  }

  /** The absolute path of the bag. */
  get path(): string {
    return this.#layout.root;
  }

  /** Where damaged files were put, if any were. */
  get quarantine(): string | undefined {
    return this.#environment.quarantine?.path;
  }

  /** Checks the files, and puts them right if that is wanted. */
  async files(): Promise<VerifiedFiles> {
    refuseFile(this.#layout);
    const verified = await verifyFiles(this.#layout, this.#environment, this.#options);
    if (verified.foldable) await this.fold();
    return verified;
  }

  /** Opens the bag for reading. */
  open(): Promise<DiskBag> {
    return openBagFiles(this.path, { mode: "read", memoryBytes: 0 }, {
      fileSystem: this.#environment.fileSystem,
      runner: {
        fold: () => Promise.resolve(undefined),
        rebuild: () => rebuildBag(this.#layout, this.#environment, false),
        compact: (_, request) => compactBag(this.#layout, this.#environment, request),
      },
    });
  }

  /** Seals what is in journals. */
  async fold(): Promise<void> {
    await foldBag(this.#layout, this.#environment);
  }

  /**
   * Takes copies of values out of all segments that are whole but wrong.
   *
   * @param condemned The digests of the values.
   * @param isWrong Tells which of their copies.
   */
  async drop(
    condemned: ReadonlySet<Digest>,
    isWrong: (digest: Digest, payload: Payload) => boolean,
  ): Promise<void> {
    if (condemned.size === 0) return;
    await this.fold();
    await dropValues(this.#layout, this.#environment, this.#options, (source) => {
      if (!condemned.has(source.digest)) return false;
      const payload = toPayload(source.kind, readAll(source));
      return payload === undefined || isWrong(source.digest, payload);
    });
  }

  /** Forgets or replaces records. */
  async amend(
    keys: readonly Digest[],
    amend: (record: Record<string, unknown>) => Amendment,
  ): Promise<void> {
    await amendCalls({ ...this.#environment, layout: this.#layout }, keys, amend);
  }
}

function readAll(source: SegmentSource): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(source.length);
  let at = 0;
  for (const chunk of source.chunks()) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
