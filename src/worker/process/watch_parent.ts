/**
 * A thread of a process worker that hears the parent while the main thread may be busy. The parent
 * holds the other end of the standard input: a word there names a call that is to end, which code that
 * never awaits looks up in shared memory; and its end is the parent's, even if the parent had no time
 * for a word.
 *
 * @module
 */

/** Marks the first byte of a word (`toAbortWord()`); the others have 7 bits, too. */
const FIRST = 0x80;
/** How many bytes a word has. */
const LENGTH = 5;

function watch(memory: SharedArrayBuffer): void {
  const words = new Int32Array(memory);
  const byte = new Uint8Array(1);
  let word = 0;
  let length = LENGTH;
  while (Deno.stdin.readSync(byte) !== null) {
    const [bits = 0] = byte;
    if (bits >= FIRST) word = length = 0;
    word |= (bits & (FIRST - 1)) << (7 * length);
    if (++length === LENGTH) Atomics.store(words, 0, word);
  }
  Deno.kill(Deno.pid, "SIGKILL");
}

// The type library of the main isolate does not say what events a worker has.
addEventListener("message", (event) => watch((event as MessageEvent<SharedArrayBuffer>).data), {
  once: true,
});
