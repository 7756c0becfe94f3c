import { LateModule } from "../base/lazy_import.ts";
import type { Expression, Function as FunctionNode, Pattern } from "./acorn.ts";
import { createSha256 } from "../base/sha256.ts";
import type { Digest } from "../value/value.ts";

/** Loaded with the first key: a worker that is given ready-made ones never pays for it. */
const PARSER = new LateModule(() => import("./acorn.ts"));

/** One parameter of a function, as its source has it. */
interface Parameter {
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
 * How a source is an expression: as it is, as a method of an object, as one with a private name; and
 * V8 leaves out the name of a method that is called `static`.
 */
const WRAPPINGS = [["(", ")"], ["({", "})"], ["(class{", "})"], ["({static", "})"]] as const;

/** What native and bound functions, and proxies of functions, show of themselves. */
const NATIVE_REGEXP = /\{\s*\[native code\]\s*\}\s*$/;

/**
 * Reads the parameters and the tokens of a function from its source.
 *
 * The parser is loaded at the first call only, so that a worker that is handed ready-made keys
 * never pays for it.
 *
 * @throws {TypeError} When the source is not to be had, as with bound and native functions, or is
 * not understood: a guess could take two calls for one.
 */
export async function readFunctionProfile(
  fn: (...args: never[]) => unknown,
): Promise<FunctionProfile> {
  return toFunctionProfile(await parseFunction(fn));
}

/** Makes a profile of a function that was parsed. */
export function toFunctionProfile({ node, tokens, method }: ParsedFunction): FunctionProfile {
  const names = tokens.map(toName);
  const countsArguments = names.includes("arguments") || names.includes("eval");
  const { parameters, rest } = readParameters(node.params);
  return {
    parameters: method === undefined ? parameters : [{ name: "this" }, ...parameters],
    ...(rest !== undefined && { rest }),
    countsArguments,
    code: digestCode(tokens),
  };
}

/** Whether a function uses the `this` that it is called with. */
export function usesThis({ node: { params, body }, tokens }: ParsedFunction): boolean {
  return (tokens.includes("this") || tokens.includes("super")) && holdsThis([params, body]);
}

/** Functions have their own, unless they are arrows, and so have classes. */
function holdsThis(part: unknown): boolean {
  if (Array.isArray(part)) return part.some(holdsThis);
  if (!isNode(part)) return false;
  const { type } = part;
  if (type === "ThisExpression" || type === "Super") return true;
  if (type === "FunctionExpression" || type === "FunctionDeclaration" || type === "StaticBlock") {
    return false;
  }
  if (type !== "PropertyDefinition") return Object.values(part).some(holdsThis);
  return Reflect.get(part, "computed") === true && holdsThis(Reflect.get(part, "key"));
}

/** A function as it was parsed. */
export interface ParsedFunction {
  /** The function. */
  readonly node: FunctionNode;
  /** The texts of its tokens. */
  readonly tokens: readonly string[];
  /** What it is called, if it is a method that is given its `this` as its first argument. */
  readonly method?: string;
}

/**
 * Parses a function.
 *
 * @returns The function, and the texts of its tokens.
 * @throws {TypeError} When the source is not to be had, or is not understood.
 */
export async function parseFunction(
  fn: (...args: never[]) => unknown,
): Promise<ParsedFunction> {
  const parser = await PARSER.load();
  // The function may have a `toString` of its own.
  const source = Function.prototype.toString.call(fn);
  const { name } = fn;
  if (NATIVE_REGEXP.test(source)) {
    throw refuse(name, "its source is not to be had, as with bound and native functions");
  }
  const { node, tokens } = read(parser, source, name);
  if (!isFunction(node)) {
    const isClass = node.type === "ClassExpression";
    throw refuse(name, isClass ? "it is a class" : "its source is that of no function");
  }
  return { node, tokens };
}

/** What escapes in a name stand for; texts keep their quotes, and are no names. */
function toName(token: string): string {
  if (!token.includes("\\u")) return token;
  return token.replaceAll(
    /\\u(?:\{([0-9a-f]{1,6})\}|([0-9a-f]{4}))/gi,
    (_, braced: string | undefined, plain: string | undefined) =>
      String.fromCharCode(Number.parseInt(braced ?? plain ?? "", 16)),
  );
}

/** Reads a function, and the texts of its tokens, a semicolon for each that a line break stands for. */
function read(
  { parseExpression }: typeof import("./acorn.ts"),
  source: string,
  name: string,
) {
  let firstError: unknown;
  for (const [before, after] of WRAPPINGS) {
    const text = `${before}${source}${after}`;
    const tokens: string[] = [];
    let inserted = false;
    try {
      const expression = parseExpression(text, {
        onToken: ({ start, end }) => {
          // Before a brace a semicolon is left out on one line, too.
          if (inserted && text[start] !== "}") tokens.push(";");
          inserted = false;
          tokens.push(text.slice(start, end));
        },
        onInsertedSemicolon: () => void (inserted = true),
      });
      return { node: before === "(" ? expression : toMethod(expression), tokens };
    } catch (error) {
      firstError ??= error;
    }
  }
  const reason = firstError instanceof Error ? firstError.message : "it is none of a function";
  throw refuse(name, `the parser does not understand its source (${reason})`, firstError);
}

function digestCode(tokens: readonly string[]): Digest {
  const hash = createSha256();
  for (const token of tokens) {
    // Within a template or a text, too, all line breaks are one to the language.
    const text = token.includes("\r") ? token.replaceAll(/\r\n?/g, "\n") : token;
    // A token's text may contain anything, but its length is its own.
    hash.update(`${text.length}:${text}`);
  }
  return hash.digest("hex");
}

function refuse(name: string, state: string, cause?: unknown): TypeError {
  return new TypeError(
    `Cannot read the parameters of "${name}": ${state}; wrap it in a function of your own`,
    { cause },
  );
}

function isFunction(node: { readonly type: string }): node is FunctionNode {
  return node.type === "FunctionExpression" || node.type === "ArrowFunctionExpression";
}

/** The method that was wrapped, in an object or a class. */
function toMethod(wrapped: Expression): { readonly type: string } {
  const members: readonly { readonly type: string }[] = wrapped.type === "ObjectExpression"
    ? wrapped.properties
    : wrapped.type === "ClassExpression"
    ? wrapped.body.body
    : [];
  const [method = wrapped] = members;
  return "value" in method && isNode(method.value) ? method.value : method;
}

function isNode(value: unknown): value is { readonly type: string } {
  return typeof value === "object" && value !== null && "type" in value;
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
