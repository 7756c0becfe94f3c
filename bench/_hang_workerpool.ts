// A function of workerpool's that says that it has begun and never ends.
import workerpool from "workerpool";

workerpool.worker({
  hang: () => {
    workerpool.workerEmit("begun");
    // What it says is written in another turn.
    setTimeout(() => {
      for (;;);
    }, 1);
    return new Promise(() => {});
  },
});
