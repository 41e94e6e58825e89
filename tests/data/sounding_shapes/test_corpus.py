import json
from collections import Counter

import av
import numpy as np
import pytest

from keras_mirasol.data import clip_dataset
from keras_mirasol.data import load_clip
from keras_mirasol.data import sounding_shapes
from keras_mirasol.data.sounding_shapes import corpus


def read(manifest):
    return [json.loads(line) for line in manifest.read_text().splitlines()]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A corpus of three clips."""
    folder = tmp_path_factory.mktemp("corpus")
    return sounding_shapes.write_corpus(folder, 3, seed=5)


@pytest.fixture
def without_media(monkeypatch):
    """Leaves out rendering and encoding, for tests of the manifest alone."""
    for name in ("render_frames", "render_audio", "write_clip"):
        monkeypatch.setattr(corpus, name, lambda *args, **kwargs: None)


def test_the_manifest_lists_answered_questions_about_each_clip(written):
    assert written == written.parent / "manifest.jsonl"
    lines = read(written)
    assert len(lines) == 3 * 4 * 2
    assert len({line["id"] for line in lines}) == len(lines)
    per_clip = Counter((line["media"], line["kind"]) for line in lines)
    assert per_clip == {
        (f"media/00000{index}.mp4", kind): 2
        for index in range(3)
        for kind in sounding_shapes.KINDS
    }
    for line in lines:
        assert (written.parent / line["media"]).is_file()
        scene = sounding_shapes.Scene(
            tuple(sounding_shapes.Event(*names) for names in line["events"])
        )
        question = {key: line[key] for key in ("prompt", "response", "kind")}
        assert question in sounding_shapes.questions(scene, line["kind"])


@pytest.mark.parametrize("index", range(3))
def test_clips_decode_to_what_was_rendered_in_sync(written, index):
    scene = sounding_shapes.corpus_scene(index, seed=5)
    path = str(written.parent / f"media/{index:06d}.mp4")
    with av.open(path) as container:
        frames = list(container.decode(video=0))
    with av.open(path) as container:
        blocks = list(container.decode(audio=0))

    np.testing.assert_allclose(
        [frame.time for frame in frames], np.arange(32) / 16, atol=1e-3
    )
    pixels = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
    error = pixels.astype("float64") - sounding_shapes.render_frames(scene)
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 30  # PSNR, dB

    truth = sounding_shapes.render_audio(scene).astype("float64")
    audio = np.zeros(34000)
    for block in blocks:
        start = round(block.time * 16000)
        audio[start : start + block.samples] = block.to_ndarray()[0]
    # In each slot the decoded sound follows the rendered one best without
    # any delay: 160 samples are 10 ms.
    for start in range(0, 32000, 8000):
        part = truth[start : start + 8000]
        match = {
            delay: np.dot(part, audio[max(start + delay, 0) :][:8000])
            for delay in range(-160 if start else 0, 161)
        }
        assert max(match, key=match.get) == 0
        assert np.corrcoef(part, audio[start : start + 8000])[0, 1] > 0.9
    # What follows the end is the silent rest of the last AAC block.
    assert np.abs(audio[32000:]).max() < 0.05


def test_the_same_seed_gives_the_same_corpus(written, tmp_path):
    again = sounding_shapes.write_corpus(tmp_path, 2, seed=5)
    # A longer corpus extends a shorter one.
    assert read(again) == read(written)[:16]
    for name in ("000000.mp4", "000001.mp4"):
        first, second = (m.parent / "media" / name for m in (written, again))
        assert first.read_bytes() == second.read_bytes()


def test_clips_stay_the_same_from_release_to_release():
    # Shipped weights were trained on these looks and sounds.
    scene = sounding_shapes.corpus_scene(0, seed=0)
    assert [(e.colour, e.shape, e.sound) for e in scene.events] == [
        ("white", "ring", "noise"),
        ("yellow", "circle", "drum"),
        ("red", "triangle", "bell"),
        ("green", "square", "tone"),
    ]
    frames = sounding_shapes.render_frames(scene)
    np.testing.assert_allclose(
        frames.reshape(4, 8, 64, 64, 3).mean(axis=(1, 2, 3)),
        [
            [68.08, 68.08, 68.08],
            [50.08, 46.23, 18.51],
            [53.21, 18.18, 18.18],
            [19.00, 66.17, 24.70],
        ],
        atol=0.02,
    )
    audio = sounding_shapes.render_audio(scene).reshape(4, 8000)
    np.testing.assert_allclose(
        np.sqrt((audio**2).mean(axis=1)),
        [0.3264, 0.1354, 0.0489, 0.4621],
        atol=2e-4,
    )


@pytest.mark.usefixtures("without_media")
def test_choices_of_questions_stay_the_same_from_release_to_release(tmp_path):
    kinds = (*sounding_shapes.KINDS, *sounding_shapes.EXTRA_KINDS)
    manifest = sounding_shapes.write_corpus(tmp_path, 1, seed=9, kinds=kinds)
    asked = " ".join(line["id"][7:] for line in read(manifest))
    assert asked == (
        "seen-02 seen-05 heard-00 heard-03 fused-04 fused-07 "
        "order-05 order-06 caption-01 caption-03 relay-08 relay-09 "
        "story-00 moment-07 moment-10"
    )


def test_other_seeds_and_clips_give_other_scenes():
    scenes = {
        sounding_shapes.corpus_scene(index, seed=seed)
        for index in range(5)
        for seed in range(5)
    }
    assert len(scenes) == 25


@pytest.mark.usefixtures("without_media")
def test_kinds_and_numbers_of_questions_leave_the_others_alone(tmp_path):
    def lines(**arguments):
        manifest = sounding_shapes.write_corpus(tmp_path, 4, **arguments)
        return {line["id"]: line for line in read(manifest)}

    default = lines()
    fused = lines(kinds=["fused"])
    assert fused.items() < default.items()
    assert {line["kind"] for line in fused.values()} == {"fused"}
    wide = lines(kinds=("relay", *sounding_shapes.KINDS), questions_per_kind=3)
    assert default.items() < wide.items()
    everything = lines(questions_per_kind=None)
    assert len(everything) == 4 * (8 + 4 + 16 + 18)
    assert default.items() < everything.items()


@pytest.mark.usefixtures("without_media")
def test_questions_of_a_kind_are_drawn_uniformly(tmp_path):
    manifest = sounding_shapes.write_corpus(tmp_path, 1500, seed=1)
    asked = Counter(line["id"][7:] for line in read(manifest))
    # The number at the end is the question's place in `questions`.
    for kind, places in (
        ("seen", 8),
        ("heard", 4),
        ("fused", 16),
        ("order", 18),
    ):
        counts = np.array([asked[f"{kind}-{i:02d}"] for i in range(places)])
        expected = 3000 / places
        assert counts.sum() == 3000
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize(
    "style, edges",
    [("day", [0, 0.5, 1, 1.5, 2]), ("night", [0, 0.75, 1.25, 1.75, 2])],
)
def test_moments_are_cut_at_the_edges_of_their_slots(tmp_path, style, edges):
    manifest = sounding_shapes.write_corpus(
        tmp_path,
        1,
        seed=5,
        kinds=["moment"],
        questions_per_kind=None,
        style=style,
    )
    lines = read(manifest)
    assert len(lines) == 16
    scene = sounding_shapes.corpus_scene(0, seed=5, style=style)
    # At 8 frames per second, what is on screen in the middle of each 1/8 s.
    truth = sounding_shapes.render_frames(scene)[1::2].astype("float64")
    whole = load_clip(manifest.parent / lines[0]["media"])
    for slot, line in enumerate(lines[:4]):
        assert [line["start"], line["end"]] == edges[slot : slot + 2]
        assert line["response"].split()[1:3] == line["events"][slot][:2]
        clip = load_clip(
            manifest.parent / line["media"],
            start=line["start"],
            end=line["end"],
        )
        first, last = round(8 * line["start"]), round(8 * line["end"])
        assert clip["videos"].shape == (last - first, 64, 64, 3)
        # Nothing but the coding's losses: no trace of the neighbours.
        error = clip["videos"] - truth[first:last]
        assert np.abs(error).mean(axis=(1, 2, 3)).max() < 4
        assert clip["audio"].shape == (2000 * (last - first),)
        np.testing.assert_array_equal(
            clip["audio"], whole["audio"][2000 * first : 2000 * last]
        )


def test_clip_dataset_makes_a_clip_of_each_moment(tmp_path):
    manifest = sounding_shapes.write_corpus(
        tmp_path, 2, seed=5, kinds=["moment"], questions_per_kind=None
    )
    (batch,) = clip_dataset(manifest, batch_size=16, texts_per_clip=4)
    # 2 clips of 4 slots, each asked four questions.
    videos, audio = batch["videos"], batch["audio"]
    assert videos.shape[0] == 8
    assert videos.row_lengths().numpy().tolist() == 8 * [4]
    assert audio.row_lengths().numpy().tolist() == 8 * [8000]
    assert batch["prompts"].numpy().tolist() == 8 * [
        [
            b"what happens?",
            b"what colour is seen?",
            b"what shape is seen?",
            b"what is heard?",
        ]
    ]
    for clip in range(2):
        scene = sounding_shapes.corpus_scene(clip, seed=5)
        for slot, e in enumerate(scene.events):
            answers = batch["responses"][4 * clip + slot].numpy().tolist()
            told = f"a {e.colour} {e.shape} and a {e.sound}"
            expected = [told, e.colour, e.shape, e.sound]
            assert [answer.decode() for answer in answers] == expected


def test_an_interrupted_corpus_has_no_manifest(
    tmp_path, without_media, monkeypatch
):
    manifest = sounding_shapes.write_corpus(tmp_path, 1)
    assert manifest.is_file()

    def fail(path, *args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(corpus, "write_clip", fail)
    with pytest.raises(OSError, match="disk full"):
        sounding_shapes.write_corpus(tmp_path, 2, seed=1)
    assert not manifest.exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_clips": 0}, "`num_clips` must be an integer of at least 1.*0"),
        ({"num_clips": 2.5}, "`num_clips` must be an integer.*2.5"),
        ({"seed": -1}, "`seed` must be an integer of at least 0.*-1"),
        ({"kinds": []}, "at least one kind"),
        ({"kinds": ["seen", "seen"]}, "each once"),
        ({"kinds": ["fuzed"]}, "seen, heard, fused, order.*'fuzed'"),
        ({"questions_per_kind": 0}, "`questions_per_kind` must be"),
    ],
)
def test_arguments_are_checked_before_anything_is_written(
    tmp_path, arguments, message
):
    folder = tmp_path / "corpus"
    with pytest.raises(ValueError, match=message):
        sounding_shapes.write_corpus(folder, **{"num_clips": 1, **arguments})
    assert not folder.exists()


def test_scenes_of_negative_number_are_refused():
    with pytest.raises(ValueError, match="`index` must be .* at least 0.*-3"):
        sounding_shapes.corpus_scene(-3)
