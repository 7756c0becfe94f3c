// Backs up a bag, and prints what came of it. Arguments: the bag, the directory, how the bag is opened.
import { openBag } from "@quiver/quiver";

const [path = "", directory = "", mode = ""] = Deno.args;
await using bag = await openBag(path, mode === "read" ? { mode } : { fold: "manual" });
try {
  const { calls, linked } = await bag.backup(directory);
  console.log(JSON.stringify({ calls, linked }));
} catch (error) {
  if (!(error instanceof Error)) throw error;
  console.log(JSON.stringify({ name: error.name, message: error.message }));
}
