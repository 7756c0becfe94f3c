// Comlink, in a module of its own so that the entry of a worker can load it when it is needed.
export {
  type Endpoint,
  expose,
  releaseProxy,
  type Remote,
  wrap,
} from "comlink/dist/esm/comlink.mjs";
