// Stands for the program of one process: `MODE ROAD FIXTURES OPS`. The op "crash" ends it as native code would.
const [mode, road, , ops] = process.argv.slice(2);
if (mode === "absent") console.log(JSON.stringify({ absent: "no card" }));
else {
  for (const op of JSON.parse(ops)) {
    if (op === "crash") process.kill(process.pid, "SIGSEGV");
    else if (op === "infinite") {
      console.log(
        JSON.stringify({ op, road, forward_error: Number.POSITIVE_INFINITY, gradient_error: null, ok: false }),
      );
    } else console.log(JSON.stringify({ op, road, forward_error: 1e-7, gradient_error: 2e-7, ok: true }));
  }
}
