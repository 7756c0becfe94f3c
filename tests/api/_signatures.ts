import deno from "../../deno.json" with { type: "json" };
import {
  type Method,
  methodText,
  type Property,
  propertyText,
  type Signature,
  signatureText,
  type Type,
  type TypeParameter,
  typeParametersText,
  typeText,
} from "./_types.ts";

const ROOT = new URL("../../", import.meta.url);

/** What was written of the public names, to be compared with what they are. */
export const SNAPSHOT = new URL("./snapshot.txt", import.meta.url);

interface Documented {
  readonly jsDoc?: { readonly tags?: readonly { readonly kind: string }[] };
}

interface ClassMember extends Documented {
  readonly name: string;
  readonly accessibility?: string;
  readonly isStatic?: boolean;
}

interface ClassMethod extends ClassMember {
  readonly kind: "method" | "getter" | "setter";
  readonly functionDef: Signature & { readonly hasBody?: boolean };
}

interface Definition extends Signature {
  readonly hasBody?: boolean;
  readonly extends?: string | readonly Type[];
  readonly implements?: readonly Type[];
  readonly constructors?: readonly (Signature & Documented)[];
  readonly properties?: readonly (Property & ClassMember)[];
  readonly methods?: readonly (ClassMethod | (Method & Documented))[];
  readonly callSignatures?: readonly Signature[];
  readonly typeParams?: readonly TypeParameter[];
  readonly tsType?: Type;
}

interface Declaration {
  readonly kind: "class" | "interface" | "typeAlias" | "function" | "variable";
  readonly def: Definition;
}

interface Documentation {
  readonly nodes: {
    readonly [url: string]: {
      readonly symbols: readonly {
        readonly name: string;
        readonly declarations: readonly Declaration[];
      }[];
    };
  };
}

/**
 * Reads what users can import and call, each name and each member of one on a line of its own.
 *
 * @returns The lines of each entry under the name that it is imported by.
 */
export async function readSignatures(): Promise<string> {
  const entries = Object.entries<string>(deno.exports);
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--json", ...entries.map(([, path]) => new URL(path, ROOT).href)],
    stderr: "null",
  }).output();
  if (!success) throw new Error("Cannot read the signatures: `deno doc` has failed");
  const { nodes }: Documentation = JSON.parse(new TextDecoder().decode(stdout));
  const texts: string[] = [];
  for (const [name, path] of entries) {
    const url = new URL(path, ROOT).href;
    const values = new Set(Object.keys(await import(url)));
    const symbols = [...nodes[url]?.symbols ?? []].sort((a, b) => a.name < b.name ? -1 : 1);
    const lines = symbols.flatMap(({ name, declarations }) =>
      toLines(name, declarations, values.has(name))
    );
    texts.push(`${name.replace(".", deno.name)}\n${lines.map((line) => `  ${line}\n`).join("")}`);
  }
  return texts.join("\n");
}

function toLines(name: string, declarations: readonly Declaration[], isValue: boolean): string[] {
  const lines = declarations.flatMap(({ kind, def }) => {
    const parameters = typeParametersText(def.typeParams);
    switch (kind) {
      case "function":
        // Of overloads, the one with a body is nobody's to call.
        if (def.hasBody && declarations.length > 1) return [];
        return [`function ${name}${signatureText(def)}`];
      case "variable":
        return [`const ${propertyText({ ...def, name })}`];
      case "typeAlias":
        return [`type ${name}${parameters} = ${def.tsType && typeText(def.tsType)}`];
      case "interface":
        return [
          `interface ${name}${parameters}${above(def)}`,
          ...interfaceLines(name, def).map((line) => `  ${line}`),
        ];
      case "class": {
        const keyword = isValue ? "class" : "type class";
        return [
          `${keyword} ${name}${parameters}${above(def)}`,
          ...classLines(name, def, isValue).map((line) => `  ${line}`),
        ];
      }
      default:
        throw new TypeError(`Cannot write "${name}": a ${kind} is not known`);
    }
  });
  return lines;
}

/** What a class or an interface extends. */
function above({ extends: base = [], implements: interfaces = [] }: Definition): string {
  const bases = typeof base === "string" ? [base] : base.map(typeText);
  const others = interfaces.map(typeText);
  return (bases.length > 0 ? ` extends ${bases.join(", ")}` : "") +
    (others.length > 0 ? ` implements ${others.join(", ")}` : "");
}

function interfaceLines(
  name: string,
  { callSignatures = [], properties = [], methods = [] }: Definition,
): string[] {
  return [
    ...callSignatures.map((call) => `${name}${signatureText(call)}`),
    ...properties.filter(isPublic).map((property) => propertyLine(name, property)),
    ...methods.filter(isPublic).map((method) => memberLine(name, method)),
  ];
}

function classLines(
  name: string,
  { constructors = [], properties = [], methods = [] }: Definition,
  isValue: boolean,
): string[] {
  const made = isValue ? constructors.filter(isPublic) : [];
  return [
    ...made.map((one) => `new ${name}${signatureText(one)}`),
    ...properties.filter(isPublic).map((property) => propertyLine(name, property)),
    ...methods.filter(isPublic).filter((method) => !isImplementation(method, methods))
      .map((method) => memberLine(name, method)),
  ];
}

function isPublic(member: Documented & { readonly accessibility?: string }): boolean {
  if (member.accessibility !== undefined && member.accessibility !== "public") return false;
  return !member.jsDoc?.tags?.some(({ kind }) => kind === "internal");
}

function isImplementation(
  method: ClassMethod | Method,
  methods: readonly (ClassMethod | Method)[],
): boolean {
  if (!("functionDef" in method) || !method.functionDef.hasBody) return false;
  return methods.some((other) =>
    other !== method && other.name === method.name &&
    "functionDef" in other && !other.functionDef.hasBody
  );
}

function propertyLine(owner: string, property: Property & ClassMember): string {
  const { readonly, isStatic } = property;
  const text = propertyText({ ...property, readonly: false });
  return `${owner}${access(property.name)}${text.slice(property.name.length)}` +
    `${readonly ? " (readonly)" : ""}${isStatic ? " (static)" : ""}`;
}

function memberLine(owner: string, method: ClassMethod | Method): string {
  if (!("functionDef" in method)) {
    return `${owner}${access(method.name)}${methodText({ ...method, name: "" })}`;
  }
  const { name, kind, functionDef, isStatic } = method;
  const { returnType } = functionDef;
  const after = isStatic ? " (static)" : "";
  if (kind === "method") return `${owner}${access(name)}${signatureText(functionDef)}${after}`;
  const type = returnType === undefined ? "" : `: ${typeText(returnType)}`;
  return `${owner}${access(name)}${type} (${kind === "getter" ? "readonly" : "setter"})${after}`;
}

/** Names that are symbols stand in brackets already. */
function access(name: string): string {
  return name.startsWith("[") ? name : `.${name}`;
}
