/**
 * The only file that knows h5wasm.
 *
 * @module
 */
export { dtype_to_metadata, FS, Module, ready } from "h5wasm";
export type { Dtype, Metadata } from "h5wasm";
