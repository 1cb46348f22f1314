"""What every PyTorch side of `pnpm bench` is: a process driven line by line over stdin and stdout.

After building and running the first step it prints `{"ready": true, "load_s", "first_step_s"}`. Then every line `step` on
stdin runs one step and prints `{"time_s"}`; `quit`, or the end of stdin, prints `{"peak_mb"}` (VmHWM in MB of 10^6 bytes) and ends.
"""

import argparse
import json
import random
import re
import sys
import time

import torch


def row_arguments(description: str, rows, reads=lambda row: False) -> argparse.Namespace:
    """The row and its options, with threads and seeds set. `reads` says which rows need the folder of a checkpoint."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=rows)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", help="the folder that rows read which load a model")
    args = parser.parse_args()
    if reads(args.row) and not args.checkpoint:
        parser.error(f"{args.row} needs --checkpoint DIR")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    return args


def serve(make) -> None:
    """`make` builds what is measured: an object with `step()`."""
    start = time.perf_counter()
    work = make()
    load_s = time.perf_counter() - start
    say(ready=True, load_s=load_s, first_step_s=timed(work.step))
    for line in sys.stdin:
        command = line.strip()
        if command == "step":
            say(time_s=timed(work.step))
        elif command == "quit":
            break
        elif command:
            sys.exit(f"unknown command {command!r}: step or quit")
    say(peak_mb=peak_mb())


def timed(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def say(**message) -> None:
    print(json.dumps(message), flush=True)


def peak_mb() -> float:
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) * 1024 / 1e6
