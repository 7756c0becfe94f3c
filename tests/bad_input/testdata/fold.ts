// Puts values of its own into a bag, folds it, and prints what that did.
import { openBag } from "@quiver/quiver";

const [path = "", name = ""] = Deno.args;
await using bag = await openBag(path, { fold: "manual" });
for (let index = 0; index < 100; index++) await bag.putValue([name, index]);
console.log(JSON.stringify(await bag.fold() ?? null));
