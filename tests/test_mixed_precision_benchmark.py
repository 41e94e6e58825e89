"""The benchmark of mixed precision: what it trains, and what it makes of it."""

import functools
import json

import keras
import numpy as np
import pytest
from scripts import ROOT
from scripts import load_script

pytestmark = pytest.mark.any_backend

# Smaller than small: two steps after ten of the encoders, of two clips each, of
# four that there are.
SIZES = (2, 10, 4, 2)


@functools.cache
def benchmark():
    return load_script("benchmarks/mixed_precision.py")


def trained(first, last, held_out):
    """A run of two windows, each of two losses."""
    spread = np.tile([-0.1, 0.1], benchmark().WINDOW // 2)
    return {
        "losses": [*(first + spread), *(last + spread)],
        "held_out": held_out,
    }


@pytest.fixture
def build(tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark(), "BUILD", tmp_path)
    monkeypatch.setattr(benchmark(), "HELD_OUT", 1)
    return tmp_path


@pytest.fixture
def policy():
    """Restores what a run sets for its process."""
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def test_precisions_begin_alike_and_a_disturbed_run_nearly_so(build, policy):
    runs = {
        name: benchmark().run(*settings, *SIZES)
        for name, settings in benchmark().RUNS.items()
    }
    again = benchmark().run("float32", 0.0, *SIZES)
    assert again["losses"] == runs["float32"]["losses"]
    assert again["held_out"] == runs["float32"]["held_out"]
    first = {name: run["losses"][0] for name, run in runs.items()}
    for name in ("mixed_bfloat16", "disturbed"):
        assert first[name] == pytest.approx(first["float32"], rel=0.01)
        assert first[name] != first["float32"]
    # Encoders were trained and clips rendered once.
    assert [path.name for path in build.iterdir()] == ["2_10_4_2.pickle"]


def test_losses_are_compared_by_windows_as_shares_of_the_reference():
    found = benchmark().apart(trained(4.2, 1.9, 2.1), trained(4.0, 2.0, 2.0))
    # 5 % in the first window, 5 % below in the last, by hand.
    assert found == {"largest": 0.05, "mean": 0.05, "held_out": 0.05}
    found = benchmark().apart(trained(4.4, 2.0, 2.0), trained(4.0, 2.0, 2.0))
    assert found == {"largest": 0.1, "mean": 0.05, "held_out": 0.0}
    # What fills no window is left out.
    whole = trained(4.0, 2.0, 2.0)["losses"]
    assert benchmark().windows([*whole, 9.0]).tolist() == pytest.approx([4, 2])


@pytest.mark.parametrize(
    "mixed, follows",
    [
        ((4.0, 2.08, 1.95), True),
        ((4.0, 2.12, 2.0), False),
        ((4.0, 2.0, 1.88), False),
        ((4.0, float("nan"), 2.0), False),
        ((4.0, 2.0, float("nan")), False),
    ],
)
def test_mixed_precision_follows_within_the_tolerance(mixed, follows):
    assert benchmark().TOLERANCE == 0.05
    runs = {
        "float32": trained(4.0, 2.0, 2.0),
        "mixed_bfloat16": trained(*mixed),
        "disturbed": trained(4.0, 2.2, 2.0),
    }
    found = benchmark().row(runs)
    assert found["follows"] is follows
    assert found["disturbed"] == {"largest": 0.1, "mean": 0.05, "held_out": 0.0}
    assert found["loss"]["float32"] == [4.0, 2.0, 2.0]
    _, single, half, disturbed = benchmark().table({"jax": found}).splitlines()
    assert single.split() == ["jax", "float32", "4.000", "2.000", "2.000"]
    assert half.split()[-1] == ("yes" if follows else "no")
    assert disturbed.split()[-3:] == ["10.00%", "5.00%", "0.00%"]


def test_backends_are_reported_once_all_their_runs_are_there():
    run = trained(4.0, 2.0, 2.0)
    runs = {
        "jax": dict.fromkeys(benchmark().RUNS, run),
        "torch": {"float32": run},
    }
    report = benchmark().report({"steps": 40}, runs)
    assert report["rows"].keys() == {"jax"}
    assert report["runs"] == runs and report["settings"] == {"steps": 40}


def test_recorded_rows_are_those_of_the_recorded_runs():
    path = ROOT / "benchmarks/results/mixed_precision.json"
    if not path.exists():
        pytest.skip("it was not measured yet")
    recorded = json.loads(path.read_text())
    made = benchmark().report(recorded["settings"], recorded["runs"])
    assert recorded["rows"] == made["rows"]
    assert recorded["settings"]["tolerance"] == benchmark().TOLERANCE
