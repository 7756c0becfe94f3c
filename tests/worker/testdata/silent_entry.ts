/** Starts, and never says that it listens. */
self.addEventListener("message", () => {});
