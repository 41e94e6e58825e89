"""The benchmark beside mirasol-pytorch: its turns, its ratios, our worker."""

import functools
import json
import sys

import keras
import pytest
from scripts import ROOT
from scripts import load_script
from small_models import QUICKLY

# A few units wide: it is compiled.
SIZES = dict(
    dim=8,
    heads=1,
    encoder_layers=1,
    combiner_layers=1,
    joint_tokens=1,
    latent_layers=1,
    text_layers=1,
    snippets=2,
    frames=1,
    image=8,
    image_patch=8,
    audio_frames=2,
    audio_patch=2,
    mels=4,
    audio_patch_mels=4,
    vocabulary=16,
    text=6,
    prompt=2,
    answer=2,
)


@functools.cache
def benchmark():
    return load_script("benchmarks/peer.py")


def row(contender, train, forward, generate, peak_mib):
    rounds = {
        "train": train,
        "forward": forward,
        # Half of the forward pass, all over.
        "logits": [seconds / 2 for seconds in forward],
        "generate": generate,
    }
    return {
        "contender": contender,
        "rounds": rounds,
        "peak_mib": peak_mib,
        "imported_mib": 100,
        "parameters": 69_440_000,
        "first_train": 21.25,
    }


ROWS = [
    # A processor that was half as fast in the second round.
    row("readme", [3.0, 6.0], [1.0, 2.0], [4.0, 8.0], 2000),
    row("equal", [2.0, 4.0], [0.5, 1.0], [4.0, 8.0], 1000),
    row("jax", [1.0, 2.0], [0.25, 0.5], [0.5, 1.0], 1500),
    row("tensorflow", [2.0, 4.0], [0.5, 1.0], [1.0, 2.0], 3000),
    # Disturbed in the first round alone.
    row("torch", [4.0, 4.0], [2.0, 1.0], [4.0, 4.0], 500),
]


@pytest.mark.any_backend
def test_ratios_are_of_what_ran_in_the_same_round():
    ratios = {
        (of.pop("backend"), of.pop("peer")): list(of.values())
        for of in benchmark().ratios(ROWS)
    }
    assert ratios == {
        ("jax", "readme"): [3.0, 4.0, 4.0, 8.0, 0.75],
        ("jax", "equal"): [2.0, 2.0, 2.0, 8.0, 1.5],
        ("tensorflow", "readme"): [1.5, 2.0, 2.0, 4.0, 1.5],
        ("tensorflow", "equal"): [1.0, 1.0, 1.0, 4.0, 3.0],
        # Between 0.75 and 1.5, 0.5 and 2, 1 and 2.
        ("torch", "readme"): [1.12, 1.25, 1.25, 1.5, 0.25],
        ("torch", "equal"): [0.75, 0.62, 0.62, 1.5, 0.5],
    }


@pytest.mark.any_backend
def test_tables_tell_medians_and_ratios():
    _, _, readme, *_ = benchmark().seconds_table(ROWS).splitlines()
    assert readme == (
        "| readme | 69.4M | 4.500 | 1.500 | 0.750 | 6.000 | 21.2 | 2000 | 100 |"
    )
    ratios = benchmark().ratios(ROWS)
    _, _, first, *_ = benchmark().ratio_table(ratios).splitlines()
    assert first == "| jax | readme | 3.00 | 4.00 | 4.00 | 8.00 | 0.75 |"


class Told:
    """A worker that is slow at first, whose memory grows with every call."""

    def __init__(self, name, asked):
        self.name, self.asked = name, asked

    def ask(self, operation, calls=None):
        if operation == "about":
            return {"parameters": 1, "imported_mib": 10.4}
        self.asked.append((operation, self.name, calls))
        own = [of for of in self.asked if of[1] == self.name]
        first = own.count((operation, self.name, calls)) == 1 == calls
        # One call of a turn was disturbed.
        seconds = [9.0] if first else [0.5] * (calls - 1) + [7.0]
        return {"seconds": seconds, "peak_mib": float(len(own))}


@pytest.mark.any_backend
def test_contenders_take_turns_and_memory_is_that_of_training():
    asked = []
    workers = {name: Told(name, asked) for name in ("a", "b")}
    rows = benchmark().measure(workers, rounds=2, calls=3)
    train = [(name, calls) for what, name, calls in asked if what == "train"]
    warm = [("a", 1), ("a", 1), ("b", 1), ("b", 1)]
    assert train == [*warm, *2 * [("a", 3), ("b", 3)]]
    assert [what for what, *_ in asked] == [
        what for what in benchmark().OPERATIONS for _ in train
    ]
    for found in rows:
        assert found["first_train"] == 9.0
        assert found["rounds"] == {
            what: [0.5, 0.5] for what in benchmark().OPERATIONS
        }
        # After two calls that do not count and two turns.
        assert (found["peak_mib"], found["imported_mib"]) == (4, 10)


@pytest.mark.any_backend
def test_without_the_peers_environment_it_is_said_how_to_make_it(
    monkeypatch, capsys, tmp_path
):
    missing = str(tmp_path / "python")
    arguments = ["peer.py", "--quick", "--peer-python", missing]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit):
        benchmark().main()
    error = " ".join(capsys.readouterr().err.split())
    assert missing in error
    assert "pip install mirasol-pytorch==0.0.16" in error


def test_our_model_does_what_is_timed():
    task = benchmark().build_task(SIZES, **QUICKLY)
    operations = benchmark().operations(task, SIZES)
    assert tuple(operations) == benchmark().OPERATIONS
    logits = operations["logits"]()
    assert logits.shape == (1, SIZES["text"], SIZES["vocabulary"] + 1)
    token_ids = operations["generate"]()
    assert token_ids.shape == (1, SIZES["prompt"] + SIZES["answer"])
    # The others would take long to compile a training step.
    if keras.backend.backend() == "torch":
        operations["train"]()
        assert int(task.optimizer.iterations) == 1


@pytest.mark.any_backend
def test_recorded_ratios_are_those_of_recorded_rows():
    path = ROOT / "benchmarks/results/peer.json"
    if not path.exists():
        pytest.skip("it was not measured yet")
    report = json.loads(path.read_text())
    assert report["ratios"] == benchmark().ratios(report["rows"])
    for found in report["rows"]:
        assert found["seconds"] == benchmark().medians(found)
