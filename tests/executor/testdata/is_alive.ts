// Tells whether a process is there, and not only its remains, as a program of its own: Deno reads no
// `/proc` without all permissions. Argument: the id of the process.
const [pid] = Deno.args;
try {
  console.log(!/\) [ZX] /.test(Deno.readTextFileSync(`/proc/${pid}/stat`)));
} catch {
  console.log(false);
}
