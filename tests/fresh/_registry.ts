/**
 * Quiver as JSR would serve it. As a program of its own, which may listen where tests may not, this
 * module prints where it listens, and ends with its standard input.
 *
 * @module
 */
import { createHash } from "node:crypto";

const ROOT = new URL("../../", import.meta.url);

/** A place that serves what would be published of Quiver. */
export interface Registry extends AsyncDisposable {
  /** Where it is, for `JSR_URL`. */
  readonly url: string;
  /** Where the files of the one version are. */
  readonly files: string;
}

interface Configuration {
  readonly name: string;
  readonly version: string;
  readonly exports: { readonly [entry: string]: string };
  readonly imports: { readonly [name: string]: string };
  readonly publish: { readonly include: readonly string[] };
  /** Folders that are no part of it. */
  readonly exclude: readonly string[];
}

type Files = Map<string, Uint8Array<ArrayBuffer>>;

/**
 * Serves what would be published of Quiver on a port of this machine, from another process.
 *
 * @returns Where; it ends when it is disposed of.
 */
export async function openRegistry(): Promise<Registry> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-net=127.0.0.1", import.meta.url],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await lines.read();
  const [url = "", files = ""] = value.trim().split(" ");
  return {
    url,
    files,
    [Symbol.asyncDispose]: async () => {
      await child.stdin.close();
      await lines.cancel();
      await child.status;
    },
  };
}

/** Reads the files that `deno publish` would take, with the specifiers that it would give them. */
async function readPublished({ publish, exclude, imports }: Configuration): Promise<Files> {
  const files: Files = new Map();
  const left = new Set(exclude.map((path) => `${path}/`));
  const read = async (path: string): Promise<void> => {
    if (left.has(path)) return;
    const url = new URL(path, ROOT);
    if (path.endsWith("/")) {
      for await (const { name, isDirectory } of Deno.readDir(url)) {
        await read(`${path}${name}${isDirectory ? "/" : ""}`);
      }
    } else if (path.endsWith(".ts")) {
      const text = toPublished(await Deno.readTextFile(url), imports);
      files.set(path, new TextEncoder().encode(text));
    } else files.set(path, await Deno.readFile(url));
  };
  for (const path of publish.include) await read(path);
  return files;
}

/** Makes `from "comlink/dist/…"` into `from "npm:comlink@^4.4.2/dist/…"`, as publishing does. */
function toPublished(text: string, imports: Configuration["imports"]): string {
  return text.replace(/\b(from |import\()"([^./":]+)([^":]*)"/g, (whole, before, name, rest) => {
    const target = imports[name];
    return target?.startsWith("npm:") ? `${before}"${target}${rest}"` : whole;
  });
}

/** The files of a registry with one version of one package, whose own files are in `folder`. */
async function readRegistry(): Promise<{ readonly folder: string; readonly files: Files }> {
  const text = await Deno.readTextFile(new URL("deno.json", ROOT));
  const configuration: Configuration = JSON.parse(text);
  const { name, version, exports } = configuration;
  const folder = `/${name}/${version}/`;
  const published = await readPublished(configuration);
  const manifest = Object.fromEntries(Array.from(published, ([path, bytes]) => {
    const checksum = `sha256-${createHash("sha256").update(bytes).digest("hex")}`;
    return [`/${path}`, { size: bytes.length, checksum }];
  }));
  const toJson = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const files: Files = new Map([
    [`/${name}/meta.json`, toJson({ latest: version, versions: { [version]: {} } })],
    [`/${name}/${version}_meta.json`, toJson({ manifest, exports })],
    ...Array.from(published, ([path, bytes]) => [`${folder}${path}`, bytes] as const),
  ]);
  return { folder, files };
}

/** What JSR says that a file is. */
function toContentType(path: string): string {
  if (path.endsWith(".ts")) return "text/typescript";
  return path.endsWith(".js") ? "text/javascript" : "application/json";
}

if (import.meta.main) {
  const { folder, files } = await readRegistry();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => {
      const url = `http://127.0.0.1:${port}`;
      console.log(`${url}/ ${url}${folder}`);
    },
  }, ({ url }) => {
    const { pathname } = new URL(url);
    const body = files.get(pathname);
    if (body === undefined) return new Response("not found", { status: 404 });
    return new Response(body, { headers: { "content-type": toContentType(pathname) } });
  });
  for await (const _ of Deno.stdin.readable);
  await server.shutdown();
}
