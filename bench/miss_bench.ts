// How long does it take until a new result is safe, and how many values can one writer store?
import { DatabaseSync } from "node:sqlite";
import cacache from "cacache";
import memoizeFs from "memoize-fs";
import { cacheScope, openBag } from "@quiver/quiver";
import { openBagFiles } from "../src/bag/open_bag.ts";
import { compare } from "./_compare.ts";
import { tiny } from "./_tasks.ts";

/** Compares misses and puts with plain files, SQLite, cacache and memoize-fs. */
export async function run(): Promise<void> {
  const folder = await Deno.makeTempDir();
  const database = new DatabaseSync(`${folder}/miss.sqlite`);
  database.exec("pragma journal_mode = wal; pragma synchronous = normal");
  database.exec("create table misses (key text primary key, value text)");
  const insert = database.prepare("insert into misses values (?, ?)");
  const memoizer = memoizeFs({ cachePath: `${folder}/memoize` });
  const memoized = await memoizer.fn((n: number) => ({ n, half: n / 2 }), { cacheId: "tiny" });
  {
    await using bag = await openBag(`${folder}/results.bag`, { fold: "manual" });
    let n = 0;
    const each = (fn: (n: number) => unknown) => async (calls: number) => {
      for (let call = 0; call < calls; call++) await fn(n++);
    };
    const eachSync = (fn: (n: number) => unknown) => (calls: number) => {
      for (let call = 0; call < calls; call++) fn(n++);
    };
    const json = (n: number) => JSON.stringify({ n, half: n / 2 });
    await compare("Tiny miss: run the body and acknowledge the result", [
      {
        name: "file: write + rename (baseline)",
        run: eachSync((n) => {
          Deno.writeTextFileSync(`${folder}/${n}.tmp`, json(n));
          Deno.renameSync(`${folder}/${n}.tmp`, `${folder}/${n}.json`);
        }),
      },
      {
        name: "Quiver: await tiny(n)",
        run: (calls) => cacheScope({ cache: bag }, () => each((n) => tiny(n))(calls)),
      },
      { name: "node:sqlite: insert", run: eachSync((n) => insert.run(String(n), json(n))) },
      { name: "memoize-fs", run: each((n) => memoized(n)) },
      {
        name: "cacache: put",
        run: each((n) => cacache.put(`${folder}/cacache`, String(n), json(n))),
      },
    ], { calls: 300 });
    await using files = await openBagFiles(`${folder}/leases.bag`, { fold: "manual" });
    const key = (n: number) => n.toString(16).padStart(64, "0");
    await compare("Lease of a key that nobody holds, taken and freed", [
      {
        name: "file: create + lock + remove (baseline)",
        run: eachSync((n) => {
          const path = `${folder}/${key(n)}`;
          using file = Deno.openSync(path, { read: true, write: true, create: true });
          file.lockSync(true);
          Deno.removeSync(path);
        }),
      },
      {
        name: "Quiver: tryAcquire",
        run: eachSync((n) => files.leases.tryAcquire(key(n))?.[Symbol.dispose]()),
      },
    ], { calls: 500 });
    const bytes = (n: number) => new Uint8Array(200).fill(n).with(0, n >> 16).with(1, n >> 8);
    const blob = database.prepare("insert into misses values (?, ?)");
    await compare("Put 200 B, one writer", [
      {
        name: "file: write (baseline)",
        run: eachSync((n) => Deno.writeFileSync(`${folder}/${n}.bin`, bytes(n))),
      },
      { name: "Quiver: bag.putValue", run: eachSync((n) => bag.putValue(bytes(n))) },
      { name: "node:sqlite: insert", run: eachSync((n) => blob.run(`b${n}`, bytes(n))) },
    ], { calls: 5000, show: "rate" });
  }
  database.close();
  await Deno.remove(folder, { recursive: true });
}

if (import.meta.main) await run();
