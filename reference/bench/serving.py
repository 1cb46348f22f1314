"""What every PyTorch side of `pnpm bench` is: a process driven line by line over stdin and stdout.

After building and running the first step it prints `{"ready": true, "load_s", "first_step_s"}`. Then every line `step` on
stdin runs one step and prints `{"time_s"}`; `quit`, or the end of stdin, prints `{"peak_mb"}` (VmHWM in MB of 10^6 bytes) and ends.
"""

import json
import re
import sys
import time


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
