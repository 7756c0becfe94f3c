import { childrenOf, nodeAt, nodesAt, type SyntaxNode } from "./syntax.ts";

/** The names that a pattern binds. */
export function patternNames(pattern: SyntaxNode | undefined): string[] {
  switch (pattern?.type) {
    case "Identifier":
      return [String(pattern.name)];
    case "ObjectPattern":
      return nodesAt(pattern, "properties").flatMap((property) =>
        patternNames(property.type === "Property" ? nodeAt(property, "value") : property)
      );
    case "ArrayPattern":
      return nodesAt(pattern, "elements").flatMap(patternNames);
    case "AssignmentPattern":
      return patternNames(nodeAt(pattern, "left"));
    case "RestElement":
      return patternNames(nodeAt(pattern, "argument"));
    default:
      return [];
  }
}

/** The names that statements declare for their own block: all but those of `var`. */
export function lexicalNames(statements: readonly SyntaxNode[]): string[] {
  return statements.flatMap((statement) => {
    switch (statement.type) {
      case "VariableDeclaration":
        return statement.kind === "var" ? [] : declaratorNames(statement);
      case "FunctionDeclaration":
      case "ClassDeclaration":
        return patternNames(nodeAt(statement, "id"));
      default:
        return [];
    }
  });
}

/** The statements that have other statements in them; a `var` stands nowhere else. */
const NESTING =
  /^(?:Block|If|For|ForIn|ForOf|While|DoWhile|Switch|Try|Labeled|With)Statement$|^SwitchCase$|^CatchClause$|^StaticBlock$/;

/** The names that `var` declares anywhere in a statement, but for functions inside. */
export function varNames(node: SyntaxNode): string[] {
  if (node.type === "VariableDeclaration") return node.kind === "var" ? declaratorNames(node) : [];
  return NESTING.test(node.type) ? childrenOf(node).flatMap(varNames) : [];
}

function declaratorNames(declaration: SyntaxNode): string[] {
  return nodesAt(declaration, "declarations").flatMap((each) => patternNames(nodeAt(each, "id")));
}

/** What a node that has a scope of its own declares in it; nothing for other nodes. */
export function scopeNames(node: SyntaxNode): string[] | undefined {
  switch (node.type) {
    case "FunctionExpression":
    case "ClassExpression":
      return patternNames(nodeAt(node, "id"));
    case "BlockStatement":
      return lexicalNames(nodesAt(node, "body"));
    case "StaticBlock":
      return lexicalNames(nodesAt(node, "body")).concat(varNames(node));
    case "ForStatement":
      return lexicalNames([nodeAt(node, "init")].filter((init) => init !== undefined));
    case "ForInStatement":
    case "ForOfStatement":
      return lexicalNames([nodeAt(node, "left")].filter((left) => left !== undefined));
    case "SwitchStatement":
      return lexicalNames(nodesAt(node, "cases").flatMap((each) => nodesAt(each, "consequent")));
    case "CatchClause":
      return patternNames(nodeAt(node, "param"));
    default:
      return undefined;
  }
}

/** The names that a function binds for its parameters and its body. */
export function functionNames(node: SyntaxNode): { parameters: string[]; body: string[] } {
  const parameters = nodesAt(node, "params").flatMap(patternNames);
  if (node.type !== "ArrowFunctionExpression") parameters.push("arguments");
  const body = nodeAt(node, "body");
  const names = body?.type === "BlockStatement" ? varNames(body) : [];
  // A parameter that is declared again is the same variable.
  return { parameters, body: names.filter((name) => !parameters.includes(name)) };
}
