import { FunctionIndex } from "./find_function.ts";
import { LoadedCode } from "./loaded_code.ts";
import type { ModuleGraph } from "./module_graph.ts";
import type { LoadedModule } from "./read_source.ts";

/** What is found once in the modules of a program, for all tasks of a module. */
export class CodeIndex {
  /** The modules. */
  readonly graph: ModuleGraph;
  readonly #functions = new Map<LoadedModule, FunctionIndex>();
  readonly #loaded = new Map<string, LoadedCode>();

  /** Looks for nothing yet. */
  constructor(graph: ModuleGraph) {
    this.graph = graph;
  }

  /** The functions of a module. */
  functionsOf(module: LoadedModule): FunctionIndex {
    const known = this.#functions.get(module) ??
      new FunctionIndex(module, {
        isDefinition: this.graph.isDefinitionIn(module),
        isMethod: this.graph.isMethodIn(module),
      });
    this.#functions.set(module, known);
    return known;
  }

  /**
   * What modules have that are loaded one after another, with all that they import.
   *
   * @throws {MissingModuleError} When a module is needed that was not loaded.
   */
  loadedWith(modules: readonly LoadedModule[]): LoadedCode {
    const key = modules.map(({ url }) => url).join("\n");
    const known = this.#loaded.get(key) ??
      new LoadedCode(this.graph, modules.flatMap((module) => this.graph.order(module)));
    this.#loaded.set(key, known);
    return known;
  }
}
