import type { Bag } from "../../../mod.ts";
import { CacheMissError, QuiverError } from "../../../mod.ts";
import { checkOptions, COUNT_OR_NONE, type OptionRules } from "../../base/check_options.ts";
import { CallIndex } from "./call_index.ts";
import { CallRoutes } from "./call_routes.ts";
import { Guard, refuse } from "./guard.ts";
import { BadRequestError } from "./parameters.ts";
import { PAGE_FILES } from "./page_files.ts";
import { readStore } from "./store_route.ts";
import { ValueRoutes } from "./value_routes.ts";

/** Options of {@linkcode browse}. */
export interface BrowseOptions {
  /**
   * The port of this machine that answers; one that is free, if it is 0.
   *
   * @default {0}
   */
  port?: number;
}

const RULES: OptionRules<BrowseOptions> = { port: COUNT_OR_NONE };

/** How often the log is asked for what is new while somebody looks, in milliseconds. */
const PERIOD = 500;

/** A page that shows a bag, for as long as it is not closed. */
export interface BrowseServer extends AsyncDisposable {
  /** The address to open, with a token that nobody else knows. */
  readonly url: string;
  /** Ends the server; may be called twice. The bag stays open. */
  close(): Promise<void>;
}

/**
 * Serves a page on this machine that shows the calls and values of a bag, and nothing of it to anybody
 * who does not have its address: only the names of this machine are answered, only the page itself may
 * ask, and only with the token that stands in the address. Nothing can be changed, and the page asks
 * nobody else for anything.
 *
 * The calls are read once, and followed while somebody looks: what others write appears by itself.
 *
 * Requires `--allow-net=127.0.0.1` and, as the bag itself, `--allow-read` of its directory.
 *
 * @param bag The bag, which may be read-only.
 * @param options On which port.
 * @returns The server.
 * @throws {TypeError} When an option is unknown.
 * @throws {RangeError} When the port is none.
 * @throws {Deno.errors.AddrInUse} When the port is taken.
 *
 * @example Show a bag
 * ```ts
 * import { cacheScope, openBag, task } from "@quiver/quiver";
 * import { browse } from "@quiver/quiver/browse";
 * import { assertEquals } from "@std/assert";
 *
 * const cube = task(import.meta, (n: number) => n ** 3, { name: "cube" });
 * const path = await Deno.makeTempDir();
 * {
 *   await using bag = await openBag(path);
 *   await cacheScope({ cache: bag }, () => cube(3));
 *   await using server = browse(bag);
 *   // Open it in a browser; without the token nothing is answered.
 *   const { status, body } = await fetch(new URL("/", server.url));
 *   await body?.cancel();
 *   assertEquals(status, 401);
 * }
 * await Deno.remove(path, { recursive: true });
 * ```
 */
export function browse(bag: Bag, options: BrowseOptions = {}): BrowseServer {
  checkOptions("browse a bag", options, RULES);
  const { port = 0 } = options;
  if (port > 65_535) throw new RangeError(`Cannot browse a bag on the port ${port}: there is none`);
  return new BagServer(bag, port);
}

/** How a path is answered. */
type Answer = (url: URL) => unknown;

class BagServer implements BrowseServer {
  readonly url: string;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #guard: Guard;
  readonly #index: CallIndex;
  readonly #routes: ReadonlyMap<string, Answer>;
  readonly #ended = new AbortController();
  readonly #streams = new Set<ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>>();
  #update: Promise<void> = Promise.resolve();

