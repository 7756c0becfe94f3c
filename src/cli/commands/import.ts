import type { CommandModule } from "../command.ts";
import { toCount, toShort } from "../format.ts";
import { note, openCache, toBag } from "../open_cache.ts";
import { printRows } from "../print_rows.ts";
import { toSafeLine } from "../safe_text.ts";
import { writeJson } from "../terminal.ts";

interface ImportOptions {
  readonly datasets?: boolean;
  readonly path?: string;
  readonly json?: boolean;
}

/** Takes calls or arrays into a bag. */
export const command: CommandModule<ImportOptions> = {
  takesCache: true,
  operands: [{ name: "file", about: "an HDF5 file", required: true }],
  examples: [
    ["import results.bag waves.h5", "takes in the calls of a file that quiver export has written"],
    ["import results.bag theirs.h5 --datasets", "takes in the arrays of any HDF5 file, as values"],
  ],
  configure(command) {
    command
      .option("--datasets", "the arrays of a file that anybody has written")
      .option("--path <path>", "of these only what lies at this path of the file")
      .option("--json", "what was taken in, as one line of JSON");
  },
  async run(call) {
    const { terminal, operands: [file = ""], options: { datasets, path, json } } = call;
    await using handle = await openCache(call, { writes: true, creates: true });
    const bag = toBag(handle, "import into");
    if (!datasets && path === undefined) {
      const result = await bag.importHdf5(file);
      if (json) writeJson(terminal, JSON.stringify(result));
      const { calls, known, rejected } = result;
      note(call, `${toCount(calls, "new call")}, ${known} known already, ${rejected} rejected`);
      return calls + known > 0 ? 0 : 1;
    }
    const result = await bag.importDatasets(file, path === undefined ? {} : { path });
    if (json) writeJson(terminal, JSON.stringify(result));
    else {
      const columns = [{ name: "digest" }, { name: "type" }, { name: "shape" }, { name: "path" }];
      const rows = result.datasets.map(({ digest, dtype, shape, path }) => [
        toShort(digest),
        toSafeLine(dtype),
        shape?.join(" × ") ?? "",
        toSafeLine(path),
      ]);
      if (rows.length > 0) printRows(terminal, columns, rows);
    }
    for (const { path, reason } of result.skipped) note(call, `Left out "${path}": ${reason}`);
    return result.datasets.length > 0 ? 0 : 1;
  },
};
