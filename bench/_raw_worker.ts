// The floor: a worker that answers each message with nothing, or sends an array back that it got, or
// a copy of one that it is to keep.
const scope = globalThis as unknown as Pick<Worker, "postMessage" | "addEventListener">;
scope.addEventListener("message", ({ data }) => {
  if (data instanceof Float64Array && data.buffer instanceof ArrayBuffer) {
    scope.postMessage(data, [data.buffer]);
  } else if (data?.kept instanceof Float64Array) {
    const copy = data.kept.slice();
    scope.postMessage(copy, [copy.buffer]);
  } else if (Array.isArray(data)) scope.postMessage(data.map((n) => n / 2));
  else scope.postMessage(undefined);
});
