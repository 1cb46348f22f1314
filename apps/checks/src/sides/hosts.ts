// Our side of `pnpm bench hosts`: `HOST-forward`, `HOST-step` or `t5-generate-BEAMS`.
import { serveForward, serveGeneration, serveStep } from "../engineSteps/hosts.js";

const [host, what, beams] = process.argv[2]!.split("-") as [string, "forward" | "step" | "generate", string?];
if (what === "forward") await serveForward(host);
else if (what === "step") await serveStep(host);
else await serveGeneration(Number(beams));
