import { createSha256 } from "../../base/sha256.ts";
import { digestSyntax, isNode } from "./syntax.ts";
import { readUses } from "./uses.ts";

/** What is there everywhere, and would show up among what a REPL has defined. */
const EVERYWHERE = new Set([
  ...["Buffer", "Deno", "EventSource", "atob", "btoa", "caches", "clearImmediate", "clearInterval"],
  ...["clearTimeout", "createImageBitmap", "crypto", "fetch", "global", "navigator", "performance"],
  ...[
    "process",
    "queueMicrotask",
    "reportError",
    "self",
    "setImmediate",
    "setInterval",
    "setTimeout",
  ],
  ...["structuredClone"],
]);

/** What stands for the code of a function in no module. */
interface LooseCode {
  /** What is part of keys. */
  readonly digest: string;
  /** What cannot be seen. */
  readonly warnings: readonly string[];
}

/**
 * Reads the code of a function that stands in lines of a REPL or notebook: what it names there nobody can
 * read, and any line may change it. A function that names such things is another one with each
 * definition.
 *
 * @param name What the function is called in warnings.
 */
export function readLooseCode({ node }: { readonly node: unknown }, name: string): LooseCode {
  if (!isNode(node)) throw new TypeError(`Cannot read the code of "${name}": it is no function`);
  const { uses, imports, started, unknowable } = readUses([node], () => false);
  const names = uses.map((use) => use.name).filter((each) => !isEverywhere(each));
  const others = [...imports.map(({ specifier }) => specifier), ...started, ...unknowable];
  const unseen = Array.from(new Set([...names, ...others]));
  const fields = ["repl", digestSyntax([node]), ...unseen.length > 0 ? [crypto.randomUUID()] : []];
  const digest = createSha256().update(JSON.stringify(fields)).digest("hex");
  if (unseen.length === 0) return { digest, warnings: [] };
  const warning = `Cannot see what ${unseen.map((each) => `"${each}"`).join(" and ")} in task ` +
    `"${name}" of a REPL or notebook is: calls are remembered until the task is defined again, which ` +
    "is to be done when that changes; pass it as an argument, or define the task in a module";
  return { digest, warnings: [warning] };
}

/** What a program defines by `var` and `function` can be seen in a loop; what is built in cannot. */
function isEverywhere(name: string): boolean {
  return EVERYWHERE.has(name) ||
    Object.getOwnPropertyDescriptor(globalThis, name)?.enumerable === false;
}
