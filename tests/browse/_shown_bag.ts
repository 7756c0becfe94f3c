import { type Bag, cacheScope, openBag, task } from "@quiver/quiver";
import { browse, type BrowseServer } from "@quiver/quiver/browse";

/** What would run if it were taken for HTML. */
export const HOSTILE = `<img src=x onerror="globalThis.ran=1"><script>globalThis.ran=1</script>`;

export const wave = task(import.meta, function wave(rate: number, phase: number) {
  const ys = Float64Array.from({ length: 5000 }, (_, i) => Math.sin(i * rate / 1000 + phase));
  return { rate, loss: Math.abs(rate - 3), ys };
}, { name: "wave" });

export const mean = task(import.meta, function mean({ ys }: { ys: Float64Array }) {
  return ys.reduce((a, b) => a + b, 0) / ys.length;
}, { name: "mean" });

export const field = task(import.meta, function field(size: number) {
  const data = new Float32Array(size * size);
  data.forEach((_, i) =>
    data[i] = Math.hypot(i % size - size / 2, Math.floor(i / size) - size / 2)
  );
  return { data, shape: [size, size] };
}, { name: "field" });

export const whole = task(import.meta, async function whole(rate: number) {
  return await mean(await wave(rate, 0));
}, { name: "whole" });

export const breaks = task(import.meta, function breaks(n: number): number {
  throw new RangeError(`${HOSTILE} ${n}`);
}, { name: "breaks" });

export const hostile = task(import.meta, function hostile(text: string) {
  return JSON.parse(`{"__proto__": {"polluted": 1}, "html": ${JSON.stringify(text)}}`);
}, { name: HOSTILE });

/**
 * Puts the records of many calls, as computing them would but faster.
 *
 * @param tags How many tags they have, all different.
 */
export async function fillWithRows(bag: Bag, calls: number, tags = 0): Promise<void> {
  for (let n = 0; n < calls; n++) {
    const value = await bag.putValue(n % 100);
    const per = Math.ceil(tags / calls);
    const own = Array.from({ length: per }, (_, i) => [`tag ${n * per + i}`, i]);
    await bag.putRecord({
      key: n.toString(16).padStart(64, "0"),
      scheme: 1,
      module: "rows.ts",
      task: "row",
      args: [{ name: "n", digest: value, value }],
      result: value,
      started: 1_700_000_000_000 + n,
      duration: 1,
      metadata: { tags: Object.fromEntries(own) },
    });
  }
}

/** A bag that is shown for as long as a test lasts. */
export class ShownBag implements AsyncDisposable {
  private constructor(
    readonly path: string,
    /** The handle that is shown. */
    readonly bag: Bag,
    /** Another one, by which calls are made. */
    readonly writer: Bag,
    readonly server: BrowseServer,
    /** What the browser sends once it was let in. */
    readonly cookie: string,
  ) {}

  /** Makes calls in a new bag, and shows it. */
  static async create(
    fill: () => Promise<unknown>,
    metadata = {},
    prepare: (bag: Bag) => Promise<void> = async () => {},
  ): Promise<ShownBag> {
    const path = await Deno.makeTempDir({ prefix: "quiver_browse_" });
    const writer = await openBag(`${path}/shown.bag`, { fold: "manual" });
    const bag = await openBag(writer.path, { mode: "read" });
    await prepare(writer);
    await cacheScope(
      { cache: writer, collect: ["runtime"], keepFailures: true, ...metadata },
      fill,
    );
    const server = browse(bag);
    const { headers, body } = await fetch(server.url, { redirect: "manual" });
    await body?.cancel();
    return new ShownBag(path, bag, writer, server, headers.get("set-cookie")?.split(";")[0] ?? "");
  }

  /** Asks for something as the page would. */
  async get(path: string, headers: { readonly [name: string]: string } = {}): Promise<Response> {
    return await fetch(new URL(path, this.server.url), {
      headers: { cookie: this.cookie, ...headers },
    });
  }

  /** Asks for data as the page would. */
  // deno-lint-ignore no-explicit-any -- Tests say themselves what they expect.
  async json(path: string): Promise<any> {
    const response = await this.get(path);
    if (response.ok) return await response.json();
    throw new Error(`${response.status} ${await response.text()}`);
  }

  /** Waits until all is known. */
  async settled(): Promise<void> {
    for (;;) {
      const { complete, values } = await this.json("/api/state");
      if (complete && values.read === values.total) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.bag.close();
    await this.writer.close();
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Writes a list as a parameter of an address. */
export function names(...list: readonly string[]): string {
  return encodeURIComponent(list.map(encodeURIComponent).join(","));
}
