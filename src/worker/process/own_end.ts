import process from "node:process";

/**
 * Has something run before code of this process ends it: by `exit()`, or by a signal that it sends, which
 * may be one to itself.
 *
 * @param run What is to run; it may run often.
 */
export function beforeOwnEnd(run: () => void): void {
  globalThis.addEventListener("unload", run);
  runBefore(Deno, "kill", run);
  runBefore(process, "kill", run);
  runBefore(process, "abort", run);
}

function runBefore(owner: object, name: string, run: () => void): void {
  const before: unknown = Reflect.get(owner, name);
  if (typeof before !== "function") return;
  const value = (...args: unknown[]): unknown => {
    run();
    return Reflect.apply(before, owner, args);
  };
  Object.defineProperty(owner, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}
