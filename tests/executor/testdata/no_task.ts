// A module that defines no task.
export const nothing = 1;
