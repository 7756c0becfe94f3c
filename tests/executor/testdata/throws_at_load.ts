// A module that no worker can import.
throw new Error("not today");
