// contract: what happens at the top level of modules counts where it changes what a task reaches
import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { digestOf, type Files, QUIVER, toTasks } from "./_digest.ts";

const TASKS = toTasks(`import { helper } from "./helper.ts"; import "./empty.ts";`);

/** Two texts of a module, of which the second one may give other results. */
type Pair = readonly [what: string, before: string, after: string];

const TABLE = "const table = new Map([['x', 1]]); export const helper = (x) => table.get(x);";
const STATE = "const state = { k: 1, inner: { n: 1 } }; export const helper = () => state.k;";
const COUNT = "let n = 0; export const helper = () => n;";

const OTHER: readonly Pair[] = [
  ["a call of a method", `${TABLE} table.set("x", 2);`, `${TABLE} table.set("x", 3);`],
  [
    "a function that calls a method",
    `${TABLE} function put() { table.set("x", 2); }`,
    `${TABLE} function put() { table.set("x", 3); }`,
  ],
  ["an assignment", `${STATE} state.k = 2;`, `${STATE} state.k = 3;`],
  [
    "an assignment to what is inside",
    `${STATE} function f() { state.inner.n = 2; }`,
    `${STATE} function f() { state.inner.n = 3; }`,
  ],
  [
    "a pattern that assigns",
    `${STATE} function f() { [state.k] = [2]; }`,
    `${STATE} function f() { [state.k] = [3]; }`,
  ],
  ["a loop that assigns", `${STATE} for (state.k of [1]);`, `${STATE} for (state.k of [2]);`],
  [
    "delete",
    `${STATE} function f() { delete state.k; }`,
    `${STATE} function f() { delete state["k"]; return 1; }`,
  ],
  [
    "Object.assign",
    `${STATE} function f() { Object.assign(state, { k: 2 }); }`,
    `${STATE} function f() { Object.assign(state, { k: 3 }); }`,
  ],
  ["increments", `${COUNT} function f() { n++; }`, `${COUNT} function f() { n++; n++; }`],
  [
    "a function that is given it",
    `${STATE} function bump(o, k) { o.k = k; } export function f() { bump(state, 2); } f();`,
    `${STATE} function bump(o, k) { o.k = k; } export function f() { bump(state, 3); } f();`,
  ],
  [
    "a function that is given it and gives it on",
    `${STATE} const set = (o, k) => { o.k = k; }; const on = (o, k) => set(o, k); function f() { on(state, 2); } f();`,
    `${STATE} const set = (o, k) => { o.k = k; }; const on = (o, k) => set(o, k); function f() { on(state, 3); } f();`,
  ],
  [
    "a function that takes it by arguments",
    `${STATE} function bump() { arguments[0].k = 2; } function f(a = 1) { bump(state); } f();`,
    `${STATE} function bump() { arguments[0].k = 2; } function f(a = 2) { bump(state); } f();`,
  ],
  [
    "another name for it",
    `${STATE} function f() { const s = state; s.k = 2; } f();`,
    `${STATE} function f() { const s = state; s.k = 3; } f();`,
  ],
  [
    "another name for what is inside",
    `${STATE} function f() { const s = state.inner; s.n = 2; } f();`,
    `${STATE} function f() { const s = state.inner; s.n = 3; } f();`,
  ],
  [
    "a function that gives it",
    `${STATE} const getState = () => state; getState().k = 2;`,
    `${STATE} const getState = () => state; getState().k = 3;`,
  ],
  [
    "an object that has it",
    `${STATE} const api = { state }; api.state.k = 2;`,
    `${STATE} const api = { state }; api.state.k = 3;`,
  ],
  [
    "an object that changes it",
    `${STATE} const api = { set(k) { state.k = k; } }; api.set(2);`,
    `${STATE} const api = { set(k) { state.k = k; } }; api.set(3);`,
  ],
  [
    "what is called by a call",
    `${COUNT} const set = (k) => { n = k; }; const setup = () => set(2); setup();`,
    `${COUNT} const set = (k) => { n = k; }; const setup = () => set(3); setup();`,
  ],
  [
    "a declaration that calls it",
    `${COUNT} const set = (k) => n = k; const unused = set(2);`,
    `${COUNT} const set = (k) => n = k; const unused = set(3);`,
  ],
  [
    "a declaration that calls what calls it",
    `${COUNT} const set = (k) => { n = k; }; const setup = (k) => set(k); export const unused = setup(2);`,
    `${COUNT} const set = (k) => { n = k; }; const setup = (k) => set(k); export const unused = setup(3);`,
  ],
  [
    "a function that is called where it stands",
    `${COUNT} const unused = (() => { n = 2; return 1; })();`,
    `${COUNT} const unused = (() => { n = 3; return 1; })();`,
  ],
  [
    "a function that another one calls",
    `${COUNT} const unused = [1].map(() => { n = 2; });`,
    `${COUNT} const unused = [1].map(() => { n = 3; });`,
  ],
  [
    "a static block",
    `${COUNT} class Unused { static { n = 2; } }`,
    `${COUNT} class Unused { static { n = 3; } }`,
  ],
  [
    "a static field",
    `${COUNT} const set = (k) => { n = k; }; class Unused { static x = set(2); }`,
    `${COUNT} const set = (k) => { n = k; }; class Unused { static x = set(3); }`,
  ],
  [
    "a variable that gets a map later",
    "let cache = null; const open = () => { cache = new Map(); }; open(); function put() { cache.set(1, 2); } " +
    "export const helper = (x) => cache.get(x);",
    "let cache = null; const open = () => { cache = new Map(); }; open(); function put() { cache.set(1, 3); } " +
    "export const helper = (x) => cache.get(x);",
  ],
  [
    "a method that changes its object",
    "const o = { n: 1, set(k) { this.n = k; } }; function f() { o.set(2); } f(); export const helper = () => o.n;",
    "const o = { n: 1, set(k) { this.n = k; } }; function f() { o.set(3); } f(); export const helper = () => o.n;",
  ],
  [
    "a static method that changes its class",
    "class C { static n = 1; static set(k) { C.n = k; } } function f() { C.set(2); } f(); export const helper = () => C.n;",
    "class C { static n = 1; static set(k) { C.n = k; } } function f() { C.set(3); } f(); export const helper = () => C.n;",
  ],
  [
    "an instance that is made",
    "class C { static n = 0; constructor() { C.n++; } } const made = new C(); export const helper = () => C.n;",
    "class C { static n = 0; constructor() { C.n++; } } const made = [new C(), new C()]; export const helper = () => C.n;",
  ],
  [
    "a property of a function",
    "export function helper() { return helper.k; } helper.k = 1;",
    "export function helper() { return helper.k; } helper.k = 2;",
  ],
  [
    "an array of arrays",
    "const rows = [[1]]; export const helper = () => rows; function f() { for (const row of rows) row[0] = 2; } f();",
    "const rows = [[1]]; export const helper = () => rows; function f() { for (const row of rows) row[0] = 3; } f();",
  ],
  [
    "the order of two effects",
    `${TABLE} table.set("x", 2); table.set("x", 3);`,
    `${TABLE} table.set("x", 3); table.set("x", 2);`,
  ],
  [
    "the order of a look and an effect",
    "const t = new Map(); const size = t.size; t.set(1, 1); export const helper = () => size;",
    "const t = new Map(); t.set(1, 1); const size = t.size; export const helper = () => size;",
  ],
  [
    "the order of two declarations with effects",
    "let n = 0; const a = ++n; const b = ++n; export const helper = () => [a, b];",
    "let n = 0; const b = ++n; const a = ++n; export const helper = () => [a, b];",
  ],
  [
    "a property of what is there everywhere",
    `${COUNT} Array.prototype.extra = 1;`,
    `${COUNT} Array.prototype.extra = 2;`,
  ],
  [
    "a loop",
    `${TABLE} for (const x of [1]) table.set("x", x);`,
    `${TABLE} for (const x of [2]) table.set("x", x);`,
  ],
  [
    "await",
    `${TABLE} await (async () => { table.set("x", 2); })();`,
    `${TABLE} await (async () => { table.set("x", 3); })();`,
  ],
];

