import { file, type FileHandle, outputFile, task } from "@quiver/quiver";
import { until } from "../../executor/testdata/gated.ts";

/** Leaves a mark for each time that a body runs. */
function mark(log: string): void {
  Deno.writeTextFileSync(log, ".", { append: true, create: true });
}

/** What a body gets of a file. */
export const describe = task(
  import.meta,
  async function describe(parts: { readonly tables: readonly FileHandle[] }, log: string) {
    mark(log);
    const [table] = parts.tables;
    if (table === undefined) return undefined;
    const { path, digest, size } = table;
    const streamed = await new Response(table.stream()).text();
    return { path, digest, size, text: await table.text(), bytes: await table.bytes(), streamed };
  },
  { ignore: ["log"] },
);

export const list = task(import.meta, function list(folder: FileHandle, log: string) {
  mark(log);
  return Array.from(Deno.readDirSync(folder.path), ({ name }) => name).sort();
}, { ignore: ["log"] });

export const sizeOf = task(import.meta, function sizeOf(table: FileHandle, log: string) {
  mark(log);
  return table.size;
}, { ignore: ["log"] });

/** Reads only when it is told to. */
export const readLate = task(
  import.meta,
  async function readLate(_table: FileHandle, gate: string) {
    Deno.writeTextFileSync(`${gate}/runs`, "");
    await until(gate, (names) => names.includes("open"));
    return 1;
  },
  { ignore: ["gate"] },
);

/** Changes what it was given. */
export const append = task(import.meta, async function append(table: FileHandle) {
  await Deno.writeTextFile(table.path, "more", { append: true });
  return 1;
});

/** Reads what it has changed. */
export const changeAndRead = task(import.meta, async function changeAndRead(table: FileHandle) {
  await Deno.writeTextFile(table.path, "other");
  return await table.text();
});

/** Gives a file that no call was made with. */
export const giveInput = task(import.meta, (path: string) => file(path), { name: "giveInput" });

/** Takes one by its name, which is a text. */
export const readByName = task(import.meta, (path: string) => Deno.readTextFileSync(path), {
  name: "readByName",
});

/** Writes so many bytes, each the lowest of its index. */
export const write = task(
  import.meta,
  async function write(name: string, size: number, log: string) {
    mark(log);
    const output = outputFile(name);
    await Deno.mkdir(output.path.slice(0, output.path.lastIndexOf("/")), { recursive: true });
    await Deno.writeFile(output.path, Uint8Array.from({ length: size }, (_, i) => i % 251));
    return { size, output };
  },
  { ignore: ["log"] },
);

/** Writes a directory with one of everything. */
export const writeTree = task(
  import.meta,
  async function writeTree(name: string, log: string) {
    mark(log);
    const output = outputFile(name);
    await Deno.mkdir(`${output.path}/deep/er`, { recursive: true });
    await Deno.mkdir(`${output.path}/empty`, { recursive: true });
    await Deno.writeTextFile(`${output.path}/deep/er/one`, "one");
    await Deno.writeTextFile(`${output.path}/run.sh`, "#!/bin/sh", { mode: 0o755 });
    await Deno.chmod(`${output.path}/run.sh`, 0o755);
    await Deno.symlink("deep/er/one", `${output.path}/link`);
    return output;
  },
  { ignore: ["log"] },
);

/** Says that it has written what it is told. */
export const claim = task(import.meta, function claim(...names: string[]) {
  return names.map((name) => outputFile(name));
});

/** Leaves a link in its output that leads where it is told. */
export const link = task(import.meta, async function link(target: string) {
  const output = outputFile("linked");
  await Deno.mkdir(output.path, { recursive: true });
  await Deno.symlink(target, `${output.path}/link`);
  return output;
});

/** Writes where a file says, so that no argument names the place. */
export const writeWhereTold = task(
  import.meta,
  async function writeWhereTold(told: FileHandle, log: string) {
    mark(log);
    const output = outputFile(await told.text());
    await Deno.writeTextFile(output.path, "text");
    return output;
  },
  { ignore: ["log"] },
);

/** Reads by the path, what the handle does not see. */
export const readByPath = task(import.meta, async function readByPath(table: FileHandle) {
  await new Promise((resolve) => setTimeout(resolve));
  return await Deno.readTextFile(table.path);
});
