// End-to-end: a bag served for its page: who is let in, and what is answered.
import {
  assert,
  assertEquals,
  assertMatch,
  assertObjectMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { cacheScope } from "@quiver/quiver";
import { browse } from "@quiver/quiver/browse";
import { CallIndex } from "../../src/browse/server/call_index.ts";
import { CallRoutes } from "../../src/browse/server/call_routes.ts";
import {
  breaks,
  field,
  HOSTILE,
  hostile,
  mean,
  names,
  ShownBag,
  wave,
  whole,
} from "./_shown_bag.ts";

const SHOWN = await ShownBag.create(async () => {
  for (const rate of [1, 2, 3, 4]) await whole(rate);
  await field(64);
  await breaks(7).catch(() => {});
  await hostile(HOSTILE);
}, { tags: { run: "first", note: HOSTILE } });

/** Deno's `fetch` sets `Host` itself: this asks for what the test says, word by word. */
async function ask(lines: readonly string[]): Promise<string> {
  using connection = await Deno.connect({
    hostname: "127.0.0.1",
    port: Number(new URL(SHOWN.server.url).port),
  });
  const request = [...lines, "Connection: close", "", ""].join("\r\n");
  await connection.write(new TextEncoder().encode(request));
  return (await new Response(connection.readable).text()).split("\r\n")[0] ?? "";
}

const HOST = new URL(SHOWN.server.url).host;

Deno.test({ name: "browse()", sanitizeResources: false, sanitizeOps: false }, async (t) => {
  await using shown = SHOWN;
  await shown.settled();

  await t.step("lets nobody in without the token, and takes it out of the address", async () => {
    const right = new URL(shown.server.url);
    for (
      const token of ["", "?token=", "?token=wrong", `?token=${right.searchParams.get("token")}x`]
    ) {
      const response = await fetch(new URL(`/${token}`, right), { redirect: "manual" });
      assertEquals(response.status, 401);
      assertMatch(await response.text(), /open the address that was printed/);
    }
    const welcome = await fetch(right, { redirect: "manual" });
    await welcome.body?.cancel();
    assertEquals([welcome.status, welcome.headers.get("location")], [303, "/"]);
    assertMatch(welcome.headers.get("set-cookie") ?? "", /HttpOnly; SameSite=Strict/);
  });

  await t.step("answers for this machine's names only", async () => {
    const cookie = `Cookie: ${shown.cookie}`;
    const status = async (...headers: string[]) =>
      (await ask(["GET / HTTP/1.1", ...headers])).slice(9, 12);
    assertEquals(await status(`Host: ${HOST}`, cookie), "200");
    assertEquals(await status("Host: localhost:1", cookie), "200");
    for (const host of ["evil.example", "127.0.0.1.evil.example", "evil.example:80", ""]) {
      assertEquals(await status(`Host: ${host}`, cookie), "403", host);
    }
    assertEquals(await status(`Host: ${HOST}`, cookie, "Origin: http://evil.example"), "403");
    assertEquals(await status(`Host: ${HOST}`, cookie, "Origin: null"), "403");
    assertEquals(await status(`Host: ${HOST}`, cookie, `Origin: http://${HOST}`), "200");
    assertEquals(await status(`Host: ${HOST}`, cookie, "Sec-Fetch-Site: cross-site"), "403");
  });

  await t.step("only reads", async () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
      const { status, body } = await fetch(new URL("/api/state", shown.server.url), {
        method,
        headers: { cookie: shown.cookie },
      });
      await body?.cancel();
      assertEquals(status, 405, method);
    }
  });

  await t.step("allows nothing from elsewhere", async () => {
    for (const path of ["/", "/page.js", "/api/state", "/nothing", "/api/call?key=1"]) {
      const { headers, body } = await shown.get(path);
      await body?.cancel();
      const policy = headers.get("content-security-policy") ?? "";
      assertMatch(policy, /^default-src 'none'; script-src 'self';/);
      assert(!policy.includes("unsafe"), policy);
      assertEquals(headers.get("x-content-type-options"), "nosniff");
    }
  });

  await t.step(
    "says which columns there are: arguments, fields of results, tags, metadata",
    async () => {
      const { columns, calls, dropped } = await shown.json("/api/state");
      const found: string[] = columns.map(({ name }: { name: string }) => name);
      for (
        const name of ["args.rate", "args.phase", "result", "result.loss", "tags.run", "module"]
      ) {
        assert(found.includes(name), name);
      }
      assert(found.some((name) => name.startsWith("metadata.runtime.")), found.join());
      // Each `whole` has a call of `wave` and one of `mean` inside.
      assertEquals([calls, dropped], [4 * 3 + 3, 0]);
    },
  );

  await t.step("filters, sorts and pages calls, and counts what they have", async () => {
    const filters = (list: unknown) => `filters=${encodeURIComponent(JSON.stringify(list))}`;
    const columns = `columns=${names("args.rate", "result.loss", "state")}`;
    const waves = await shown.json(
      `/api/calls?${
        filters([{ column: "task", is: ["wave"] }])
      }&${columns}&sort=result.loss&facets=task,state`,
    );
    assertEquals(waves.matching, 4);
    assertEquals(waves.rows.map(({ cells }: { cells: unknown[] }) => cells.slice(0, 2)), [
      [3, 0],
      [2, 1],
      [4, 1],
      [1, 2],
    ]);
    // A facet counts as if it had no filter of its own.
    assertEquals(waves.facets[0].counts.map(({ count }: { count: number }) => count).slice(0, 3), [
      4,
      4,
      4,
    ]);
    assertEquals(waves.facets[1].counts, [{ cell: "done", count: 4 }]);
    const near = await shown.json(
      `/api/calls?${
        filters([{ column: "result.loss", from: 0.5, to: 1.5 }])
      }&${columns}&limit=1&offset=1&sort=-args.rate`,
    );
    assertEquals([near.matching, near.rows.length, near.rows[0].cells[0]], [2, 1, 2]);
    const failed = await shown.json(
      `/api/calls?${filters([{ column: "state", is: ["failed"] }])}&columns=error&limit=5`,
    );
    assertEquals(failed.rows.map(({ cells }: { cells: unknown[] }) => cells[0]), [
      `RangeError: ${HOSTILE} 7`,
    ]);
    const sought = await shown.json(
      `/api/calls?search=${encodeURIComponent("ONERROR")}&columns=task`,
    );
    assertEquals(sought.matching, calls(sought));
    const empty = await shown.json(
      `/api/calls?${filters([{ column: "args.size", is: [null], not: true }])}&columns=task`,
    );
    assertEquals(empty.rows.map(({ cells }: { cells: unknown[] }) => cells[0]), ["field"]);
  });

  await t.step("filters a value by its digest, and tells which columns differ", async () => {
    const result = (await shown.bag.record(await wave.digest(2, 0)))?.result;
    const filter = encodeURIComponent(
      JSON.stringify([{ column: "result", is: [{ digest: result }] }]),
    );
    const { rows, differing } = await shown.json(
      `/api/calls?filters=${filter}&columns=args.rate&differing`,
    );
    assertEquals(rows.map(({ cells }: { cells: unknown[] }) => cells[0]), [2]);
    assertEquals(differing, []);
    const task = encodeURIComponent(JSON.stringify([{ column: "task", is: ["wave"] }]));
    const some = await shown.json(`/api/calls?filters=${task}&differing`);
    assert(some.differing.includes("args.rate") && !some.differing.includes("args.phase"));
  });

  await t.step(
    "puts first what was asked and came out, and tells where nothing stands",
    async () => {
      const { columns } = await shown.json("/api/state");
      const places = ["task", "args.rate", "result", "result.loss", "error", "tags.run", "duration"]
        .map((name) => columns.findIndex((column: { name: string }) => column.name === name));
      assertEquals(places, places.toSorted((a, b) => a - b));
      const spread = (name: string) =>
        columns.find((column: { name: string }) => column.name === name).isSpread;
      // `mean` gives numbers, so that the results as a whole stay a column.
      assertEquals([spread("args.rate"), spread("result")], [false, false]);
      const objects = columns.filter((column: { isSpread: boolean }) => column.isSpread);
      // The one argument of `mean`, which is what `wave` gives.
      assertEquals(objects.length, 1);
      assert(columns.some(({ name }: { name: string }) => name === `${objects[0].name}.loss`));
      const task = encodeURIComponent(JSON.stringify([{ column: "task", is: ["wave"] }]));
      const { filled } = await shown.json(`/api/calls?filters=${task}&filled`);
      assert(filled.includes("args.phase") && filled.includes("result.loss"));
      assert(!filled.includes("error") && !filled.includes("args.size"));
    },
  );

  await t.step("answers in part, and not with an error, until all is read", async () => {
    const index = new CallIndex(shown.bag);
    const routes = new CallRoutes(shown.bag, index);
    const filters = encodeURIComponent(JSON.stringify([{ column: "args.rate", from: 2 }]));
    const ask = (sort: string) =>
      routes.calls(
        new URL(
          `http://localhost/?filters=${filters}&sort=${sort}&columns=args.rate&facets=args.rate`,
        ),
      );
    assertObjectMatch({ answer: ask("-args.rate") }, { answer: { matching: 0, complete: false } });
    await index.update(new AbortController().signal);
    assertObjectMatch({ answer: ask("-args.rate") }, { answer: { matching: 6 } });
    assertThrows(() => ask("args.rat"), RangeError, 'the column "args.rat"');
  });

  await t.step("gives what is shown as CSV, in which nothing is a formula", async () => {
    const filter = encodeURIComponent(JSON.stringify([{ column: "task", is: ["wave"] }]));
    const response = await shown.get(
      `/api/calls.csv?filters=${filter}&sort=args.rate&columns=${
        names("args.rate", "tags.note", "started")
      }`,
    );
    const [head, first, ...more] = (await response.text()).trimEnd().split("\r\n");
    assertEquals([head, more.length], ["key,args.rate,tags.note,started", 3]);
    const key = await wave.digest(1, 0);
    const started = new Date((await shown.bag.record(key))?.started ?? 0).toISOString();
    assertEquals(first, `${key},1,"${HOSTILE.replaceAll('"', '""')}",${started}`);
  });

  await t.step(
    "shows one call, compares some, and finds whom they come from and go to",
    async () => {
      const [one, two] = [await wave.digest(1, 0), await wave.digest(2, 0)];
      assertEquals((await shown.json(`/api/call?key=${one}`)).task, "wave");
      const { columns } = await shown.json(`/api/compare?keys=${one},${two}`);
      const of = (name: string) => columns.find((column: { name: string }) => column.name === name);
      assertEquals([of("args.rate").differs, of("args.rate").cells], [true, [1, 2]]);
      assertEquals(of("args.phase").differs, false);
      const lineage = await shown.json(`/api/lineage?key=${one}`);
      assertEquals(lineage.by.task, "whole");
      assertEquals(lineage.users.map(({ task }: { task: string }) => task), ["mean"]);
      const above = await shown.json(`/api/lineage?key=${lineage.by.key}`);
      assertEquals(above.made.map(({ task }: { task: string }) => task).sort(), ["mean", "wave"]);
    },
  );

  await t.step(
    "reads only the part of an array that is asked for, and thins out the rest",
    async () => {
      const { result = "" } = await shown.bag.record(await wave.digest(1, 0)) ?? {};
      const tree = await shown.json(`/api/tree?path=${result}`);
      assertEquals(
        tree.entries.map(({ name, kind }: { name: string; kind: string }) => [name, kind]),
        [
          ["rate", "number"],
          ["loss", "number"],
          ["ys", "Float64Array"],
        ],
      );
      const slice = await shown.get(`/api/slice?digest=${result}&path=ys&ranges=10:14`);
      assertEquals(slice.headers.get("x-quiver-kind"), "Float64Array");
      const numbers = new Float64Array(await slice.arrayBuffer());
      assertEquals([...numbers], [10, 11, 12, 13].map((i) => Math.sin(i / 1000)));
      const line = await shown.json(`/api/line?digest=${result}&path=ys&points=100`);
      assert(line.x.length <= 102 && line.step === 100, `${line.x.length}`);
      assertEquals(
        Math.max(...line.y),
        Math.max(...Float64Array.from({ length: 5000 }, (_, i) => Math.sin(i / 1000))),
      );
      const map = (await shown.bag.record(await field.digest(64)))?.result;
      const grid = await shown.json(`/api/grid?digest=${map}&size=16`);
      assertEquals([grid.rows, grid.columns, grid.values.length], [16, 16, 256]);
    },
  );

  await t.step("draws when calls ran, by whom, and says what the bag takes", async () => {
    const { lanes, calls, ended } = await shown.json("/api/timeline?width=400&lane=task");
    assertEquals(calls, 15);
    assertEquals(ended.reduce((a: number, b: number) => a + b), 15);
    const sum = lanes.flatMap(({ bars }: { bars: { calls: number }[] }) => bars).reduce(
      (sum: number, bar: { calls: number }) => sum + bar.calls,
      0,
    );
    assertEquals(sum, 15);
    const { tasks, folders } = await shown.json("/api/store");
    assertEquals(tasks.find(({ name }: { name: string }) => name === "wave").calls, 4);
    assert(
      folders.some(({ name, bytes }: { name: string; bytes: number }) =>
        name === "journal" && bytes > 0
      ),
    );
  });

  await t.step("says what is wrong with a request", async () => {
    const cases: [path: string, status: number, message: RegExp][] = [
      ["/api/nothing", 404, /there is nothing/],
      ["/api/calls?sort=nothing", 404, /column "nothing"/],
      ["/api/calls?filters=%7B", 400, /no JSON/],
      ["/api/calls?filters=%5B%7B%7D%5D", 400, /list of objects/],
      ["/api/calls?limit=-1", 400, /no number of at least 0/],
      ["/api/calls?columns=%25", 400, /not escaped/],
      ["/api/call", 400, /`key` is missing/],
      ["/api/call?key=abc", 404, /not known/],
      ["/api/compare?keys=a", 400, /2 to 8/],
      ["/api/tree?path=nowhere", 404, /Cannot find "nowhere"/],
      [`/api/slice?digest=${"0".repeat(64)}&path=x`, 404, /Cannot find/],
      ["/api/tree?path=~9", 400, /stands for nothing/],
    ];
    for (const [path, status, message] of cases) {
      const response = await shown.get(path);
      assertMatch(await response.text(), message);
      assertEquals(response.status, status, path);
    }
    const { result = "" } = await shown.bag.record(await wave.digest(1, 0)) ?? {};
    for (const ranges of ["0:5001", "5:1", "x"]) {
      const response = await shown.get(`/api/slice?digest=${result}&path=ys&ranges=${ranges}`);
      await response.body?.cancel();
      assertEquals(response.status, 400, ranges);
    }
  });

  await t.step("tells what is new, and what is forgotten", async () => {
    const { body } = await shown.get("/api/events");
    const events = body?.pipeThrough(new TextDecoderStream()).getReader();
    const until = async (calls: number) => {
      for (;;) {
        const { value = "", done = true } = await events?.read() ?? {};
        if (done) throw new Error("the events have ended");
        if (value.includes(`"calls":${calls},`)) return;
      }
    };
    await until(15);
    await cacheScope({ cache: shown.writer }, () => mean({ ys: new Float64Array(3) }));
    await until(16);
    await shown.writer.evict(await mean.digest({ ys: new Float64Array(3) }));
    await until(15);
    await events?.cancel();
  });

  await t.step("refuses what is no port, and one that is taken", () => {
    assertThrows(() => browse(shown.bag, { port: 70_000 }), RangeError, "on the port 70000");
    assertThrows(
      () => browse(shown.bag, { port: Number(new URL(shown.server.url).port) }),
      Deno.errors.AddrInUse,
    );
    // @ts-expect-error: misspelled.
    assertThrows(() => browse(shown.bag, { prot: 1 }), TypeError, '"prot"');
  });

  await t.step("ends with what it serves, whoever reads an answer no further", async () => {
    const { body } = await shown.get("/api/events");
    await shown.server.close();
    await body?.cancel().catch(() => {});
    await assertRejects(() => fetch(shown.server.url), TypeError);
  });
});

function calls({ rows }: { rows: unknown[] }): number {
  return rows.length;
}
