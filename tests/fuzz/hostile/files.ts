import { encodeCheckedLine } from "../../../src/disk/checked_line.ts";
import { compute, COUNT } from "../survive.ts";
import { ANYTHING, HEX, type HostileBag, replace, show, write } from "./hostile_bag.ts";

const TOUCHES = [
  ...ANYTHING.map((at) => JSON.stringify({ touch: HEX, at })),
  ...ANYTHING.map((touch) => JSON.stringify({ touch, at: 1 })),
];

const WAITS = [
  ...ANYTHING.map((waits) => ({ waits })),
  ...ANYTHING.map((wait) => ({ waits: [wait] })),
  ...ANYTHING.map((field) => ({
    waits: [{ id: field, since: field, target: field, callers: field }],
  })),
  ...ANYTHING.map((caller) => ({ waits: [{ id: "x", since: 1, target: HEX, callers: [caller] }] })),
];

/** Touches, waits, and files where others belong. */
export function* listOthers(): Generator<HostileBag> {
  for (const text of TOUCHES) {
    yield {
      name: `a touch ${show(text)}`,
      calls: [],
      make: (path) =>
        write(path, `touches/${"0".repeat(16)}-1`, encodeCheckedLine(text.slice(0, -1))),
    };
  }
  for (const waits of WAITS) {
    yield {
      name: `a wait ${show(waits)}`,
      calls: [],
      make(path) {
        const line = encodeCheckedLine(JSON.stringify(waits).slice(0, -1));
        write(path, `locks/waits-${crypto.randomUUID()}`, line);
      },
    };
  }
  const names = ["bag.json", "manifest.json", "calls.jsonl", "calls.index", "values.h5"];
  for (const name of [...names, "segments/000001.h5", "segments/000001.index"]) {
    yield { name: `a directory ${name}`, make: (path) => replace(path, name, "directory") };
    yield { name: `an empty ${name}`, make: (path) => replace(path, name, "file") };
    yield { name: `no ${name}`, make: (path) => replace(path, name, "nothing") };
    yield { name: `a link ${name}`, make: (path) => replace(path, name, "link") };
  }
  for (const lock of ["fold", "calls", "sweep"]) {
    yield {
      name: `a directory ${lock}.lock`,
      make: (path) => replace(path, `locks/${lock}.lock`, "directory"),
    };
    yield {
      name: `a link ${lock}.lock`,
      make: (path) => replace(path, `locks/${lock}.lock`, "link"),
    };
  }
  for (const name of ["segments", "journal", "leases", "touches", "locks", "quarantine"]) {
    yield { name: `a file ${name}`, make: (path) => replace(path, name, "file") };
    if (name !== "quarantine") {
      yield {
        name: `no ${name}`,
        make: (path) => replace(path, name, "nothing"),
      };
    }
    for (
      const entry of [
        "x",
        "__proto__",
        `${"1".repeat(16)}-1`,
        HEX,
        "000009.h5",
        "000009.h5.x.tmp",
        `${"9".repeat(100)}.h5`,
        "\u202e",
        "waits-x",
        `lease-${HEX}`,
      ]
    ) {
      yield {
        name: `a directory ${name}/${entry}`,
        calls: [],
        make: (path) => Deno.mkdirSync(`${path}/${name}/${entry}`, { recursive: true }),
      };
      yield {
        name: `a foreign file ${name}/${entry}`,
        ...(entry !== "000009.h5" && { calls: [] }),
        make(path) {
          Deno.mkdirSync(`${path}/${name}`, { recursive: true });
          write(path, `${name}/${entry}`, "foreign");
        },
      };
    }
  }
  for (let n = 0; n < COUNT; n++) {
    yield {
      name: `a directory in the place of lease ${n}`,
      async make(path) {
        Deno.mkdirSync(`${path}/leases/${await compute.digest(n)}`);
        write(path, "calls.jsonl", "");
      },
    };
  }
}