const MODEL =
  "class Model { #k = 1; constructor(k) { this.#k = k; } run(x) { return this.scale(x) + 1; } " +
  "scale(x) { return this.#k * x; } fit(k) { this.#k = k; } both(k) { this.fit(k); } get lazy() { return this.#k++; } " +
  "peek() { return this.lazy + 1; } give() { return this.list; } list = []; all() { for (const each of this.list) each.k = 1; } } " +
  "const model = new Model(2); export const helper = (x) => model.run(x);";

const PAIR = "const make = () => { let n = 5; return [() => n++, (k) => { n = k; }]; }; " +
  "const [next, set] = make(); export const helper = () => next();";

const MORE: readonly Pair[] = [
  [
    "a function that was made with one that is reached",
    `${PAIR} function setup() { set(1); } setup();`,
    `${PAIR} function setup() { set(2); } setup();`,
  ],
  ...["fit", "both", "peek", "give", "all", "unknown"].map((method): Pair => [
    `a method of an instance: ${method}`,
    `${MODEL} function f() { model.${method}(2); } f();`,
    `${MODEL} function f() { model.${method}(3); } f();`,
  ]),
  [
    "a method of an object",
    "const o = { n: 1, set(k) { this.n = k; } }; export const helper = () => o.n; const f = () => o.set(2);",
    "const o = { n: 1, set(k) { this.n = k; } }; export const helper = () => o.n; const f = () => o.set(3);",
  ],
  [
    "a function that changes what is there everywhere",
    `${COUNT} function patch() { Array.prototype.extra = 1; } patch();`,
    `${COUNT} function patch() { Array.prototype.extra = 2; } patch();`,
  ],
  [
    "a variable that is declared twice",
    "var a = 1; export const helper = () => a; var a = 2;",
    "var a = 1; export const helper = () => a; var a = 3;",
  ],
  [
    "a variable that a block declares again",
    "var a = 1; export const helper = () => a; if (1) { var a = 2; }",
    "var a = 1; export const helper = () => a; if (1) { var a = 3; }",
  ],
  [
    "a variable whose first declaration is edited",
    "var a = 1; export const helper = () => a; if (0) { var a = 2; }",
    "var a = 5; export const helper = () => a; if (0) { var a = 2; }",
  ],
  [
    "a name of its own for something harmless",
    `${STATE} const Math = { max(o, k) { o.k = k; } }; const f = () => Math.max(state, 2); f();`,
    `${STATE} const Math = { max(o, k) { o.k = k; } }; const f = () => Math.max(state, 3); f();`,
  ],
  [
    "an object that was made by a call and changes it",
    `${STATE} const wrap = (o) => o;
    const api = wrap({ set(k) { const s = state; s.k = k; } }); api.set(2);`,
    `${STATE} const wrap = (o) => o;
    const api = wrap({ set(k) { const s = state; s.k = k; } }); api.set(3);`,
  ],
  [
    "a generator",
    "let n = 0; function* ids() { for (;;) yield n++; } const it = ids(); const first = it.next().value; export const helper = () => n;",
    "let n = 0; function* ids() { for (;;) yield n++; } const it = ids(); const first = [it.next(), it.next()]; export const helper = () => n;",
  ],
  [
    "a callback that is kept",
    "const hooks = []; export const on = (f) => hooks.push(f); on(() => 1); export const helper = () => hooks.map((f) => f());",
    "const hooks = []; export const on = (f) => hooks.push(f); on(() => 2); export const helper = () => hooks.map((f) => f());",
  ],
  [
    "a registry that classes enter",
    "const R = {}; function register(c) { R[c.name] = c; } class A { v() { return 1; } } register(A); export const helper = (k) => new R[k]().v();",
    "const R = {}; function register(c) { R[c.name] = c; } class A { v() { return 2; } } register(A); export const helper = (k) => new R[k]().v();",
  ],
  [
    "try and catch",
    `${COUNT} try { n = 1; } catch { n = 2; }`,
    `${COUNT} try { n = 1; } catch { n = 3; }`,
  ],
  ["conditions", `${COUNT} globalThis.x && (n = 2);`, `${COUNT} globalThis.x && (n = 3);`],
  [
    "an alias of a function that changes it",
    `${COUNT} function set(k) { n = k; } const alias = set; alias(2);`,
    `${COUNT} function set(k) { n = k; } const alias = set; alias(3);`,
  ],
  [
    "a function bound to arguments",
    `${COUNT} function set(k) { n = k; } const bound = set.bind(null, 2); bound();`,
    `${COUNT} function set(k) { n = k; } const bound = set.bind(null, 3); bound();`,
  ],
  [
    "a promise",
    `${COUNT} const set = (k) => { n = k; }; const done = Promise.resolve(2).then(set);`,
    `${COUNT} const set = (k) => { n = k; }; const done = Promise.resolve(3).then(set);`,
  ],
];

