import { literalText, nameAt, nodeAt, nodesAt, type SyntaxNode } from "./syntax.ts";

/**
 * What a task is called by the call that defines it.
 *
 * @param fn What is given as its function, if that may tell.
 * @param options What is given as its options.
 * @returns The name; nothing where that is not written.
 */
export function nameOfTask(
  fn: SyntaxNode | undefined,
  options: SyntaxNode | undefined,
): string | undefined {
  if (options !== undefined && !isPlain(options)) return undefined;
  const named = options && optionOf(options, "name");
  if (named !== undefined) return literalText(named);
  return fn && (nameAt(fn, fn.type === "Identifier" ? "name" : "id") || undefined);
}

/** Whether the options of a task say that its code does not count. */
export function hasNoCode(options: SyntaxNode | undefined): boolean {
  return isPlain(options) && optionOf(options, "code")?.value === "none";
}

/** Whether all options are written out. */
function isPlain(options: SyntaxNode | undefined): options is SyntaxNode {
  return options?.type === "ObjectExpression" &&
    nodesAt(options, "properties").every(({ type, computed }) =>
      type === "Property" && computed !== true
    );
}

function optionOf(options: SyntaxNode, name: string): SyntaxNode | undefined {
  const properties = nodesAt(options, "properties");
  const found = properties.findLast((property) => nameAt(property, "key") === name);
  return found && nodeAt(found, "value");
}
