import { listOthers } from "./hostile/files.ts";
import type { HostileBag } from "./hostile/hostile_bag.ts";
import { listLines } from "./hostile/lines.ts";
import { listManifests } from "./hostile/manifests.ts";
import { listRecords, listShortRecords } from "./hostile/records.ts";
import { listSegments } from "./hostile/segments.ts";
import { listTables } from "./hostile/tables.ts";
import { listValues } from "./hostile/values.ts";

/** All hostile bags, by what is hostile in them. */
export const HOSTILE = {
  records: listRecords,
  "short records": listShortRecords,
  lines: listLines,
  values: listValues,
  tables: listTables,
  manifests: listManifests,
  segments: listSegments,
  "other files": listOthers,
} satisfies Readonly<Record<string, () => Iterable<HostileBag>>>;