const SAME: readonly Pair[] = [
  [
    "another task that calls a method of the same instance",
    `import { task } from "${QUIVER}"; ${MODEL}
    export const other = task(import.meta, (x) => model.run(x), { name: "other" });`,
    `import { task } from "${QUIVER}"; ${MODEL}
    export const other = task(import.meta, (x) => model.run(x) + 1, { name: "other" });`,
  ],
  [
    "a function that calls a method of an object that looks at it",
    "const o = { n: 1, get2() { return this.n * 2; } }; export const helper = () => o.n; const f = () => o.get2() + 1;",
    "const o = { n: 1, get2() { return this.n * 2; } }; export const helper = () => o.n; const f = () => o.get2() + 2;",
  ],
  [
    "a declaration beside an enum that names it",
    "enum E { A = 1 } export const helper = () => E.A; const list = [E.A].map((x) => x);",
    "enum E { A = 1 } export const helper = () => E.A; const list = [E.A].map((x) => -x);",
  ],
  [
    "a function that does something with a task that is called",
    `import { task } from "${QUIVER}";
    const inner = task(import.meta, (x) => x, { name: "inner" }); export const helper = (x) => inner(x);
    export async function run(executor) { await executor.submit(inner, 1); return inner.digest(1); } run();`,
    `import { task } from "${QUIVER}";
    const inner = task(import.meta, (x) => x, { name: "inner" }); export const helper = (x) => inner(x);
    export async function run(executor) { await executor.submit(inner, 2); return inner.digest(2); } run();`,
  ],
  [
    "a function that nobody calls and that gives it a name",
    `${STATE} function f() { const s = state; return [s, 1]; } const g = () => f();`,
    `${STATE} function f() { const s = state; return [s, 2]; } const g = () => f();`,
  ],
  ["what names nothing used", `${TABLE} console.log(1);`, `${TABLE} console.log(2);`],
  [
    "a function that only looks",
    `${TABLE} function f() { return table.get("x") + 1; }`,
    `${TABLE} function f() { return table.get("x") + 2; }`,
  ],
  [
    "a function that only looks at an array",
    "const list = [1, 2]; export const helper = () => list; const f = () => list.map((x) => x + 1)[0];",
    "const list = [1, 2]; export const helper = () => list; const f = () => list.map((x) => x + 2)[0];",
  ],
  [
    "a function that gives it to one that only looks",
    "const list = [1]; export const helper = () => list; " +
    "const sum = (xs) => { let s = 0; for (const x of xs) s += x; return s; }; const f = () => sum(list) + 1;",
    "const list = [1]; export const helper = () => list; " +
    "const sum = (xs) => { let s = 0; for (const x of xs) s += x; return s; }; const f = () => sum(list) + 2;",
  ],
  [
    "a function that looks at what is inside",
    `${STATE} const f = () => state.k + 1;`,
    `${STATE} const f = () => state.k + 2;`,
  ],
  [
    "a function that calls it",
    `${TABLE} const f = () => helper(1) + 1;`,
    `${TABLE} const f = () => helper(1) + 2;`,
  ],
  [
    "a declaration that calls it",
    `${TABLE} export const f = helper(1);`,
    `${TABLE} export const f = helper(2);`,
  ],
  [
    "another task that looks at it",
    `import { task } from "${QUIVER}"; ${TABLE}
    export const other = task(import.meta, () => table.get("x"), { name: "other" });`,
    `import { task } from "${QUIVER}"; ${TABLE}
    export const other = task(import.meta, () => [table.get("x")].length, { name: "other" });`,
  ],
  [
    "another task that calls it",
    `import { task } from "${QUIVER}"; ${TABLE}
    export const other = task(import.meta, (x) => helper(x), { name: "other" });`,
    `import { task } from "${QUIVER}"; ${TABLE}
    export const other = task(import.meta, (x) => helper(x) + 1, { name: "other" });`,
  ],
  [
    "Math and JSON",
    "const list = [1]; export const helper = () => list; const f = () => Math.max(...list) + JSON.stringify(list).length;",
    "const list = [1]; export const helper = () => list; const f = () => Math.min(...list) + JSON.stringify(list).length;",
  ],
  [
    "the order of declarations",
    "const a = 1; const b = [2]; function f() { return a; } export const helper = () => [f(), b];",
    "export const helper = () => [f(), b]; function f() { return a; } const b = [2]; const a = 1;",
  ],
  [
    "a main block",
    `${TABLE} if (import.meta.main) table.set("x", 2);`,
    `${TABLE} if (import.meta.main) table.set("x", 3);`,
  ],
];

