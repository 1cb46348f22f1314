// `npm start`: the main job, from a fresh clone with Node and npm alone. `npm start -- --data DIR` passes arguments on.
process.argv.splice(2, 0, "@peft/examples", "cli.js", "mosa");
await import("./run.mjs");
