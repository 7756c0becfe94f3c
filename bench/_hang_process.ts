// A process that says that it is there and never ends.
import process from "node:process";

// Spoken before the loop begins: the channel writes in another turn.
process.send?.("ready", undefined, undefined, () => {
  for (;;);
});
