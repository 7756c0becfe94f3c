// The one seam to the progress bar, in a module of its own so that it is loaded when it is first needed.
import progress from "cli-progress";

export const { Presets, SingleBar } = progress;
