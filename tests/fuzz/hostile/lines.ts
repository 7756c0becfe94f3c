import { crc32 } from "node:zlib";
import { encodeCheckedLine } from "../../../src/disk/checked_line.ts";
import { compute } from "../survive.ts";
import { HEX, type HostileBag, show, write } from "./hostile_bag.ts";

/** JSON texts behind the key, without the last brace. */
const LINES: readonly string[] = [
  "",
  `,"key":"${HEX}"`,
  ',"key":null',
  `,"__proto__":{"result":"${HEX}","module":"m","task":"t","args":[]}`,
  `,"result":"${HEX}","result":5`,
  ',"a":1e400',
  ',"a":-0',
  ',"a":"\\ud800"',
  `,"a":${"[".repeat(200)}${"]".repeat(200)}`,
  `,"a":${"[".repeat(5000)}${"]".repeat(5000)}`,
  `,"a":${'{"a":'.repeat(1e5)}1${"}".repeat(1e5)}`,
  ',"a":[',
  ",,",
  ' ,"a" : 1 ',
  ',"a":"\u2028\u0000"',
  `,"a":"${"x".repeat(15 * 2 ** 20)}"`,
];

/** Lines of the call log that no writer writes. */
export function* listLines(): Generator<HostileBag> {
  for (const text of LINES) {
    yield {
      name: `a line that goes on with ${show(text)}`,
      calls: [0],
      async make(path) {
        const line = encodeCheckedLine(`{"key":"${await compute.digest(0)}"${text}`);
        write(path, "calls.jsonl", line, true);
      },
    };
  }
  for (const bytes of [[0xff, 0xfe], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
    yield {
      name: `a line that is no UTF-8: ${bytes}`,
      calls: [0],
      async make(path) {
        const line = encodeCheckedLine(`{"key":"${await compute.digest(0)}","a":"????"`);
        line.set(bytes, line.indexOf(0x3f));
        const text = line.subarray(1, -19);
        const check = crc32(text).toString(16).padStart(8, "0");
        write(path, "calls.jsonl", line.subarray(0, -19), true);
        write(path, "calls.jsonl", `,"crc":"${check}"}\n`, true);
      },
    };
  }
  const texts: Readonly<Record<string, (log: string) => string>> = {
    "a byte order mark": (log) => `\ufeff${log}`,
    "carriage returns": (log) => log.replaceAll("\n", "\r\n"),
    "no line feeds": (log) => log.replaceAll("\n", " "),
    "blank lines": (log) => log.replaceAll("\n", "\n".repeat(1000)),
    "all lines a thousand times": (log) => log.repeat(200),
    "evictions of what is no key": (log) => `${log}\n{"evict":"x"}\n{"evict":5}\n`,
    "marks of rewrites": (log) => '\n{"moved":true}\n'.repeat(100) + log,
  };
  for (const [name, change] of Object.entries(texts)) {
    yield {
      name: `a log with ${name}`,
      make: (path) =>
        write(path, "calls.jsonl", change(Deno.readTextFileSync(`${path}/calls.jsonl`))),
    };
  }
}
