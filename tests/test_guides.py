"""Every guide runs from top to bottom in its fast setting.

All of them once, where tests run that no backend can change: a guide takes
about a minute, and all backends run the same code. On the others only those
below.
"""

import json
import math
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from scripts import ROOT

GUIDES = {
    path.stem: path
    for path in (ROOT / "guides").glob("*.py")
    if path.stem != "make_notebooks"
}

# Guides that are run on these backends too.
ALSO_ON = {"quickstart": ["jax", "tensorflow"]}

# Guides about what one backend does: they choose it themselves.
OF_BACKEND = {"training_at_scale": "jax"}

# What a guide says that is so in its fast setting too.
CLAIMS = {
    "inside_mirasol": lambda report: (
        report["change_by_noise_below_a_mask"] < 1e-5
        and report["change_before_the_changed_snippet"] < 1e-5
        and report["change_by_silence"] > 0.1
    ),
    "pretrained_parts": lambda report: (
        report["same_guess"] and report["same_answers"]
    ),
    "quickstart": lambda report: report["exact_match"] > 0.95,
    "switching_backends": lambda report: (
        report["same_answers"] and report["moved_apart"] < 1e-4
    ),
    "training_at_scale": lambda report: (
        report["resumed_weights_apart"] == 0
        and all(
            report["losses"][name]["relative_difference"] < 1e-5
            for name in ("model_parallel", "two_processes")
        )
        # Means of means.
        and all(
            report["losses"][name]["relative_difference"] < 1e-2
            for name in ("tensorflow", "pytorch")
        )
        and np.allclose(*report["went_on"].values(), rtol=1e-4)
    ),
}


def marked(name):
    backend = keras.backend.backend()
    here = backend in ALSO_ON.get(name, [])
    return pytest.param(name, marks=[] if here else pytest.mark.any_backend)


def test_guides_that_are_named_exist():
    assert {*ALSO_ON, *OF_BACKEND, *CLAIMS} <= set(GUIDES)
    # Where all of them run is the third, PyTorch.
    assert {"jax", "tensorflow"} <= {b for bs in ALSO_ON.values() for b in bs}


@pytest.mark.parametrize("name", list(map(marked, sorted(GUIDES))))
def test_guide_runs_and_reports(name, tmp_path):
    backend = OF_BACKEND.get(name, keras.backend.backend())
    pytest.importorskip(backend)
    result = subprocess.run(
        [sys.executable, GUIDES[name]],
        cwd=tmp_path,
        env={
            **os.environ,
            "FAST_GUIDES": "1",
            "KERAS_BACKEND": backend,
            "MPLBACKEND": "agg",
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    # It keeps to its own places.
    assert [path.name for path in tmp_path.iterdir()] == ["build"]
    written = {path.name for path in (tmp_path / "build").iterdir()}
    assert written <= {name, f"{name}.json"}
    report = json.loads((tmp_path / "build" / f"{name}.json").read_text())
    assert report["backend"] == backend
    assert report["fast"] is True
    assert all(map(math.isfinite, numbers(report)))
    assert list((tmp_path / "build" / name).rglob("*.png"))
    if name in CLAIMS:
        assert CLAIMS[name](report), report


def numbers(value):
    """All numbers of a report, however deep."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for part in value for number in numbers(part)]
    return [value] if isinstance(value, (int, float)) else []
