import type { Endpoint } from "./_exposing.ts";

type Exposing = typeof import("./_exposing.ts");

/**
 * Exposes methods to the other side's Comlink, which this side loads with the first message for
 * them: they are for the end of a worker's life, and loading it takes a fifth of its start.
 *
 * @param methods The methods.
 * @param end Where messages come from; it gives Comlink's alone.
 */
export function exposeLate(methods: object, end: Endpoint): void {
  const early: Event[] = [];
  const keep = (event: Event): void => {
    // What cannot be loaded is left uncaught: it ends the worker, which is what was asked for.
    if (early.push(event) === 1) void load();
  };
  const load = async (): Promise<void> => {
    // No literal, as in `import_later.ts`, which would load `node:async_hooks` first.
    const { href } = new URL("./_exposing.ts", import.meta.url);
    const { expose }: Exposing = await import(href);
    expose(methods, {
      postMessage: (message) => end.postMessage(message),
      removeEventListener: (...of) => end.removeEventListener(...of),
      addEventListener(type, listener) {
        end.addEventListener(type, listener);
        end.removeEventListener("message", keep);
        for (const event of early) {
          if (typeof listener === "function") listener(event);
          else listener.handleEvent(event);
        }
      },
    });
  };
  end.addEventListener("message", keep);
}
