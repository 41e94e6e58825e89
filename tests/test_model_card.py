"""The table of sizes in the README, and the counts it is made of."""

import contextlib
import json
import math
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import pytest
import small_models
from scripts import ROOT
from scripts import load_script

import keras_mirasol
from keras_mirasol.layers import sparse_tubes
from keras_mirasol.models import MirasolBackbone

pytestmark = pytest.mark.any_backend

SCRIPT = ROOT / "benchmarks" / "model_card.py"


@pytest.fixture(scope="module")
def model_card():
    return load_script("benchmarks/model_card.py")


# Runs a script and tells the most memory that it had, where this can be known.
# Not by `getrusage`: on Linux a process inherits there what its parent had.
RUN_AND_TELL_PEAK = """
import os, re, runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
if sys.platform == "linux":
    status = open("/proc/self/status").read()
    print(1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1]))
"""


@pytest.fixture(scope="module")
def counted():
    """What the script counts, and what its process told beside it."""
    result = subprocess.run(
        [sys.executable, "-c", RUN_AND_TELL_PEAK, SCRIPT, "--dry-run"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    report, end = json.JSONDecoder().raw_decode(result.stdout)
    return report, result.stdout[end:]


@pytest.fixture(scope="module")
def report(counted):
    """What the script counts."""
    return counted[0]


def test_readme_and_result_are_what_is_counted(model_card, report):
    result = ROOT / "benchmarks" / "results" / "model_card.json"
    remedy = "run `python benchmarks/model_card.py`"
    assert json.loads(result.read_text()) == report, remedy
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = model_card.table(report)
    assert model_card.with_table(readme, table) == readme, remedy


def test_cards_are_what_was_counted_and_recorded(report):
    cards = load_script("benchmarks/preset_cards.py").cards(report)
    assert set(cards) == set(MirasolBackbone.presets)
    for name, text in cards.items():
        path = ROOT / "keras_mirasol" / "presets" / name / "README.md"
        assert path.read_text(encoding="utf-8") == text, (
            "run `python benchmarks/model_card.py`"
        )


def test_presets_are_described_as_by_keras_hub():
    presets = MirasolBackbone.presets
    for preset in presets.values():
        metadata = preset["metadata"]
        assert metadata["params"] == metadata["parameter_count"]
        assert metadata["path"] == "mirasol"
        card = (Path(preset["path"]) / "README.md").read_text("utf-8")
        assert metadata["description"].startswith("Mirasol of ")
        # Lines of the card are shorter.
        assert metadata["description"] in card.replace("\n", " ")
    described = {p["metadata"]["description"] for p in presets.values()}
    assert len(described) == len(presets)
    text = presets["mirasol_tiny"]["metadata"]["description"]
    assert "1.03 million parameters" in text


def code_of_card(name):
    path = ROOT / "keras_mirasol" / "presets" / name / "README.md"
    text = path.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return code


def test_code_of_the_cards_runs_as_it_stands(tmp_path):
    corpus = keras_mirasol.data.sounding_shapes.write_corpus(tmp_path, 1)
    shutil.copy(corpus.parent / "media" / "000000.mp4", tmp_path / "clip.mp4")
    # Others are as `mirasol_small`, and too large to build here.
    for name in ("mirasol_tiny", "mirasol_small"):
        with contextlib.chdir(tmp_path):
            exec(code_of_card(name), {})
    for name in set(MirasolBackbone.presets) - {"mirasol_tiny"}:
        assert code_of_card(name) == code_of_card("mirasol_small").replace(
            "mirasol_small", name
        )


def test_the_recorded_answers_without_a_modality_are_as_good_as_guesses():
    path = ROOT / "benchmarks" / "results" / "without_modality.json"
    recorded = json.loads(path.read_text())
    shares, best = recorded["by_kind"], recorded["best_possible"]
    assert min(shares["both"].values()) > 0.95
    per_kind = recorded["questions"] / len(shares["both"])
    for without in best:
        for kind, share in shares[without].items():
            # By more than three deviations of a guess only if something
            # gives the answer away.
            guess = best[without][kind]
            deviation = math.sqrt(guess * (1 - guess) / per_kind)
            assert share <= guess + 3 * deviation


def test_a_wheel_has_the_cards(tmp_path):
    # A copy: building leaves files beside what is built.
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(
        ROOT / "keras_mirasol",
        tmp_path / "keras_mirasol",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "from setuptools import build_meta; "
            "print(build_meta.build_wheel('.'))",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in MirasolBackbone.presets:
        assert f"keras_mirasol/presets/{name}/README.md" in names


def test_presets_have_the_sizes_that_are_promised(report):
    counts = {name: p["parameters"] for name, p in report["presets"].items()}
    assert 0.9e6 < counts["mirasol_tiny"] < 1.2e6
    assert 27e6 < counts["mirasol_small"] < 33e6
    assert 230e6 < counts["mirasol_base"] < 270e6
    assert 2.9e9 < counts["mirasol_3b"] < 3.1e9
    whole = report["presets"]["mirasol_3b"]["parameters_with_training_heads"]
    assert counts["mirasol_3b"] < whole < 3.1e9
    for preset in report["presets"].values():
        by_part = preset["parameters_by_part"].values()
        assert sum(by_part) == preset["parameters"]


def test_parameters_of_mirasol_3b_by_hand(report):
    def blocks(count, dim, latent_dim=None):
        norms, attention = 4 * dim, 4 * (dim + 1) * dim
        mlp = (dim + 1) * 4 * dim + (4 * dim + 1) * dim
        if latent_dim:
            norms += 2 * dim
            attention += 2 * (dim + 1) * dim + 2 * (latent_dim + 1) * dim
        return count * (norms + attention + mlp) + 2 * dim

    # Four tubes of RGB voxels at 8 frames per snippet.
    voxels = 3 * (2 * 8 * 8 + 4 * 4 * 4 + 12 * 12 + 16 * 16)
    assert report["presets"]["mirasol_3b"]["parameters_by_part"] == {
        # Biases, norm and the positions' gain beside the kernels.
        "video encoder": voxels * 1280 + 6 * 1280 + 1 + blocks(32, 1280),
        "audio encoder": 16 * 16 * 1024 + 3 * 1024 + 1 + blocks(24, 1024),
        # Projections of both modalities, 32 queries.
        "Combiner": (1280 + 1 + 1024 + 1 + 32) * 1536 + blocks(6, 1536),
        # The norm of what comes in, 32 places, the positions' gain.
        "latent model": (2 + 32) * 1536 + 1 + blocks(12, 1536),
        # Tokens; "nothing".
        "text decoder": 32000 * 2048 + 1536 + blocks(23, 2048, 1536),
    }


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_weights_are_counted_without_being_allocated(counted):
    report, peak = counted[0], int(counted[1])
    weights = 4 * report["presets"]["mirasol_3b"]["parameters"]
    assert peak < weights / 2


def test_the_recorded_forward_pass_is_of_mirasol_3b_and_fits(report):
    path = ROOT / "benchmarks" / "results" / "forward_3b.json"
    recorded = json.loads(path.read_text())
    backbone = report["presets"]["mirasol_3b"]["parameters"]
    # The task's, with heads for training that are a small part of it.
    assert backbone < recorded["parameters"] < 1.03 * backbone
    assert recorded["weight_dtypes"] == ["bfloat16"]
    assert recorded["pixel_values"] == [1, 128, 224, 224, 3]
    assert recorded["outputs"]["logits"]["shape"][-1] == 32000
    assert all(output["all_finite"] for output in recorded["outputs"].values())
    # The weights alone are 5.6 GiB.
    assert 5.6 < recorded["peak_memory_gib"] < recorded["limit_gib"] == 24


def test_tokens_a_snippet(report):
    tokens = {
        name: preset["tokens_per_snippet"]
        for name, preset in report["presets"].items()
    }
    # A stem of three halvings, then tubes of 2 x 2 x 2 in 4 frames.
    assert tokens["mirasol_small"] == {
        "video": 2 * 8 * 8,
        "audio": 4 * 4,
        "joint": 8,
    }
    sparse = {"video": 98 + 98 + 98 + 196, "audio": 5 * 8}
    assert tokens["mirasol_base"] == {**sparse, "joint": 16}
    assert tokens["mirasol_3b"] == {**sparse, "joint": 32}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"image_size": 32, "stem_filters": (6, 10)},
        {"image_size": 32, "frames_per_snippet": 4, "tubes": sparse_tubes(4)},
        {"video_hidden_dim": 24, "audio_hidden_dim": 8, "latent_num_layers": 3},
    ],
    ids=["dense", "stem", "sparse", "widths"],
)
def test_operations_are_those_of_the_traced_matrix_products(
    model_card, changes
):
    if keras.backend.backend() != "jax":
        pytest.skip("JAX shows what a model computes")
    import jax

    backbone = small_models.build_backbone(**changes)
    snippets = 3
    frames, height, width = backbone.frames_per_snippet, *backbone.image_size
    shapes = {
        "pixels": (1, snippets * frames, height, width, 3),
        "audio_frames": (
            1,
            snippets * small_models.AUDIO_FRAMES,
            small_models.MELS,
        ),
    }

    def latents(pixels, audio_frames, mask):
        return backbone.snippet_transformer(
            backbone.combiner(
                backbone.video_encoder(pixels),
                backbone.audio_encoder(audio_frames),
                mask,
                mask,
            )
        )

    jaxpr = jax.make_jaxpr(latents)(
        *(jax.ShapeDtypeStruct(s, "float32") for s in shapes.values()),
        jax.ShapeDtypeStruct((1, snippets), "bool"),
    )
    flops = model_card.clip_flops(backbone, snippets)
    assert sum(flops.values()) == sum(traced_flops(jaxpr.jaxpr))


def traced_flops(jaxpr):
    """Operations of every matrix product in a JAX program."""
    from jax.extend.core import jaxprs_in_params

    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left, out = equation.invars[0].aval, equation.outvars[0].aval
            inner = [left.shape[axis] for axis in contracted]
            yield 2 * out.size * math.prod(inner)
        for inner in jaxprs_in_params(equation.params):
            yield from traced_flops(inner)


def test_numbers_have_three_digits(model_card):
    numbers = [1_013_043, 30_643_267, 999_999, 631_961_601, 3_009_904_131]
    assert [model_card.three_digits(n, "KMB") for n in numbers] == [
        "1.01M",
        "30.6M",
        "1.00M",
        "632M",
        "3.01B",
    ]


def test_a_text_without_markers_is_refused(model_card):
    with pytest.raises(ValueError, match="must have the markers"):
        model_card.with_table("# A README", "| table |\n")


def test_presets_are_those_of_the_backbone(report):
    assert set(report["presets"]) == set(MirasolBackbone.presets)
