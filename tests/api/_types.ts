/**
 * Types, as `deno doc --json` describes them, written as in TypeScript.
 *
 * @module
 */

/** A parameter of a type. */
export interface TypeParameter {
  readonly name: string;
  readonly constraint?: Type;
  readonly default?: Type;
}

/** A parameter of a function. */
export type Parameter =
  | { readonly kind: "identifier"; readonly name: string } & Typed
  | { readonly kind: "rest"; readonly arg: Parameter } & Typed
  | { readonly kind: "assign"; readonly left: Parameter }
  | { readonly kind: "object"; readonly props: readonly { readonly key: string }[] } & Typed;

interface Typed {
  readonly optional?: boolean;
  readonly tsType?: Type;
}

/** What is called, and what that gives: of a type of functions, `tsType` is what is given. */
export interface Signature {
  readonly typeParams?: readonly TypeParameter[];
  readonly params: readonly Parameter[];
  readonly returnType?: Type;
  readonly tsType?: Type;
}

/** A field of an interface, or of a type that is written where it is used. */
export interface Property extends Typed {
  readonly name: string;
  readonly readonly?: boolean;
}

/** A method of such. */
export interface Method extends Signature {
  readonly name: string;
  readonly optional?: boolean;
}

/** A type. */
export type Type =
  | { readonly kind: "keyword"; readonly value: string }
  | { readonly kind: "literal"; readonly value: Literal }
  | {
    readonly kind: "typeRef";
    readonly value: { readonly typeName: string; readonly typeParams?: readonly Type[] };
  }
  | { readonly kind: "array" | "parenthesized"; readonly value: Type }
  | { readonly kind: "union" | "intersection" | "tuple"; readonly value: readonly Type[] }
  | {
    readonly kind: "typeOperator";
    readonly value: { readonly operator: string; readonly tsType: Type };
  }
  | {
    readonly kind: "indexedAccess";
    readonly value: { readonly objType: Type; readonly indexType: Type };
  }
  | {
    readonly kind: "conditional";
    readonly value: {
      readonly checkType: Type;
      readonly extendsType: Type;
      readonly trueType: Type;
      readonly falseType: Type;
    };
  }
  | { readonly kind: "rest"; readonly value: Type }
  | { readonly kind: "infer"; readonly value: { readonly typeParam: TypeParameter } }
  | {
    readonly kind: "mapped";
    readonly value: {
      readonly readonly?: boolean;
      readonly optional?: boolean;
      readonly typeParam: TypeParameter;
      readonly tsType: Type;
    };
  }
  | {
    readonly kind: "fnOrConstructor";
    readonly value: Signature & { readonly constructor: boolean };
  }
  | {
    readonly kind: "typeLiteral";
    readonly value: {
      readonly properties?: readonly Property[];
      readonly methods?: readonly Method[];
      readonly indexSignatures?: readonly (Signature & { readonly readonly?: boolean })[];
    };
  };

type Literal =
  | { readonly kind: "string"; readonly string: string }
  | { readonly kind: "number"; readonly number: number }
  | { readonly kind: "boolean"; readonly boolean: boolean }
  | { readonly kind: "template"; readonly tsTypes: readonly Type[] };

/** Writes a type. */
export function typeText(type: Type): string {
  switch (type.kind) {
    case "keyword":
      return type.value;
    case "literal":
      return literalText(type.value);
    case "typeRef":
      return type.value.typeName + inBrackets(type.value.typeParams?.map(typeText));
    case "array":
      return `${typeText(type.value)}[]`;
    case "parenthesized":
      return `(${typeText(type.value)})`;
    case "union":
      return type.value.map(typeText).join(" | ");
    case "intersection":
      return type.value.map(typeText).join(" & ");
    case "tuple":
      return `[${type.value.map(typeText).join(", ")}]`;
    case "typeOperator":
      return `${type.value.operator} ${typeText(type.value.tsType)}`;
    case "indexedAccess":
      return `${typeText(type.value.objType)}[${typeText(type.value.indexType)}]`;
    case "rest":
      return `...${typeText(type.value)}`;
    case "infer":
      return `infer ${typeParameterText(type.value.typeParam)}`;
    default:
      return longTypeText(type);
  }
}

