"""The benchmark of generation: what runs, and what is made of its times."""

import functools
import json
import sys

import keras
import numpy as np
import pytest
import small_models
from scripts import ROOT
from scripts import load_script

PROMPT, NEW = 3, 4


@functools.cache
def benchmark():
    return load_script("benchmarks/generation.py")


@functools.cache
def bound():
    return load_script("benchmarks/generation_bound.py")


@functools.cache
def ours(batch=2):
    """A small model that generates."""
    task = small_models.build_task(preprocessor=None)
    small_models.sharpen(task)
    task.compile(**small_models.QUICKLY)
    return benchmark().Ours(task, batch, snippets=2, prompt=PROMPT, new=NEW)


def small_sizes():
    return benchmark().decoder_sizes(
        small_models.BACKBONE, snippets=2, prompt=PROMPT, new=NEW
    )


def test_tokens_are_the_same_with_a_cache_without_and_of_text_alone():
    tokens = ours().generate()
    assert tokens.shape == (2, PROMPT + NEW)
    given = keras.ops.convert_to_numpy(ours().texts["token_ids"])
    np.testing.assert_array_equal(tokens[:, :PROMPT], given[:, :PROMPT])
    # Texts that go their own ways, or no cache could be wrong.
    assert len(set(tokens[:, PROMPT:].ravel().tolist())) > 2
    np.testing.assert_array_equal(ours().without_cache(), tokens)
    np.testing.assert_array_equal(ours().text(), tokens)


def test_parts_are_measured_beside_the_whole():
    parts = ["generate", "text", "encode", "read_prompt"]
    if keras.backend.backend() == benchmark().BOUND_BACKEND:
        parts.append("products")
    functions = {name: getattr(ours(), name) for name in parts}
    seconds = load_script("benchmarks/measuring.py").medians_in_turns(
        functions, rounds=1
    )
    assert min(seconds.values()) > 0


def test_keras_hub_reads_a_memory_before_the_prompt():
    model = benchmark().build_gpt2(small_sizes())
    tokens = benchmark().KerasHub(model, 2, small_sizes()).generate()
    assert tokens.shape == (2, 5 + PROMPT + NEW)


@pytest.mark.any_backend
def test_decoders_of_one_size_are_compared():
    assert small_sizes() == {
        "dim": 16,
        "heads": 2,
        "layers": 1,
        "mlp_dim": 64,
        "vocabulary": 258,
        # Two snippets of two joint tokens, and the null token.
        "memory": 5,
        "positions": 256,
        "prompt": 3,
        "new": 4,
    }


@pytest.mark.any_backend
def test_operations_of_a_token_are_those_of_its_products():
    # Six of 16x16, MLP of 16x64 and back; two heads of 8 attend to 7 and to 5.
    layer = 6 * 16 * 16 + 2 * 16 * 64 + 2 * 2 * 8 * 7 + 2 * 2 * 8 * 5
    flops = 3 * 2 * (layer + 16 * 258)
    assert bound().flops_of_a_token(small_sizes(), batch=3) == flops
    two_layers = {**small_sizes(), "layers": 2}
    assert bound().flops_of_a_token(two_layers, batch=3) == flops + 6 * layer


@pytest.mark.any_backend
def test_a_compiler_leaves_no_product_out():
    sizes = {**small_sizes(), "dim": 32, "mlp_dim": 128, "layers": 2}
    arguments = bound().random_products(sizes, batch=2)
    program = load_script("benchmarks/measuring.py").Program(
        functools.partial(bound().decode_products, steps=3), *arguments
    )
    # A loop counts once; what is no product is little beside them.
    counted = program.flops / bound().flops_of_a_token(sizes, batch=2)
    assert 1 <= counted < 1.1
    assert np.isfinite(program(*arguments)).all()


