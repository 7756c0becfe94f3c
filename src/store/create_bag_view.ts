import type { BagFiles } from "../disk/cache_files.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { Digest, PayloadSource } from "../value/value.ts";
import { toCallRecord } from "./bag_stores.ts";
import type { BagView } from "./bag_view.ts";
import type { OpenFiles } from "./open_stores.ts";
import { RecordSigner } from "./record_signer.ts";
import { SignedView } from "./signed_view.ts";

/**
 * Looks at an open bag.
 *
 * @param opened The bag. If it is signed, nothing is shown but what the holder of a key has written.
 * @returns The view.
 */
export function createBagView({ files, stores }: OpenFiles<BagFiles>): BagView {
  const view = new PlainView(files);
  const { description } = stores;
  if (description?.type !== "signed") return view;
  return new SignedView(view, new RecordSigner(description.keys), stores.values);
}

class PlainView implements BagView {
  readonly #files: BagFiles;
  readonly source: PayloadSource;

  constructor(files: BagFiles) {
    this.#files = files;
    this.source = {
      open: (digest) => files.openPayload(digest),
      load: (digest) => files.getValue(digest),
    };
  }

  get path(): string {
    return this.#files.path;
  }

  record(key: Digest): CallRecord | undefined {
    return toCallRecord(this.#files.getCall(key));
  }

  *records(): Generator<CallRecord> {
    for (const line of this.#files.calls()) {
      const record = toCallRecord(line);
      if (record !== undefined) yield record;
    }
  }

  believes(): boolean {
    return true;
  }
}
