import json

import numpy as np
import pytest
from PIL import Image
from scripts import load_script

from keras_mirasol.data import load_clip

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def photographs():
    return load_script("benchmarks/sounding_photographs.py")


@pytest.fixture(scope="module")
def stamps(photographs, tmp_path_factory):
    """Six pictures of each kind, each in a shade of its own, and a cartoon."""
    folder = tmp_path_factory.mktemp("stamps")
    for kind, name in enumerate(photographs.FOLDERS.values()):
        (folder / name / "cartoon").mkdir(parents=True)
        for number in range(6):
            shade = (30 * kind, 40 * number, 200, 255)
            path = folder / name / f"{number}.png"
            Image.new("RGBA", (40, 30), shade).save(path)
        Image.new("RGBA", (40, 30)).save(folder / name / "cartoon" / "no.png")
    return folder


def shades(images):
    return {image.getpixel((0, 0)) for image in images}


def test_a_third_of_each_kind_is_held_out_and_cartoons_are_left_out(
    photographs, stamps
):
    learned, held_out = photographs.photographs(stamps)
    assert set(learned) == set(held_out) == set(photographs.FOLDERS)
    for word in learned:
        assert (len(learned[word]), len(held_out[word])) == (4, 2)
        assert not shades(learned[word]) & shades(held_out[word])


def test_each_half_second_is_a_clip_with_three_questions(
    photographs, stamps, tmp_path
):
    learned, _ = photographs.photographs(stamps)
    lines = photographs.write_corpus(tmp_path, learned, 2, seed=0)
    assert len(lines) == 2 * 4 * 3
    spans = [(line["start"], line["end"]) for line in lines[:12:3]]
    assert spans == [(0.0, 0.5), (0.5, 1.0), (1.0, 1.5), (1.5, 2.0)]
    words = [line["response"] for line in lines[:12:3]]
    sounds = [line["response"] for line in lines[1:12:3]]
    assert len(set(words)) == len(set(sounds)) == 4
    assert lines[2]["response"] == f"a {words[0]} and a {sounds[0]}"


def test_what_is_seen_is_of_the_kind_that_is_the_answer(
    photographs, stamps, tmp_path
):
    learned, _ = photographs.photographs(stamps)
    lines = photographs.write_corpus(tmp_path, learned, 1, seed=1)
    kinds = list(photographs.FOLDERS)
    for line in lines[::3]:
        frames = load_clip(line, frame_rate=16)["videos"].astype(int)
        # Paper has one colour; all but it is the picture.
        expected = 30 * kinds.index(line["response"])
        pictured = np.abs(frames - [expected, 0, 200])[..., [0, 2]].max(-1)
        assert np.mean(pictured < 20) > 0.05


def test_more_files_begin_with_the_same_clips(photographs, stamps, tmp_path):
    learned, _ = photographs.photographs(stamps)
    few, more = (
        photographs.write_corpus(tmp_path / str(count), learned, count, seed=0)
        for count in (1, 2)
    )
    for line, same in zip(few, more, strict=False):
        assert {**line, "media": ""} == {**same, "media": ""}


def test_weights_of_all_layers_are_loaded():
    script = load_script("benchmarks/efficientnet_lite0.py")
    backbone = script.efficientnet_lite0(33, load_weights=False)
    before = [np.array(weight) for weight in backbone.get_weights()]
    asked = {}

    class Weights(dict):
        """Weights of any name, of the shape of the layer that asks next."""

        def __missing__(self, name):
            shape = next(shapes)
            rng = np.random.default_rng(len(asked))
            asked[name] = rng.normal(size=shape).astype("float32")
            return Tensor(asked[name])

    class Tensor:
        def __init__(self, value):
            self.value = value

        def numpy(self):
            return self.value

    def theirs(weight):
        """The shape that PyTorch has of a weight."""
        shape = tuple(weight.shape)
        if len(shape) < 4:
            return shape
        height, width, first, second = shape
        if "dwconv" in weight.path:
            return first, second, height, width
        return second, first, height, width

    shapes = iter([theirs(weight) for weight in backbone.weights])
    script._load(backbone, Weights())
    after = backbone.get_weights()
    assert len(asked) == len(after)
    for one, other in zip(before, after, strict=True):
        assert not np.array_equal(one, other)
    assert "_blocks.15._bn2.running_var" in asked


def test_results_become_a_table_of_means(monkeypatch):
    script = load_script("benchmarks/pretrained_parts.py")
    runs = [
        {
            "eyes": "pretrained",
            "clips": 160,
            "steps": 300,
            "seed": seed,
            "exact_match": {"seen": seen, "heard": 1.0, "both": seen},
        }
        for seed, seen in enumerate((0.5, 0.7))
    ]
    last = script.table(json.loads(json.dumps(runs))).splitlines()[-1]
    assert last == "| pretrained | 160 | 300 | 0.60 | 1.00 | 0.60 | 2 |"
