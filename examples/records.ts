// Look at what a bag remembers: deno run --allow-read --allow-write examples/records.ts
import { cacheScope, openBag, task, withTags } from "@quiver/quiver";
import { assertEquals } from "@std/assert";

export const area = task(import.meta, function area(shape: { width: number; height: number }) {
  return shape.width * shape.height;
}, { version: "2026-11" });

if (import.meta.main) {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path);
    await cacheScope({ cache: bag, tags: { project: "garden" } }, async () => {
      await area({ width: 3, height: 4 });
      await withTags({ draft: true }, () => area({ height: 5, width: 2 }));
    });
    const found: unknown[] = [];
    for await (const { task, version, args, result, metadata } of bag.records()) {
      const [shape, value] = await Promise.all([
        bag.value(args[0]?.value ?? ""),
        bag.value(result),
      ]);
      console.log(task, version, shape.hit && shape.value, value.hit && value.value, metadata.tags);
      found.push(value.hit && value.value);
    }
    assertEquals(found, [12, 10]);
  }
  await Deno.remove(path, { recursive: true });
}
