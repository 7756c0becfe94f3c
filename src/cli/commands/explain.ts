import { CacheMissError, cacheScope, type Explanation } from "../../../mod.ts";
import { explain } from "../../caches.ts";
import { type CommandCall, type CommandModule, UsageError } from "../command.ts";
import { toExactJson } from "../exact_json.ts";
import { findTask, FROM_OPTION, loadTask, type TaskOptions } from "../load_task.ts";
import { type CacheHandle, openCache } from "../open_cache.ts";
import { toSafeText } from "../safe_text.ts";
import { writeJson } from "../terminal.ts";

interface ExplainOptions extends TaskOptions {
  readonly json?: boolean;
}

/** Tells why a call is known or not. */
export const command: CommandModule<ExplainOptions> = {
  takesCache: true,
  operands: [
    { name: "key|task", about: "the key of a call, or the name of a task", required: true },
    { name: "argument", about: "the arguments of a call of the task, as JSON", many: true },
  ],
  examples: [
    ["explain 3f2a", "tells how the call differs from the nearest other one"],
    [
      `explain simulate '{"rate":0.5}'`,
      "tells why that call would run: it imports the task's module, which runs what stands in it",
    ],
  ],
  configure(command) {
    command.option(...FROM_OPTION).option("--json", "as one line of JSON");
  },
  async run(call) {
    await using handle = await openCache(call);
    const explanation = await explainCall(call, handle);
    const { terminal, options: { json } } = call;
    if (json) writeJson(terminal, toExactJson({ ...explanation }));
    else terminal.write(`${toSafeText(String(explanation))}\n`);
  },
};

async function explainCall(
  call: CommandCall<ExplainOptions>,
  { cache }: CacheHandle,
): Promise<Explanation> {
  const [name = "", ...texts] = call.operands;
  const args = texts.map(toArgument);
  const known = await findTask(cache, name);
  if (known === undefined && call.options.from === undefined) {
    if (texts.length === 0) return await explainKey(call, { cache });
    throw new Error(`There is no call of a task "${name}": name its module with --from`);
  }
  // A task that may be called like the beginning of a key is meant where it has calls.
  const task = await loadTask(call, known ?? { task: name, module: "" });
  return await cacheScope({ cache }, () => task.explain(...args));
}

async function explainKey(
  { operands: [key = ""] }: CommandCall,
  { cache }: Pick<CacheHandle, "cache">,
): Promise<Explanation> {
  try {
    return await explain(cache, key.toLowerCase());
  } catch (error) {
    if (!(error instanceof CacheMissError) && !(error instanceof SyntaxError)) throw error;
    throw new Error(`There is neither a call of a task "${key}", nor one whose key begins so`, {
      cause: error,
    });
  }
}

/** JSON is what it is; all else is refused, as a text without quotes would be another call. */
function toArgument(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(
      `Cannot take ${JSON.stringify(text)} as an argument: it is no JSON; a text is written ` +
        `'${JSON.stringify(text)}'`,
    );
  }
}
