// Comlink on the worker's side, in a module of its own so that it is loaded when it is first needed.
export { type Endpoint, expose } from "comlink/dist/esm/comlink.mjs";
