"""Rewrites every fixture. The suites of the MoSA repository need its checkout and are left as they are without one."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITES = [
    *["ops", "processors"],
    *["vit", "swin", "clip", "ast", "bert", "roberta", "t5", "bart"],
    *["tokenizers", "generation"],
    *["lora", "peft", "peft_text", "prompts", "targets"],
]
FROM_CHECKOUT = ["bottleneck", "mosa"]

if __name__ == "__main__":
    suites = list(SUITES)
    if os.environ.get("MOSA_REPO"):
        suites += FROM_CHECKOUT
    else:
        print(f"make_all: MOSA_REPO is not set, {' and '.join(FROM_CHECKOUT)} are left as they are (reference/README.md)")
    for suite in suites:
        print(f"make_all: {suite}", flush=True)
        subprocess.run([sys.executable, HERE / f"make_{suite}.py"], check=True)
