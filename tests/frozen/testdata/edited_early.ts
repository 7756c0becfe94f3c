// A program whose source is edited while it is being loaded: the module has been read, and waits at its
// top level. Argument: the kind of worker.
import { cacheScope, Executor, openBag, type WorkerType } from "@quiver/quiver";

if (import.meta.main) {
  const [began, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  Object.assign(globalThis, { wait: () => (began.resolve(), gate.promise) });
  const loading = import(`file://${Deno.cwd()}/waiting.ts`);
  await began.promise;
  const path = `${Deno.cwd()}/waiting.ts`;
  Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace("+ 0", "+ 1000"));
  gate.resolve();
  const { add } = await loading;
  const warnings: string[] = [];
  await using bag = await openBag(`${Deno.cwd()}/results.bag`, { fold: "manual" });
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await cacheScope({ cache: bag, onWarning }, async () => {
    await using executor = new Executor({
      maxWorkers: 1,
      workerType: Deno.args[0] as WorkerType,
    });
    const result = await executor.submit(add, 1);
    const known = await add.contains(1);
    console.log(JSON.stringify({ result, known, here: await add(1), warnings }));
  });
}
