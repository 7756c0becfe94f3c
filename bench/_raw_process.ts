// The floor: a process that sends each message back.
import process from "node:process";

process.on("message", (message) => process.send?.(message));
process.send?.("ready");
