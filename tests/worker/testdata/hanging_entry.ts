/** Never ends, and never says that it listens. */
setInterval(() => {}, 60_000);