/** The files of a program, and what an edit makes of them. */
type Modules = readonly [what: string, files: Files, after: Files];

/** How a function that changes something is put into a list, and how those in it are run. */
const HOOKS: readonly (readonly [what: string, put: string, run: string])[] = [
  ["by forEach()", "hooks.push(() => { state.n = 1; });", "hooks.forEach((h) => h());"],
  ["by its index", "add(() => { state.n = 1; });", "hooks[0]();"],
  ["in a loop", "hooks[0] = () => { state.n = 1; };", "for (const h of hooks) h();"],
  ["by at()", "hooks.push(() => { state.n = 1; });", "hooks.at(0)();"],
  ["by call()", "hooks.unshift(() => { state.n = 1; });", "hooks.map((h) => h.call(null));"],
];

/** What changes what is there everywhere by another name. */
const GLOBALS = [
  "const all = globalThis; all.x = 2;",
  "function f() { const all = self; all.x = 2; } f();",
  "((all) => { all.x = 2; })(globalThis);",
  "const proto = Array.prototype; proto.x = () => 2;",
  "const proto = Object.getPrototypeOf([]); proto.x = () => 2;",
];

const MODULES: readonly Modules[] = [
  ["configure() of another module", {
    "tasks.ts": toTasks(`import { helper, configure } from "./helper.ts"; configure(5);`),
    "helper.ts":
      "const s = { n: 0 }; export const configure = (n) => { s.n = n; }; export const helper = () => s.n;",
  }, { "tasks.ts": toTasks(`import { helper, configure } from "./helper.ts"; configure(6);`) }],
  ["configure() of another module, by a third one", {
    "tasks.ts": toTasks(
      `import { helper } from "./helper.ts"; import { unused } from "./third.ts"; unused;`,
    ),
    "helper.ts":
      "const s = { n: 0 }; export const configure = (n) => { s.n = n; }; export const helper = () => s.n;",
    "third.ts": `import * as h from "./helper.ts"; h.configure(5); export const unused = 1;`,
  }, { "third.ts": `import * as h from "./helper.ts"; h.configure(6); export const unused = 1;` }],
  ["an import of an import for its effect", {
    "tasks.ts": toTasks(`import { helper } from "./helper.ts";`),
    "helper.ts": `import "./side.ts"; export const helper = () => 1;`,
    "side.ts": `import { n } from "./n.ts"; globalThis.n = n;`,
    "n.ts": "export const n = 1;",
  }, { "n.ts": "export const n = 2;" }],
  ["configure() of a module that is imported while it runs", {
    "tasks.ts": toTasks(`import { read } from "./state.ts";
      const helper = async () => { await import("./late.ts"); return read(); };`),
    "state.ts":
      "const s = { n: 0 }; export const set = (n) => { s.n = n; }; export const read = () => s.n;",
    "late.ts": `import { done } from "./setup.ts"; export const late = done;`,
    "setup.ts": `import { set } from "./state.ts"; set(5); export const done = 1;`,
  }, { "setup.ts": `import { set } from "./state.ts"; set(6); export const done = 1;` }],
  ["what is imported for its effect while it runs", {
    "tasks.ts": toTasks(`const helper = async () => await import("./late.ts");`),
    "late.ts": `import { x } from "./other.ts"; export const late = 1;`,
    "other.ts": `import "./side.ts"; export const x = 1;`,
    "side.ts": "globalThis.n = 1;",
  }, { "side.ts": "globalThis.n = 2;" }],
  ["a worker's module", {
    "tasks.ts": toTasks(
      `const helper = () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });`,
    ),
    "worker.ts": "self.postMessage(1);",
  }, { "worker.ts": "self.postMessage(2);" }],
  ["a worker's module whose URL has a name", {
    "tasks.ts": toTasks(
      `const url = new URL("./worker.ts", import.meta.url); const out = new URL("gone.ts", import.meta.url);
      const helper = () => [new Worker(url, { type: "module" }), out];`,
    ),
    "worker.ts": "self.postMessage(1);",
  }, { "worker.ts": "self.postMessage(2);" }],
  ["data that is changed", {
    "tasks.ts": toTasks(`import data from "./data.json" with { type: "json" };
      const helper = () => data.n; data.n = 2;`),
    "data.json": `{ "n": 1 }`,
  }, {
    "tasks.ts": toTasks(`import data from "./data.json" with { type: "json" };
      const helper = () => data.n; data.n = 3;`),
  }],
  ["a package that a function sets up", {
    "tasks.ts": toTasks(`import * as acorn from "npm:acorn@8.0.0";
      const helper = () => acorn.parse(""); function setup() { acorn.tokTypes.x = 1; } setup();`),
  }, {
    "tasks.ts": toTasks(`import * as acorn from "npm:acorn@8.0.0";
      const helper = () => acorn.parse(""); function setup() { acorn.tokTypes.x = 2; } setup();`),
  }],
  ["a namespace that is given on", {
    "tasks.ts": toTasks(`import * as ns from "./ns.ts"; const helper = () => Object.values(ns);`),
    "ns.ts": `export { deep as d } from "./deep.ts";`,
    "deep.ts": "export const deep = 1, other = 2;",
  }, { "ns.ts": `export { other as d } from "./deep.ts";` }],
  ["a member that is computed of a namespace", {
    "tasks.ts": toTasks(`import * as ns from "./ns.ts"; const helper = (k) => ns[k];`),
    "ns.ts": `export const a = 1; export const b = 1;`,
  }, { "ns.ts": `export const a = 1; export const b = 2;` }],
  ["a namespace that is taken apart", {
    "tasks.ts": toTasks(
      `import * as ns from "./ns.ts"; const helper = () => { const { a } = ns; return a; };`,
    ),
    "ns.ts": `export const a = 1;`,
  }, { "ns.ts": `export const a = 2;` }],
  ...HOOKS.map((
    [what, put, run],
  ): Modules => [`a function that is put into a list and run ${what}`, {
    "tasks.ts": toTasks(`import { state } from "./state.ts"; import { z } from "./start.ts";
      const helper = () => state.n; export const other = z;`),
    "state.ts": "export const state = { n: 0 };",
    "hook.ts": `import { state } from "./state.ts"; import { add, hooks } from "./hooks.ts";
      export const z = add ?? hooks; ${put}`,
    "hooks.ts": `export const hooks = []; export const add = (f) => { hooks.push(f); };
      export const run = () => { ${run} };`,
    "start.ts": `import { run } from "./hooks.ts"; export { z } from "./hook.ts"; run();`,
  }, { "start.ts": `import { run } from "./hooks.ts"; export { z } from "./hook.ts";` }]),
  ...GLOBALS.map((code): Modules => [`what is there everywhere, by ${code}`, {
    "tasks.ts": toTasks(
      `import { z } from "./side.ts"; const helper = () => [].x; export const y = z;`,
    ),
    "side.ts": `export const z = 1; ${code}`,
  }, { "side.ts": `export const z = 1; ${code.replace("2", "3")}` }]),
  ...[
    ["what is loaded before and after a change", "const k = s.n; export const helper = () => k;"],
    [
      "what asks for something before and after a change",
      "const read = () => s.n; const k = read(); export const helper = () => k;",
    ],
    [
      "what is made before and after a change",
      "class Reader { n = s.n; } const k = new Reader(); export const helper = () => k.n;",
    ],
  ].map(([what = "", text]): Modules => [what, {
    "tasks.ts": toTasks(`import { z } from "./set.ts"; import { helper } from "./helper.ts"; [z];`),
    "helper.ts": `import { s } from "./state.ts"; ${text}`,
    "set.ts": `import { s } from "./state.ts"; s.n = 2; export const z = 1;`,
    "state.ts": "export const s = { n: 1 };",
  }, {
    "tasks.ts": toTasks(`import { helper } from "./helper.ts"; import { z } from "./set.ts"; [z];`),
  }]),
  ["what is loaded before and after a change, by a function that another module uses, too", {
    "tasks.ts": toTasks(
      `import { first } from "./first.ts"; import { z } from "./set.ts"; import { second } from "./second.ts";
      const helper = () => [first, second]; [z];`,
    ),
    "first.ts": `import { read } from "./read.ts"; export const first = read();`,
    "second.ts": `import { read } from "./read.ts"; export const second = read();`,
    "read.ts": `import { s } from "./state.ts"; export const read = () => s.n;`,
    "set.ts": `import { s } from "./state.ts"; s.n = 2; export const z = 1;`,
    "state.ts": "export const s = { n: 1 };",
  }, {
    "tasks.ts": toTasks(
      `import { first } from "./first.ts"; import { second } from "./second.ts"; import { z } from "./set.ts";
      const helper = () => [first, second]; [z];`,
    ),
  }],
  ["what is not there yet", {
    "tasks.ts": toTasks(`import { helper } from "./helper.ts";`),
    "helper.ts": "var a = b ?? 0; var b = 1; export const helper = () => a;",
  }, { "helper.ts": "var b = 1; var a = b ?? 0; export const helper = () => a;" }],
  ["what is not there yet, by a function", {
    "tasks.ts": toTasks(`import { helper } from "./helper.ts";`),
    "helper.ts":
      "var a = f(); var b = 1; function f() { return b; } export const helper = () => a;",
  }, {
    "helper.ts":
      "var b = 1; var a = f(); function f() { return b; } export const helper = () => a;",
  }],
  ["what is not there yet, of a circular module", {
    "tasks.ts": toTasks(`import { helper } from "./helper.ts"; import { b } from "./b.ts"; [b];`),
    "helper.ts":
      `import { b } from "./b.ts"; export var a = 1; export const helper = () => [a, b];`,
    "b.ts": `import { a } from "./helper.ts"; export const b = a ?? 0;`,
  }, {
    "tasks.ts": toTasks(`import { b } from "./b.ts"; import { helper } from "./helper.ts"; [b];`),
  }],
  ["an import map's target", {
    "tasks.ts": toTasks(`import { helper } from "./helper.ts";`),
    "helper.ts": `export { a as helper } from "./a.ts";`,
    "a.ts": "export const a = 1;",
    "b.ts": "export const a = 2;",
  }, { "helper.ts": `export { a as helper } from "./b.ts";` }],
];

