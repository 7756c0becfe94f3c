// What a task finds around it, in the program and on a worker of each kind: one line of JSON for each.
import { Executor, task } from "@quiver/quiver";
import process from "node:process";

const atTop = { args: [...Deno.args], random: Math.random() };

function stateOf(permission: Deno.PermissionDescriptor): string {
  const { state, partial } = Deno.permissions.querySync(permission);
  return partial ? `${state} in part` : state;
}

export const look = task(import.meta, function look(parts: Deno.PermissionDescriptor[]) {
  const { env, ffi, net, read, run, sys, write } = Object.fromEntries(
    (["env", "ffi", "net", "read", "run", "sys", "write"] as const)
      .map((name) => [name, stateOf({ name })]),
  );
  return {
    "Deno.args": Deno.args.join(),
    "Deno.args at the top": atTop.args.join(),
    "process.argv": process.argv.slice(1).join(),
    "process.execArgv": process.execArgv.join(),
    "Deno.cwd()": Deno.cwd(),
    "a variable": Deno.env.get("QUIVER_GIVEN"),
    "a variable set by the program": Deno.env.get("QUIVER_SET"),
    "time zone": new Intl.DateTimeFormat().resolvedOptions().timeZone,
    "Date": String(new Date(0)),
    "locale": new Intl.NumberFormat().resolvedOptions().locale,
    "navigator.language": navigator.language,
    "a bare import": import.meta.resolve("the-answer"),
    "permissions": { env, ffi, net, read, run, sys, write },
    "import permission": stateOf({ name: "import", host: "jsr.io:443" }),
    "parts of permissions": parts.map((part) => [JSON.stringify(part), stateOf(part)]),
    "unstable features": ["openKv", "cron"].filter((name) => name in Deno),
    "V8's flags": "gc" in globalThis,
    "location": String(Reflect.get(globalThis, "location")),
    "seed": atTop.random,
    "import.meta.main": import.meta.main,
    "Deno.mainModule": Deno.mainModule,
    "Deno.noColor": Deno.noColor,
    "Deno.execPath()": Deno.execPath(),
    "localStorage": "localStorage" in globalThis,
    "alert": "alert" in globalThis,
  };
}, { code: "none" });

if (import.meta.main) {
  const { folder, parts = [], revoke = [] } = JSON.parse(Deno.args[0] ?? "{}");
  if (folder !== undefined) Deno.chdir(folder);
  for (const part of revoke) Deno.permissions.revokeSync(part);
  Deno.env.set("QUIVER_SET", "by the program");
  const worlds: { [kind: string]: unknown } = { main: await look(parts) };
  for (const workerType of ["inline", "web", "process"] as const) {
    await using executor = new Executor({ workerType, maxWorkers: 1 });
    worlds[workerType] = await executor.submit(look, parts);
  }
  console.log(JSON.stringify(worlds));
}
