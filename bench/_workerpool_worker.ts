// The peers' functions behind workerpool.
import workerpool from "workerpool";
import { echo, half, halves, noop } from "./_peer_functions.ts";

workerpool.worker({ noop, echo, half, halves });
