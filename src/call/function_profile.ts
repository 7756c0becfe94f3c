import { outside } from "../ambient.ts";
import type { Function as FunctionNode, Pattern, Token } from "./_parser.ts";
import { createSha256 } from "../sha256.ts";
import type { Digest } from "../value/encoded_value.ts";

/** One parameter of a function, as its source has it. */
export interface Parameter {
  /** The name, or the position where the parameter is a destructuring pattern. */
  readonly name: string;
  /** The default, where it is a literal: then `f()` and `f(<default>)` are one call. */
  readonly literal?: { readonly value: unknown };
}

/** What the source of a function tells. */
export interface FunctionProfile {
  /** The parameters before the rest parameter. */
  readonly parameters: readonly Parameter[];
  /** The name of the rest parameter, if there is one. */
  readonly rest?: string;
  /** Whether the function can tell how many arguments it was given, as it looks at `arguments`. */
  readonly countsArguments: boolean;
  /** SHA-256 of the function's tokens: comments, layout and types do not count. */
  readonly code: Digest;
}

/**
 * Reads the parameters and the tokens of a function from its source.
 *
 * The parser is loaded at the first call only, so that a worker that is handed ready-made keys
 * never pays for it.
 *
 * @param fn The function.
 * @returns The profile.
 * @throws {TypeError} When the source is not to be had, as with bound and native functions.
 */
export async function readFunctionProfile(
  fn: (...args: never[]) => unknown,
): Promise<FunctionProfile> {
  const { parseExpressionAt } = await outside(() => import("./_parser.ts"));
  const tokens: Token[] = [];
  const parse = (source: string): FunctionNode => {
    tokens.length = 0;
    const node = parseExpressionAt(source, 0, { ecmaVersion: "latest", onToken: tokens });
    return toFunctionNode(node, fn.name);
  };
  const source = fn.toString();
  let node: FunctionNode;
  let text: string;
  try {
    node = parse(text = `(${source})`);
  } catch (expressionError) {
    try {
      // A method's source is not an expression: `run(a) { … }`.
      node = parse(text = `({${source}})`);
    } catch {
      throw new TypeError(
        `Cannot read the parameters of "${fn.name}": its source is not that of a function, as ` +
          "with bound and native ones; wrap it in a function of your own",
        { cause: expressionError },
      );
    }
  }
  const hash = createSha256();
  // A token's text may contain anything, but its length is its own.
  for (const { start, end } of tokens) hash.update(`${end - start}:${text.slice(start, end)}`);
  const names = new Set(tokens.map(({ start, end }) => text.slice(start, end)));
  const countsArguments = names.has("arguments") || names.has("eval");
  return { ...readParameters(node.params), countsArguments, code: hash.digest("hex") };
}

function toFunctionNode(node: { type: string }, name: string): FunctionNode {
  const inner = node.type === "ObjectExpression" ? firstValue(node) : node;
  if (
    inner?.type === "FunctionExpression" || inner?.type === "ArrowFunctionExpression"
  ) return inner as FunctionNode;
  throw new TypeError(`Cannot read the parameters of "${name}": it is a ${inner?.type}`);
}

function firstValue(node: { type: string; properties?: unknown }): { type: string } | undefined {
  const [first] = node.properties as { value?: { type: string } }[];
  return first?.value;
}

function readParameters(
  params: readonly Pattern[],
): Pick<FunctionProfile, "parameters" | "rest"> {
  const parameters: Parameter[] = [];
  for (const [index, param] of params.entries()) {
    if (param.type === "RestElement") {
      return { parameters, rest: readName(param.argument, index) };
    }
    if (param.type === "AssignmentPattern") {
      const literal = readLiteral(param.right);
      const name = readName(param.left, index);
      parameters.push(literal === undefined ? { name } : { name, literal });
    } else {
      parameters.push({ name: readName(param, index) });
    }
  }
  return { parameters };
}

function readName(pattern: Pattern, index: number): string {
  return pattern.type === "Identifier" ? pattern.name : String(index);
}

/** Literals only: any other default may depend on state, and is left to the function. */
function readLiteral(
  node: { type: string; value?: unknown; operator?: string; argument?: unknown },
): { value: unknown } | undefined {
  if (node.type === "Literal" && !(node.value instanceof RegExp)) return { value: node.value };
  if (node.type === "UnaryExpression" && node.operator === "-") {
    const operand = readLiteral(node.argument as { type: string });
    if (typeof operand?.value === "number") return { value: -operand.value };
    if (typeof operand?.value === "bigint") return { value: -operand.value };
  }
  return undefined;
}
