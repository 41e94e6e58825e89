"""Predictions in a file that a run which is killed goes on with."""

import json
import os
from pathlib import Path


class Predictions:
    """A file of predictions, one a line, that grows batch by batch.

    Its first line says which run they are of. What was cut off while it was
    written, by a kill or a full disk, is taken away when the file is opened
    again, so that each prediction is there once and as a whole.

    Args:
        path: str or path. Made with its folder if there is none.
        run: dict, that JSON can hold. What the predictions hang on.

    Raises:
        ValueError: if there is a file of another run.
    """

    def __init__(self, path, run):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.by_id = {}
        # As it comes back of a file.
        run = json.loads(json.dumps(run))
        if self.path.exists():
            self._read(run)
        if not self.path.exists():
            self._write([{"run": run}])

    def _read(self, run):
        with self.path.open("rb+") as file:
            whole = file.read()
            whole = whole[: whole.rfind(b"\n") + 1]
            file.truncate(len(whole))
        lines = [json.loads(line) for line in whole.splitlines()]
        if not lines:
            self.path.unlink()
            return
        self._check(lines[0]["run"], run)
        self.by_id = {line["id"]: line for line in lines[1:]}

    def _check(self, there, run):
        differing = {
            key: (there.get(key), run.get(key))
            for key in {**there, **run}
            if there.get(key) != run.get(key)
        }
        if differing:
            told = ", ".join(
                f"{key} was {old!r} and is {new!r}"
                for key, (old, new) in differing.items()
            )
            raise ValueError(
                f"{self.path} has predictions of another run: {told}. Give "
                "another folder, or delete the file."
            )

    def append(self, predictions):
        """Adds predictions, dicts with an `"id"`; they are on disk then."""
        self._write(predictions)
        self.by_id |= {line["id"]: line for line in predictions}

    def _write(self, lines):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        with self.path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
