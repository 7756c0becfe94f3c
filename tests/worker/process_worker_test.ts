// contract: the process worker passes the list of all workers, and contains what ends a process
import { openProcessWorker } from "../../src/worker/process_worker.ts";
import { testWorkerContract } from "./contract.ts";

const ENTRY = testdata("process_entry.ts");

function testdata(name: string): URL {
  return new URL(`./testdata/${name}`, import.meta.url);
}

testWorkerContract("process", (name) => openProcessWorker(ENTRY, { name }));
