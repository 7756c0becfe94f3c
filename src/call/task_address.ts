/** How a worker finds a task: import the module, then ask for the name. */
export interface TaskAddress {
  /** The URL of the module. */
  readonly module: string;
  /** The task's name in its module. */
  readonly name: string;
}

/** Where a task is defined: `import.meta`, or the URL of the module. */
export type TaskOrigin = ImportMeta | URL | string;