/** Those that have more than one part. */
function longTypeText(
  type: Extract<Type, { kind: "conditional" | "mapped" | "fnOrConstructor" | "typeLiteral" }>,
): string {
  switch (type.kind) {
    case "conditional": {
      const { checkType, extendsType, trueType, falseType } = type.value;
      const condition = `${typeText(checkType)} extends ${typeText(extendsType)}`;
      return `${condition} ? ${typeText(trueType)} : ${typeText(falseType)}`;
    }
    case "mapped": {
      const { readonly, optional, typeParam: { name, constraint }, tsType } = type.value;
      const keys = `[${name} in ${constraint === undefined ? "?" : typeText(constraint)}]`;
      const field = `${keys}${optional ? "?" : ""}: ${typeText(tsType)}`;
      return `{ ${readonly ? "readonly " : ""}${field} }`;
    }
    case "fnOrConstructor": {
      const signature = signatureText(type.value, " => ");
      return type.value.constructor ? `new ${signature}` : signature;
    }
    case "typeLiteral": {
      const { properties = [], methods = [], indexSignatures = [] } = type.value;
      const indices = indexSignatures.map(({ readonly, params, tsType }) =>
        `${readonly ? "readonly " : ""}[${params.map(parameterText).join(", ")}]: ` +
        typeText(tsType ?? UNKNOWN)
      );
      const fields = [...indices, ...properties.map(propertyText), ...methods.map(methodText)];
      return fields.length === 0 ? "{}" : `{ ${fields.join("; ")} }`;
    }
    default:
      // Another Deno may know others.
      throw new TypeError(`Cannot write a type: ${JSON.stringify(type)} is not known`);
  }
}

const UNKNOWN: Type = { kind: "keyword", value: "unknown" };

function literalText(literal: Literal): string {
  if (literal.kind === "string") return JSON.stringify(literal.string);
  if (literal.kind === "template") return `\`${literal.tsTypes.map(templateText).join("")}\``;
  return String(literal.kind === "number" ? literal.number : literal.boolean);
}

function templateText(part: Type): string {
  if (part.kind === "literal" && part.value.kind === "string") return part.value.string;
  return `\${${typeText(part)}}`;
}

/** Writes what a function takes and gives. */
export function signatureText(signature: Signature, arrow: string = ": "): string {
  const { typeParams, params, returnType, tsType } = signature;
  const given = returnType ?? tsType;
  const after = given === undefined ? "" : arrow + typeText(given);
  return `${typeParametersText(typeParams)}(${params.map(parameterText).join(", ")})${after}`;
}

/** Writes a field. */
export function propertyText({ name, optional, readonly, tsType = UNKNOWN }: Property): string {
  return `${readonly ? "readonly " : ""}${name}${optional ? "?" : ""}: ${typeText(tsType)}`;
}

/** Writes a method. */
export function methodText(method: Method): string {
  return `${method.name}${method.optional ? "?" : ""}${signatureText(method)}`;
}

/** Writes the parameters of a type. */
export function typeParametersText(parameters: readonly TypeParameter[] | undefined): string {
  return inBrackets(parameters?.map(typeParameterText));
}

function typeParameterText({ name, constraint, default: usual }: TypeParameter): string {
  const bound = constraint === undefined ? "" : ` extends ${typeText(constraint)}`;
  return name + bound + (usual === undefined ? "" : ` = ${typeText(usual)}`);
}

function inBrackets(parts: readonly string[] | undefined): string {
  return parts === undefined || parts.length === 0 ? "" : `<${parts.join(", ")}>`;
}

function parameterText(parameter: Parameter): string {
  if (parameter.kind === "assign") {
    return parameterText({ ...parameter.left, optional: true } as Parameter);
  }
  const { optional, tsType } = parameter;
  const type = tsType === undefined ? "" : `: ${typeText(tsType)}`;
  if (parameter.kind === "identifier") return `${parameter.name}${optional ? "?" : ""}${type}`;
  if (parameter.kind === "rest") return `...${parameterText(parameter.arg)}${type}`;
  return `{ ${parameter.props.map(({ key }) => key).join(", ")} }${optional ? "?" : ""}${type}`;
}
