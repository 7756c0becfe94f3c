/** A code of the system's, such as `EMFILE`, and not one of Node's own, such as `ERR_MODULE_NOT_FOUND`. */
const CODE = /^E(?!RR_)[A-Z0-9]+$/;
/** How Deno ends what the system said, where there is nothing but a text, as of a module in a worker. */
const TEXT = /\(os error \d+\)/;

/**
 * Finds out whether it was the system that said no, which may be another time: there were no more files
 * to open, no more processes, no memory.
 *
 * @param error What was thrown; its causes are looked at, too.
 * @returns Whether it was.
 */
export function isOfSystem(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    const code: unknown = Reflect.get(each, "code");
    if (typeof code === "string" && CODE.test(code) || TEXT.test(each.message)) return true;
  }
  return false;
}
