/**
 * The code that a task reaches, for the keys of its calls; loaded with the first that needs it.
 *
 * The modules of the task are read as this isolate has loaded them; those that are imported while code
 * runs as they lie on disk now. Declarations at their top level are what is counted, each by
 * what it says and by what its names stand for. Where it cannot be told what code uses, all of a module
 * counts.
 *
 * ```text
 * read_source → parse_module → module_items → uses     each module, once
 * resolver, lock_file                                  what specifiers mean
 *        └───────────→ module_graph ←──────────┘       what names stand for
 *                           ▼
 *            code_index → loaded_code ⇄ mutation       who names what, and may change it
 *                 ▼             ▼            ↑
 * find_function → reach ⇄    effects       shape       what a function reaches
 * ```
 *
 * @module
 */
import { createSha256 } from "../../base/sha256.ts";
import type { Digest } from "../../value/value.ts";
import type { TaskAddress } from "../call_record.ts";
import type { ParsedFunction } from "../function_profile.ts";
import { hasChanged } from "../loaded_source.ts";
import { CodeIndex } from "./code_index.ts";
import { MissingModuleError, ModuleGraph } from "./module_graph.ts";
import {
  type Extent,
  reachCode,
  type ReachedCode,
  type ReachedPart,
  type ReachedTask,
} from "./reach.ts";
import { UnreadableModuleError } from "./read_source.ts";
import { Resolver } from "./resolver.ts";
import { readLooseCode } from "./loose_code.ts";
import { isNode, isTooDeep, type SyntaxNode } from "./syntax.ts";

/** Whose code is asked for. */
export interface CodeQuestion {
  /** Where the task is. */
  readonly address: TaskAddress;
  /** The task's function. */
  readonly parsed: ParsedFunction;
  /** What counts. */
  readonly extent: Extent;
  /** When the module was evaluated, in milliseconds since 1970. */
  readonly evaluatedAt: number;
  /** Resolves as the module does, where that is known. */
  readonly resolve: ((specifier: string) => string) | undefined;
  /**
   * Whether the function stands in no module, but in lines of a REPL.
   *
   * @default {false}
   */
  readonly loose?: boolean;
}

/** What stands for a task's code. */
export interface CodeParts {
  /** What is part of keys. */
  readonly digest: Digest;
  /** What it consists of, if that is more than the function, for people. */
  readonly parts?: readonly string[];
  /** The other tasks whose code counts. */
  readonly tasks: readonly ReachedTask[];
  /** What cannot be seen. */
  readonly warnings: readonly string[];
  /**
   * Finds a module that may be imported while the task runs and is not, or may not be, what counts.
   *
   * @returns Its URL, if there is one; the function is absent where all was loaded before.
   */
  readonly findChanged?: () => string | undefined;
}

/** How many parts are told. */
const MOST_PARTS = 32;

/** The modules of the tasks of one module, and what was found of them. */
interface Modules {
  readonly graph: ModuleGraph;
  readonly index: CodeIndex;
  readonly warnings: string[];
  /** One task after another reads them. */
  turn: Promise<unknown>;
}

const GRAPHS = new Map<string, Modules>();

/**
 * Reads the code that a task reaches.
 *
 * @returns Its digest, and what it consists of.
 * @throws {Deno.errors.NotCapable} When a module of it may not be read.
 * @throws {TypeError} When a module of it is gone, or it is not known what was loaded, or which version a
 * package has.
 */
export async function codeParts(question: CodeQuestion): Promise<CodeParts> {
  const { loose = false, parsed, address: { module, name } } = question;
  if (loose) return { ...readLooseCode(parsed, name), tasks: [] };
  const known = GRAPHS.get(module) ?? openGraph(question);
  GRAPHS.set(module, known);
  const reading = known.turn.then(() => readParts(known, question));
  known.turn = reading.catch(() => {});
  try {
    return await reading;
  } catch (error) {
    // Whoever asks again may find what is missing now.
    GRAPHS.delete(module);
    if (!(error instanceof UnreadableModuleError)) throw error;
    throw new Deno.errors.NotCapable(error.message, { cause: error });
  }
}

function openGraph(
  { address: { module }, resolve = import.meta.resolve, evaluatedAt }: CodeQuestion,
): Modules {
  const warnings: string[] = [];
  const warn = (warning: string) => warnings.push(warning);
  const resolver = new Resolver(module, resolve, warn, evaluatedAt);
  const graph = new ModuleGraph(resolver);
  return { graph, index: new CodeIndex(graph), warnings, turn: Promise.resolve() };
}

async function readParts(
  { graph, index, warnings }: Modules,
  question: CodeQuestion,
): Promise<CodeParts> {
  const { address: { module, name }, extent, parsed: { node: parsed, method, tokens } } = question;
  const whole: unknown = parsed;
  if (!isNode(whole)) throw new TypeError(`Cannot read the code of "${name}": it is no function`);
  const node = isTooDeep([whole]) ? toFlat(whole, tokens) : whole;
  await graph.load(module);
  const reached = await reach(
    graph,
    question,
    () => reachCode(index, graph.module(module), node, { extent, name, method }),
  );
  const { digest, parts, tasks, modules } = reached;
  const late = modules.flatMap((url) => graph.lateFileOf(url) ?? []);
  return {
    digest,
    ...(parts.length > 1 && { parts: toTexts(parts, module, name) }),
    tasks,
    warnings: [...warnings, ...reached.warnings],
    ...(late.length > 0 &&
      { findChanged: () => late.find((file) => hasChanged(file, file.readAt))?.url }),
  };
}

/** A function that is nested too deep counts by its tokens, and all of its module does. */
function toFlat({ start, end }: SyntaxNode, tokens: readonly string[]): SyntaxNode {
  return { type: "Tokens", start, end, tokens: tokens.join("\n") };
}

/** What is imported while code runs is loaded when it is met. */
async function reach(
  graph: ModuleGraph,
  { evaluatedAt }: CodeQuestion,
  read: () => ReachedCode,
): Promise<ReachedCode> {
  for (;;) {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof MissingModuleError)) throw error;
      const { url, type, ahead } = error;
      await graph.load(url, { type, late: ahead ? evaluatedAt : -Infinity });
    }
  }
}

function toTexts(parts: readonly ReachedPart[], module: string, name: string): string[] {
  const texts = parts.map((part) => toText(part, module, name));
  if (texts.length <= MOST_PARTS) return texts;
  const rest = texts.splice(MOST_PARTS - 1);
  const digest = createSha256().update(rest.join("\n")).digest("hex");
  return [...texts, `${rest.length} more ${digest.slice(0, 8)}`];
}

function toText({ label, module, digest }: ReachedPart, root: string, name: string): string {
  const isVersion = module === undefined && label !== "";
  const short = isVersion ? digest : digest.slice(0, 8);
  if (module === undefined) return `${label || `${name}()`} ${short}`;
  const file = module === root ? "" : toRelative(module, root);
  return `${[file, label].filter((text) => text !== "").join("#")} ${short}`;
}

function toRelative(url: string, root: string): string {
  if (![url, root].every((one) => one.startsWith("file:"))) return url.slice(0, 60);
  const [to, from] = [url.split("/"), root.split("/").slice(0, -1)];
  const differs = to.findIndex((part, index) => part !== from[index]);
  const up = from.length - differs;
  return `${up === 0 ? "./" : "../".repeat(up)}${to.slice(differs).join("/")}`;
}
