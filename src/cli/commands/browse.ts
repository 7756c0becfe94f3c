import { browse, type BrowseServer } from "../../browse.ts";
import { type CommandModule, UsageError } from "../command.ts";
import { note, openCache, toBag } from "../open_cache.ts";

interface BrowseOptions {
  readonly port?: string;
}

/** Serves the page of a bag. */
export const command: CommandModule<BrowseOptions> = {
  takesCache: true,
  examples: [
    ["browse results.bag", "prints the address to open in a browser, and serves it until Ctrl-C"],
    ["browse --port 8000", "always on the same port, as for one that SSH forwards"],
  ],
  configure(command) {
    command.option("-p, --port <number>", "of this machine (default: one that is free)");
  },
  async run(call) {
    const { terminal, options } = call;
    const port = toPort(options.port ?? "0");
    await using handle = await openCache(call);
    const bag = toBag(handle, "browse");
    const ended = Promise.withResolvers<void>();
    using _ = terminal.onInterrupt?.(() => ended.resolve());
    await using server = serve(() => browse(bag, { port }), port);
    terminal.write(`${server.url}\n`);
    note(call, `Open this address to see ${handle.title}; Ctrl-C ends it`);
    await ended.promise;
  },
};

function toPort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new UsageError(
    `Cannot use --port ${JSON.stringify(text)}: it is a number up to 65535, such as 8000`,
  );
}

function serve(start: () => BrowseServer, port: number): BrowseServer {
  try {
    return start();
  } catch (cause) {
    const reason = cause instanceof Deno.errors.AddrInUse
      ? "another program has it"
      : cause instanceof Deno.errors.PermissionDenied
      ? "the system gives it to nobody but root"
      : undefined;
    if (reason === undefined) throw cause;
    throw new Error(
      `Cannot serve on port ${port}: ${reason}; give another one, or none for a free one`,
      { cause },
    );
  }
}