  constructor(bag: Bag, port: number) {
    const token = crypto.getRandomValues(new Uint8Array(24)).toBase64({ alphabet: "base64url" });
    this.#guard = new Guard({ token });
    this.#index = new CallIndex(bag);
    const calls = new CallRoutes(bag, this.#index);
    const values = new ValueRoutes(bag);
    this.#routes = new Map<string, Answer>([
      ["/api/state", () => calls.state()],
      ["/api/calls", (url) => calls.calls(url)],
      ["/api/calls.csv", (url) =>
        new Response(calls.csv(url), {
          headers: {
            "content-type": "text/csv; charset=utf-8",
            "content-disposition": 'attachment; filename="calls.csv"',
          },
        })],
      ["/api/call", (url) => calls.call(url)],
      ["/api/compare", (url) => calls.compare(url)],
      ["/api/lineage", (url) => calls.lineage(url)],
      ["/api/timeline", (url) => calls.timeline(url)],
      ["/api/tree", (url) => values.tree(url)],
      ["/api/text", async (url) => ({ text: await values.text(url) })],
      ["/api/slice", (url) => values.slice(url)],
      ["/api/line", (url) => values.line(url)],
      ["/api/grid", (url) => values.grid(url)],
      ["/api/picture", (url) => values.picture(url)],
      ["/api/store", () => readStore(bag, this.#index)],
      ["/api/events", () => this.#follow()],
    ]);
    this.#server = Deno.serve(
      // Somebody who never reads an answer to its end must not keep the server.
      {
        hostname: "127.0.0.1",
        port,
        signal: this.#ended.signal,
        onListen: () => {},
        onError: toError,
      },
      (request) => this.#answer(request),
    );
    this.url = `http://127.0.0.1:${this.#server.addr.port}/?token=${token}`;
    this.#refresh();
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
    this.#ended.abort();
    await this.#update;
    await this.#server.finished;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    return Guard.protect(this.#guard.check(request, url) ?? await this.#route(url));
  }

  async #route(url: URL): Promise<Response> {
    const file = PAGE_FILES.get(url.pathname);
    if (file !== undefined) return await file();
    const answer = this.#routes.get(url.pathname);
    if (answer === undefined) return refuse(404, `Cannot find "${url.pathname}": there is nothing`);
    try {
      const content = await answer(url);
      const response = content instanceof Response ? content : Response.json(content);
      response.headers.set("cache-control", "no-store");
      return response;
    } catch (error) {
      return toError(error);
    }
  }

  /** Tells the page of each change, in one line: it asks for what it shows. */
  #follow(): Response {
    let timer: ReturnType<typeof setInterval> | undefined;
    let stream: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
    let told = -1;
    const tell = () => {
      const { version, ...progress } = this.#index.progress;
      if (version !== told) {
        told = version;
        const data = JSON.stringify({ version, ...progress });
        stream?.enqueue(new TextEncoder().encode(`data: ${data}\n\n`));
      }
      this.#refresh();
    };
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        stream = controller;
        this.#streams.add(controller);
        tell();
        timer = setInterval(() => {
          if (this.#ended.signal.aborted) clearInterval(timer);
          else tell();
        }, PERIOD);
        this.#ended.signal.addEventListener("abort", () => clearInterval(timer), { once: true });
      },
      cancel: () => {
        clearInterval(timer);
        if (stream !== undefined) this.#streams.delete(stream);
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  #refresh(): void {
    if (this.#ended.signal.aborted) return;
    // Whoever asks for a table gets the error; the next look may find the bag whole again.
    this.#update = this.#index.update(this.#ended.signal).catch((error) => this.#failed(error));
  }

  #failed(error: unknown): void {
    if (this.#ended.signal.aborted) return;
    const message = error instanceof Error ? error.message : String(error);
    const event = `event: problem\ndata: ${JSON.stringify({ message })}\n\n`;
    for (const stream of this.#streams) stream.enqueue(new TextEncoder().encode(event));
  }
}

/** Answers with what was thrown: what was asked for is not there, or makes no sense. */
function toError(error: unknown): Response {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof BadRequestError || error instanceof SyntaxError) return refuse(400, message);
  if (error instanceof CacheMissError || error instanceof RangeError) return refuse(404, message);
  if (error instanceof TypeError || error instanceof QuiverError) return refuse(422, message);
  return refuse(500, message);
}
