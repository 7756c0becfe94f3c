// Does one kind of work with a bag for ever, and prints what it is told is safe; it is there to be
// killed. Arguments: the mode, the bag, the name of this writer.
import { InlineBags } from "../_inline_bags.ts";
import { MODES } from "./crash_modes.ts";

const [mode = "", path = "", name = ""] = Deno.args;
const encoder = new TextEncoder();
const work = MODES[mode];
if (work === undefined) throw new TypeError(`Cannot work: "${mode}" is no mode`);
await work({
  path,
  name,
  bags: new InlineBags(),
  tell: (what, n) => void Deno.stdout.writeSync(encoder.encode(`${what} ${n}\n`)),
});
