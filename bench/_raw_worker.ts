// The floor: a worker that answers each message with nothing.
const scope = globalThis as unknown as Pick<Worker, "postMessage" | "addEventListener">;
scope.addEventListener("message", () => scope.postMessage(undefined));
