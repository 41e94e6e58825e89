import numpy as np
import pytest
import tensorflow as tf
from media_files import solid
from media_files import write_media
from small_models import build_preprocessor

from keras_mirasol.data import clip_dataset
from keras_mirasol.data import records_dataset
from keras_mirasol.data import write_manifest
from keras_mirasol.data import write_records
from keras_mirasol.data.data_position import without_end

pytestmark = pytest.mark.any_backend

CLIPS, TEXTS = 5, 3
# Two texts a group: 10 groups, so that batches of 3 run on from pass to pass.
SETTINGS = dict(
    batch_size=3,
    texts_per_clip=2,
    shuffle=True,
    seed=7,
    modality_dropout={"video": 0.5},
    num_snippets=4,
    clip_index=True,
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("position")
    lines = [
        {
            "media": write_media(
                folder / f"{clip}.mp4",
                frames=[solid(40 * clip)] * 8,
                frame_rate=8,
            ),
            "prompt": f"{clip} {text}",
            "response": "a",
        }
        for clip in range(CLIPS)
        for text in range(TEXTS)
    ]
    return write_manifest(folder / "manifest.jsonl", lines)


@pytest.fixture(scope="module")
def records(manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    write_records(
        manifest, folder, build_preprocessor(), clips_per_shard=2, verbose=False
    )
    return folder


def batches(dataset, count=None):
    """Clips, texts and masks of batches, to be compared."""
    return [
        [x[key].tolist() for key in ("clip_index", "token_ids", "video_mask")]
        for x, _, _ in dataset.take(count or -1).as_numpy_iterator()
    ]


def makers(manifest, records, **settings):
    settings = {**SETTINGS, **settings}
    preprocessor = build_preprocessor()
    return {
        "files": lambda: clip_dataset(manifest, preprocessor, **settings),
        "cached": lambda: clip_dataset(
            manifest, preprocessor, cache=True, **settings
        ),
        "records": lambda: records_dataset(records, preprocessor, **settings),
    }


@pytest.mark.parametrize(
    "source, epochs", [("files", 1), ("cached", 3), ("records", 2)]
)
def test_an_epoch_of_a_pass_comes_after_those_before(
    source, epochs, manifest, records
):
    make = makers(manifest, records)[source]
    dataset = make()
    passes = [batches(dataset) for _ in range(epochs + 2)]
    assert passes[0] != passes[1]
    resumed, steps = without_end(make(), epochs, None)
    assert steps == len(passes[0]) == 4
    assert batches(resumed, 8) == passes[epochs] + passes[epochs + 1]


@pytest.mark.parametrize(
    "source, steps", [("files", 2), ("cached", 7), ("records", 7)]
)
def test_a_dataset_without_end_goes_on_within_a_pass(
    source, steps, manifest, records
):
    make = makers(manifest, records, repeat=True)[source]
    # 6 and 21 batches of 3: in the second pass of 10, and in the seventh.
    expected = batches(make(), 3 * steps + 8)[3 * steps :]
    resumed, steps_per_epoch = without_end(make(), 3, steps)
    assert steps_per_epoch == steps
    assert batches(resumed, 8) == expected
    # What others did to it is done again, and skipped.
    changed, _ = without_end(make().map(lambda *batch: batch), 3, steps)
    assert batches(changed, 8) == expected


def test_nothing_was_read_before_the_first_epoch():
    dataset = tf.data.Dataset.range(3).repeat()
    assert without_end(dataset, 0, 2) == (dataset, 2)


@pytest.mark.parametrize(
    "change, steps, told",
    [
        (lambda dataset: dataset, 2, "5 batches and steps_per_epoch=2"),
        (lambda dataset: dataset.repeat(), None, "no end and steps_per_"),
        (lambda dataset: dataset.filter(lambda i: i > 1), None, "unknown len"),
    ],
)
def test_a_place_must_be_in_a_known_length_or_in_none(change, steps, told):
    dataset = change(tf.data.Dataset.range(5))
    with pytest.raises(ValueError, match=f"`repeat=True`.* {told}"):
        without_end(dataset, 0, steps)


def test_clips_have_an_index_and_a_name(manifest, records):
    preprocessor = build_preprocessor()
    settings = dict(batch_size=2, clip_index=True)
    dataset = clip_dataset(manifest, preprocessor, **settings, shard=(1, 2))
    index = np.concatenate([x["clip_index"] for x, _, _ in dataset])
    # Three of five clips with three texts each, by their order in this part.
    assert index.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    assert dataset.name_of(0).endswith("2.mp4")
    dataset = records_dataset(records, preprocessor, **settings)
    x, _, _ = next(iter(dataset.skip(2)))
    assert x["clip_index"].dtype == tf.int32
    assert x["clip_index"].numpy().tolist() == [1, 1]
    assert dataset.name_of(1) == "clip 1 of the manifest"


def test_a_clip_has_its_id_for_a_name(manifest):
    line = {"media": "0.mp4", "prompt": "a", "response": "b"}
    folder = manifest.parent
    lines = write_manifest(
        folder / "named.jsonl",
        [{**line, "id": 17}, {**line, "start": 0.5, "end": 1.0}],
    )
    dataset = clip_dataset(lines, build_preprocessor(), batch_size=1)
    assert dataset.name_of(0) == "17"
    assert dataset.name_of(1) == f"{folder / '0.mp4'} (0.5-1.0 s)"


def test_raw_clips_have_no_index(manifest):
    with pytest.raises(ValueError, match="`clip_index` is for clips that are"):
        clip_dataset(manifest, batch_size=2, clip_index=True)
