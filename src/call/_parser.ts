// The one seam to the parser, in a module of its own so that it is loaded when it is first needed.
export { type Function, parseExpressionAt, type Pattern, type Token } from "acorn";
