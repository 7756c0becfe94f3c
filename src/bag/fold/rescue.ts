import { guardBag } from "../../disk/disk_storage.ts";
import { toPayload } from "../../disk/payload.ts";
import type { Digest } from "../../value/value.ts";
import { JournalWriter } from "../journal/journal_writer.ts";
import type { BagEditor } from "./bag_editor.ts";
import type { DroppedValue } from "./merge.ts";

/**
 * Puts into a journal what was touched since it was decided to drop it. Whoever calls this holds off
 * touches.
 *
 * @param dropped What is to be dropped; what is rescued is taken out.
 * @param touched What was touched.
 */
export function rescue(
  { fileSystem, layout }: Pick<BagEditor, "fileSystem" | "layout">,
  dropped: Map<Digest, DroppedValue>,
  touched: ReadonlySet<Digest>,
): void {
  const guard = guardBag(layout, "readwrite");
  const options = { fileSystem, layout, guard, journalBytes: Infinity, sync: true };
  using writer = new JournalWriter(options);
  for (const digest of touched) {
    const source = dropped.get(digest)?.toSource();
    if (source === undefined) continue;
    const { kind, shape } = source;
    // What has become damaged since it was touched is missing from now on: it must not look whole.
    const payload = source.isWhole() ? toPayload(kind, source.read()) : undefined;
    if (payload !== undefined) writer.append({ digest, ...payload, ...(shape && { shape }) });
    dropped.delete(digest);
  }
}
