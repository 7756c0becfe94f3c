// Comlink where it is not needed at once, in a module of its own so that it is loaded when it is.
export {
  type Endpoint,
  expose,
  releaseProxy,
  type Remote,
  wrap,
} from "comlink/dist/esm/comlink.mjs";
