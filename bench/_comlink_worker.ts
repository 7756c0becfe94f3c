// The peers' functions behind Comlink.
import { expose } from "comlink/dist/esm/comlink.mjs";
import * as functions from "./_peer_functions.ts";

expose(functions);