for (const [what, before, after] of [...OTHER, ...MORE]) {
  Deno.test(`codeParts() counts effects: ${what}`, async () => {
    const files = { "tasks.ts": TASKS, "empty.ts": "" };
    assertNotEquals(
      await digestOf({ ...files, "helper.ts": before }),
      await digestOf({ ...files, "helper.ts": after }),
    );
  });
}

for (const [what, before, after] of SAME) {
  Deno.test(`codeParts() does not count what has no effect: ${what}`, async () => {
    const files = { "tasks.ts": TASKS, "empty.ts": "" };
    assertEquals(
      await digestOf({ ...files, "helper.ts": before }),
      await digestOf({ ...files, "helper.ts": after }),
    );
  });
}

for (const [what, files, after] of MODULES) {
  Deno.test(`codeParts() counts effects of modules: ${what}`, async () => {
    assertNotEquals(await digestOf(files), await digestOf({ ...files, ...after }));
  });
}

Deno.test("codeParts() refuses an effect that names what nothing knows", async () => {
  const helper =
    `import { x } from "npm:nowhere"; ${COUNT} const set = (k, _x) => { n = k; }; set(2, x);`;
  const files = { "tasks.ts": TASKS, "empty.ts": "", "helper.ts": helper };
  await assertRejects(() => digestOf(files), TypeError, "Cannot tell which version");
});