def seconds():
    """Of a batch of two, of which each generates 64 tokens."""
    of = {}
    for backend, whole in (("jax", 1.0), ("tensorflow", 2.0), ("torch", 4.0)):
        of["keras_mirasol", backend, "generate"] = whole
        of["keras_mirasol", backend, "text"] = whole / 2
        of["keras_hub", backend, "generate"] = whole / 4
    of["transformers", "torch", "generate"] = 2.0
    of["transformers", "torch", "text"] = 0.5
    # Text of PyTorch is fast, that the best may differ.
    of["keras_mirasol", "torch", "text"] = 0.25
    for part in ("encode", "read_prompt", "products"):
        of["keras_mirasol", "jax", part] = {"encode": 0.4}.get(part, 0.2)
    return of


@pytest.mark.any_backend
def test_ratios_are_of_the_same_backend_and_of_transformers():
    rows = benchmark().generation_rows(seconds(), batch=2, new=64)
    assert len(rows) == 7
    rows = {
        (row["library"], row["backend"]): row
        for row in benchmark().with_ratios(rows)
    }
    assert rows["keras_hub", "torch"] == {
        "library": "keras_hub",
        "backend": "torch",
        "batch": 2,
        "whole": 128.0,
        "text": None,
    }
    assert rows["keras_mirasol", "jax"] == {
        "library": "keras_mirasol",
        "backend": "jax",
        "batch": 2,
        "whole": 128.0,
        "text": 256.0,
        "whole_to_keras_hub": 0.25,
        "text_to_keras_hub": 0.5,
        "whole_to_transformers": 2.0,
        "text_to_transformers": 1.0,
        "best": ["whole"],
    }
    assert rows["keras_mirasol", "torch"]["text_to_transformers"] == 2.0
    assert rows["keras_mirasol", "torch"]["best"] == ["text"]
    assert rows["keras_mirasol", "tensorflow"]["best"] == []


@pytest.mark.any_backend
def test_utilisation_is_what_the_parts_take_over_the_whole():
    row = benchmark().bound_row(seconds(), batch=2, flops=3e9)
    assert row["gflops_a_token"] == 3
    # 0.4 + 0.2 + 0.2 of one second; for text 0.2 + 0.2 of a half.
    assert row["utilisation"] == 0.8
    assert row["text_utilisation"] == 0.8


@pytest.mark.any_backend
def test_the_gain_of_a_cache_is_of_those_that_ran_beside_it():
    (row,) = benchmark().cache_rows(
        {
            ("transformers", "torch", "generate"): 2.0,
            ("transformers", "torch", "without_cache"): 5.0,
        },
        batch=2,
        new=50,
    )
    assert (row["with_cache"], row["without_cache"]) == (50, 20)
    assert row["gain"] == 2.5


@pytest.mark.any_backend
def test_a_python_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="python -m venv build/transformers"):
        benchmark().check_python(tmp_path / "python")
    benchmark().check_python(sys.executable)


@pytest.mark.any_backend
def test_a_worker_answers_until_it_is_closed(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(
        f"import sys; sys.path.append({str(ROOT / 'benchmarks')!r})\n"
        "from workers import serve\n"
        "def answer(word, times):\n"
        "    print('no answer')\n"
        "    return times * word\n"
        "serve(answer)\n"
    )
    worker = load_script("benchmarks/workers.py").Worker
    with worker([sys.executable, script]) as repeating:
        assert repeating.ask("ab", 2) == "abab"
        assert repeating.ask([1], 3) == [1, 1, 1]
        with pytest.raises(RuntimeError, match=r"ended .* \['ab', None\]"):
            repeating.ask("ab", None)


@pytest.mark.any_backend
def test_recorded_ratios_are_what_the_rows_give():
    path = ROOT / "benchmarks" / "results" / "generation.json"
    if not path.exists():
        pytest.skip("it was not measured yet")
    report = json.loads(path.read_text())
    assert benchmark().with_ratios(report["rows"]) == report["rows"]
    for row in report["cache"]:
        assert benchmark().with_gain(row) == row
    for row in report["bound"]:
        assert benchmark().with_utilisation(row) == row
    assert report["decoder"] == benchmark().decoder_sizes(**report["model"])
