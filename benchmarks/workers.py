"""Processes that do work when they are asked to, and otherwise wait.

What cannot share a process, backends or libraries of several environments,
takes turns this way, with all that it compiled kept.
"""

import json
import os
import subprocess
import sys

from measuring import peak_resident
from measuring import seconds_of_calls


class Worker:
    """A process that answers, one request at a time.

    Args:
        command: list of strings. A script that calls `serve()`.
        **environment: environment variables of the process.
    """

    def __init__(self, command, **environment):
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, *request):
        """The answer to a request, both of what JSON can tell."""
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RuntimeError(
                f"`{' '.join(self.command)}` ended with code "
                f"{self.process.wait()} when asked for {list(request)}. What "
                "it printed before says why."
            )
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def serve(answer):
    """Answers the requests of a `Worker`, until there are no more.

    Args:
        answer: a function of the values that `Worker.ask()` is given.
    """
    answers = os.fdopen(os.dup(1), "w")
    # Whatever libraries print is no answer.
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(answer(*json.loads(line))), file=answers, flush=True)


def serve_timed(about, operations):
    """Answers what is known of a contender, and how long its operations take.

    Args:
        about: dict, the answer to `"about"`.
        operations: dict of functions, by what a `Worker` is asked for beside
            how often to call them.
    """

    def answer(operation, calls=None):
        if operation == "about":
            return about
        seconds = seconds_of_calls(operations[operation], calls)
        return {"seconds": seconds, "peak_mib": peak_resident()}

    serve(answer)
