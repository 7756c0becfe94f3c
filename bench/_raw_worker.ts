// The floor: a worker that answers each message with nothing.
self.addEventListener("message", () => self.postMessage(undefined));
