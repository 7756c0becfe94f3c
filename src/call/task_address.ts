/** How a worker finds a task: import the module, then ask for the name. */
export interface TaskAddress {
  /** The URL of the module. */
  readonly module: string;
  /** The task's name in its module. */
  readonly name: string;
}

/** Where a task is defined: `import.meta`, or the URL of the module. */
export type TaskOrigin = ImportMeta | URL | string;

/**
 * Makes the address of a task.
 *
 * @param origin `import.meta` of the module that defines the task, or that module's URL.
 * @param name The task's name.
 * @returns The address.
 * @throws {TypeError} When the name is empty or the origin is not a URL.
 */
export function toAddress(origin: TaskOrigin, name: string): TaskAddress {
  if (name === "") {
    throw new TypeError(
      "Cannot define a task: the function has no name; name it, or pass the option `name`",
    );
  }
  const url = origin instanceof URL || typeof origin === "string" ? String(origin) : origin.url;
  if (!URL.canParse(url)) {
    throw new TypeError(
      `Cannot define task "${name}": ${JSON.stringify(url)} is not a URL; pass \`import.meta\``,
    );
  }
  return { module: url, name };
}
