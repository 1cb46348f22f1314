"""Rewrites every fixture. The suites of a repository need its checkout and are left as they are without one."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITES = [
    *["ops", "processors"],
    *["vit", "swin", "clip", "ast", "bert", "roberta", "t5", "bart"],
    *["tokenizers", "generation"],
    *["lora", "peft", "peft_text", "peft_saved", "prompts", "targets"],
]
FROM_CHECKOUT = {"MOSA_REPO": ["bottleneck", "mosa"], "ADAPTERS_REPO": ["adapterhub"]}

if __name__ == "__main__":
    suites = list(SUITES)
    for variable, more in FROM_CHECKOUT.items():
        if os.environ.get(variable):
            suites += more
        else:
            print(f"make_all: {variable} is not set, left as they are: {', '.join(more)} (reference/README.md)")
    for suite in suites:
        print(f"make_all: {suite}", flush=True)
        subprocess.run([sys.executable, HERE / f"make_{suite}.py"], check=True)
