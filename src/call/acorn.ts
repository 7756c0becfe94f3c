// The one seam to the parser, in a module of its own so that it is loaded when it is first needed.
import { type Expression, type Options, Parser, type Program } from "acorn";

export type { Expression, Function, Pattern } from "acorn";

/**
 * Reads what the engine has accepted already: rules that only tell whether code is legal are left to
 * it. It knows more of them, such as newer regular expressions, and knows what is around a function,
 * such as the class whose private names it uses. The methods are those that acorn's plugins replace.
 *
 * @see {@link https://github.com/acornjs/acorn/tree/master/acorn#plugin-system}
 */
const LenientParser = Parser.extend((Base) =>
  class extends Base {
    raiseRecoverable(): void {}
    // It goes over all names of a scope for each one that is declared.
    declareName(): void {}
    checkLocalExport(): void {}
    validateRegExpFlags(): void {}
    validateRegExpPattern(): void {}
  }
);

/**
 * Parses an expression, leniently.
 *
 * @param source The source, which begins with the expression.
 * @param options What is told of what is found.
 * @throws {SyntaxError} When the parser does not understand it.
 */
export function parseExpression(
  source: string,
  options: Pick<Options, "onToken" | "onInsertedSemicolon">,
): Expression {
  return LenientParser.parseExpressionAt(source, 0, {
    ...options,
    ecmaVersion: "latest",
    // The engine takes HTML-like comments for comments in scripts, and refuses them in modules.
    sourceType: "script",
    allowSuperOutsideMethod: true,
    checkPrivateFields: false,
  });
}

/**
 * Parses a module, leniently.
 *
 * @param source The source, in JavaScript.
 * @param script Whether it is a script of Node's.
 * @throws {SyntaxError} When the parser does not understand it.
 */
export function parseModule(source: string, script: boolean): Program {
  return LenientParser.parse(source, {
    ecmaVersion: "latest",
    sourceType: script ? "commonjs" : "module",
    allowHashBang: true,
  });
}
