// Exports a bag, and is killed when it has written a part: `killed_export.ts <bag> <file> <writes>`.
import { HDF5_ENVIRONMENT } from "../../../src/bag/segment/hdf5_file.ts";
import { DISK } from "../../../src/disk/file_system.ts";
import { createBagView } from "../../../src/store/browse/bag_view.ts";
import { exportBag } from "../../../src/store/exchange/export_bag.ts";
import { openBagStores } from "../../../src/store/open_stores.ts";

const [bag = "", file = "", writes = "0"] = Deno.args;
await using opened = await openBagStores(bag, { mode: "read" });
let rest = Number(writes);
const fileSystem = {
  ...DISK,
  write(open: Deno.FsFile, bytes: Uint8Array): number {
    if (rest-- === 0) Deno.kill(Deno.pid, "SIGKILL");
    return DISK.write(open, bytes);
  },
};
await exportBag(createBagView(opened), file, () => true, {}, { ...HDF5_ENVIRONMENT, fileSystem });
