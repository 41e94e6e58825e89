"""Processes that measure when they are asked to, so that they can take turns.

Each compiles once and then waits, without use of the processor. Both ends are
here; the standard library is all that they need, so that a worker may run in
another environment than who asks it.
"""

import json
import os
import resource
import subprocess
import sys
import time


def peak_mib():
    """Most MiB that this process has had in memory at once, on Linux.

    Linux counts in what the process that started it had then.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def serve(functions, **told):
    """Has this process time functions whenever it is asked to.

    A line of its input is a function's name and how often to call it; for each
    it prints a line of JSON.

    Args:
        functions: dict of functions without arguments, each of which waits
            for what it computes.
        **told: what whoever asks is told at once.
    """
    print(json.dumps(told), flush=True)
    for line in sys.stdin:
        name, calls = line.split()
        seconds = [_seconds(functions[name]) for _ in range(int(calls))]
        print(json.dumps({"seconds": seconds, "mib": peak_mib()}), flush=True)


def _seconds(function):
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


class Worker:
    """A process that calls `serve()`, seen from the one that asks it.

    A context manager, which ends the process.

    Args:
        *command: strings. What to run.
        **environment: variables of its environment beside those of this one.

    Attributes:
        told: dict. What it says of itself.
    """

    def __init__(self, *command, **environment):
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.told = self._answer()

    def measure(self, name, calls):
        """A dict of the `"seconds"` of calls, and `"mib"` at its peak."""
        self._process.stdin.write(f"{name} {calls}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"`{self._process.args[0]} {self._process.args[1]}` ended too "
                "soon. What it printed above says why."
            )
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()
