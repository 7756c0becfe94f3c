import { importPackage } from "../import_later.ts";

// The one seam to the parser, in a module of its own so that it is loaded when it is first needed.
export type { Function, Pattern, Token } from "acorn";

type Acorn = typeof import("acorn");

const acorn = await importPackage<Acorn>("npm:acorn@^8.19.0");

/** Parses an expression. */
export const parseExpressionAt: Acorn["parseExpressionAt"] = acorn.parseExpressionAt;
