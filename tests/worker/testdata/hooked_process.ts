/** Its close hook writes the file that the task `hook` was given, or throws. */
import { exposeProcess } from "../../../src/worker/process/expose_process.ts";
import type { CallRequest } from "../../../src/worker/worker.ts";

let path: string | undefined;

exposeProcess(({ args }: CallRequest) => {
  [path] = args as [string | undefined];
  return { type: "value", value: undefined, duration: 0, warnings: [] };
}, {
  close: async () => {
    if (path === undefined) throw new RangeError("the hook failed");
    await Deno.writeTextFile(path, "closed\n", { append: true });
  },
});
