// Contract: what is read of the command line of a program, and what goes to its processes.
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  ProgramFlags,
  ProgramFlagsReader,
  toListFlag,
} from "../../src/worker/process/program_flags.ts";

function read(line: string, folder = "/home/me"): ProgramFlags {
  return new ProgramFlags(line.split(" "), folder);
}

Deno.test("ProgramFlags.passed() gives what changes what code finds, however it is written", () => {
  for (
    const [line, ...passed] of [
      ["deno run main.ts"],
      ["deno run -A --inspect=1.2.3.4:5 --watch --coverage=x --preload p.ts --check main.ts"],
      [
        "deno run --seed 3 --location https://a.b/c main.ts",
        "--seed=3",
        "--location=https://a.b/c",
      ],
      [
        "deno run --v8-flags=--expose-gc,--max-old-space-size=9 m.ts",
        "--v8-flags=--expose-gc,--max-old-space-size=9",
      ],
      ["deno run -c deno.json m.ts", "--config=/home/me/deno.json"],
      ["deno run -cdeno.json m.ts", "--config=/home/me/deno.json"],
      ["deno run -qc=../deno.json m.ts", "--config=/home/deno.json"],
      ["deno run --config /etc/deno.json m.ts", "--config=/etc/deno.json"],
      ["deno run --import-map=https://a.b/map.json m.ts", "--import-map=https://a.b/map.json"],
      [
        "deno run --cert ca.pem --lock --no-remote m.ts",
        "--cert=/home/me/ca.pem",
        "--lock",
        "--no-remote",
      ],
      ["deno run --unstable-kv --unstable m.ts", "--unstable-kv", "--unstable"],
      [
        "deno test --filter seed --no-config --cached-only a_test.ts",
        "--no-config",
        "--cached-only",
      ],
      [
        "deno run --unsafely-ignore-certificate-errors=a.b --conditions dev m.ts",
        "--unsafely-ignore-certificate-errors=a.b",
        "--conditions=dev",
      ],
    ] as const
  ) assertEquals(read(line).passed([]), passed, line);
});

Deno.test("ProgramFlags.passed() leaves out what a process is given its own of, where one only may be", () => {
  const flags = read("deno run --config=/a.json --no-lock --seed=3 --v8-flags=--expose-gc m.ts");
  const rest = ["--seed=3", "--v8-flags=--expose-gc"];
  for (const own of [["--no-config"], ["-c", "x.json"], ["--config=y.json"]]) {
    assertEquals(flags.passed(own), ["--no-lock", ...rest], own.join());
  }
  assertEquals(flags.passed(["--lock=x.lock"]), ["--config=/a.json", ...rest]);
});

Deno.test("ProgramFlags tells the parts of permissions", () => {
  const flags = read(
    "deno run -ERW=data,/a --allow-read=x --deny-read=y --ignore-read --allow-run=deno,./tool m.ts",
  );
  assertEquals(flags.allowed("read"), ["/home/me/x"]);
  assertEquals(flags.allowed("write"), ["/home/me/data", "/a"]);
  assertEquals(flags.allowed("run"), ["deno", "/home/me/tool"]);
  assertEquals(flags.barred("read"), ["/home/me/y"]);
  assertEquals(flags.barringFlags("read"), ["--deny-read=/home/me/y", "--ignore-read"]);
  assertEquals(flags.allowed("net"), []);
});

Deno.test("ProgramFlags writes a path in a folder with a comma as it is seen from here, or refuses it", () => {
  const here = `${Deno.cwd()}/a,b`;
  const flags = read("deno run --allow-read=. --deny-read=secret --deny-write=x m.ts", here);
  assertEquals(flags.allowed("read"), [here]);
  assertThrows(
    () => flags.barringFlags("read"),
    TypeError,
    `"${here}/secret" cannot be an item of \`--deny-read\``,
  );
  const above = read("deno run --deny-read=secret m.ts", Deno.cwd());
  assertEquals(above.barringFlags("read"), [`--deny-read=${Deno.cwd()}/secret`]);
});

Deno.test("toListFlag() refuses by name what no list can have", () => {
  assertEquals(toListFlag("allow-env", ["A", "B"]), "--allow-env=A,B");
  for (
    const [flag, item] of [["allow-env", "A,B"], ["allow-read", ""], ["allow-net", "a,b"]] as const
  ) {
    const error = assertThrows(() => toListFlag(flag, ["X", item]), TypeError);
    assertStringIncludes(
      error.message,
      `${JSON.stringify(item)} cannot be an item of \`--${flag}\``,
    );
  }
});

Deno.test("ProgramFlagsReader.read() reads the flags of this program, on Linux", async () => {
  const flags = await new ProgramFlagsReader().read();
  assertEquals(flags === undefined, Deno.build.os !== "linux");
});
