"""The benchmark of utilisation: what runs, and what is made of its times."""

import functools

import keras
import numpy as np
import pytest
from scripts import load_script
from small_models import BACKBONE


@functools.cache
def benchmark():
    return load_script("benchmarks/utilisation.py")


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="it is not measured"
)
def test_passes_run_beside_products(monkeypatch):
    # JAX would take long to compile a training step.
    train = keras.backend.backend() == "torch"
    models = {"small": (BACKBONE, 2, 2, 4, train)}
    monkeypatch.setattr(benchmark(), "QUICK_MODELS", models)
    monkeypatch.setattr(benchmark(), "QUICK_PRODUCTS", (8, 16))
    measured = benchmark().measure(rounds=1, quick=True)
    passes = [row["pass"] for row in measured["rows"]]
    assert passes == (["forward", "train"] if train else ["forward"])
    for row in measured["rows"]:
        assert (row["model"], row["clips"], row["snippets"]) == ("small", 2, 2)
        assert row["seconds"] > 0
        assert row["peak"] > 0


@pytest.mark.any_backend
def test_utilisation_is_of_the_peak_beside_it():
    def run(flops, seconds, peak):
        row = dict(model="m", clips=1, snippets=4, text_length=8)
        row.update({"pass": "train", "flops": flops})
        row.update(seconds=seconds, peak=peak)
        return {"dtype": "float32", "device": "CPU", "rows": [row]}

    rows = benchmark().utilisations(
        {
            # A processor that was half as fast the second time.
            "jax": [run(6e9, 1.0, 12e9), run(6e9, 2.0, 6e9)],
            "torch": [run(None, 3.0, 10e9)],
        }
    )
    assert [row["backend"] for row in rows] == ["jax", "torch"]
    np.testing.assert_allclose([row["utilisation"] for row in rows], [0.5, 0.2])
    assert [row["gflops_a_second"] for row in rows] == [4.5, 2.0]


@pytest.mark.any_backend
def test_a_gpu_that_one_backend_alone_finds_is_an_error():
    found = {"device": "CPU", "dtype": "float32", "rows": []}
    with pytest.raises(ValueError, match="must find a GPU, or none"):
        benchmark().utilisations(
            {"jax": [found], "torch": [{**found, "dtype": "bfloat16"}]}
        )
