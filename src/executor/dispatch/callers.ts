/** Frames of Quiver's own code say nothing to who calls. */
const OWN_FRAMES = new URL("../../", import.meta.url).href;

/**
 * Makes a promise that rejects with what a call threw on a worker, having added to its stack who
 * awaits the call here.
 *
 * V8 tells the functions that await a promise from the code that settles it. So a stack need not be
 * kept for every call that is made, most of which do not fail; whoever awaits only later is not found.
 *
 * @param error What was thrown.
 * @returns The promise, to resolve the one with that is awaited.
 */
export function rejectWithCallers(error: Error, worker: string): Promise<never> {
  // The first turn lets the promise that is awaited join this one, so that there is a way to it.
  return Promise.resolve().then(() => {}).then(() => {
    addCallers(error, worker);
    throw error;
  });
}

function addCallers(error: Error, worker: string): void {
  const here = { stack: "" };
  Error.captureStackTrace(here);
  const callers = here.stack.split("\n").filter((line) =>
    line.startsWith("    at async ") && !line.includes(OWN_FRAMES)
  );
  const called = callers.length === 0 ? "" : ", called by";
  const text = [`    in worker "${worker}"${called}`, ...callers].join("\n");
  const { stack } = error;
  if (typeof stack !== "string" || stack.includes(text)) return;
  // An error that was frozen stays as it is.
  Reflect.defineProperty(error, "stack", {
    value: `${stack}\n${text}`,
    writable: true,
    configurable: true,
  });
}
