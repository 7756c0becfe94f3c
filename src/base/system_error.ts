/** A code of the system's, such as `EMFILE`, and not one of Node's own, such as `ERR_MODULE_NOT_FOUND`. */
const CODE = /^E(?!RR_)[A-Z0-9]+$/;

/**
 * Finds out what the system said no to, which may be another time: there were no more files to open, no
 * more processes, no memory.
 *
 * @param error What was thrown.
 * @returns The code that the error has, or one of its causes; `undefined` if the system has not said no.
 */
export function systemCodeOf(error: unknown): string | undefined {
  for (let each = error; each instanceof Error; each = each.cause) {
    const code: unknown = Reflect.get(each, "code");
    if (typeof code === "string" && CODE.test(code)) return code;
  }
  return undefined;
}
