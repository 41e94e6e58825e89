import numpy as np
import pytest
import small_models
import tensorflow as tf
from media_files import solid
from media_files import tone
from media_files import write_media

from keras_mirasol.data import ClipAugmentation
from keras_mirasol.data import clip_dataset
from keras_mirasol.data import records_dataset
from keras_mirasol.data import write_manifest
from keras_mirasol.data import write_records

pytestmark = pytest.mark.any_backend

# How many lines each clip has. Clip `i` lasts (2 + i) / 4 seconds; the fourth
# has no audio and the fifth no video.
_LINES = [1, 3, 2, 1, 2, 4]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    lines = []
    for index, count in enumerate(_LINES):
        seconds = (2 + index) / 4
        frames = [solid(30 * index + k, (36, 48)) for k in range(2 + 2 * index)]
        sound = {"audio": tone(440, seconds, 16000), "sampling_rate": 16000}
        media = write_media(
            folder / f"{index}.mp4",
            frames=[] if index == 4 else frames,
            frame_rate=8,
            **({} if index == 3 else sound),
        )
        lines += [
            {"media": media, "prompt": f"{index} {word}", "response": word}
            for word in "abcd"[:count]
        ]
    return write_manifest(folder / "manifest.jsonl", lines)


@pytest.fixture(scope="module")
def preprocessor():
    return small_models.build_preprocessor()


@pytest.fixture(scope="module")
def records(manifest, preprocessor, tmp_path_factory):
    """Two clips to a shard, with pictures that lose nothing."""
    folder = tmp_path_factory.mktemp("records")
    write_records(
        manifest, folder, preprocessor, clips_per_shard=2, image_format="png"
    )
    return folder


def prompts(dataset):
    rows = [np.ravel(batch["prompts"].numpy()).tolist() for batch in dataset]
    return [text.decode() for row in rows for text in row if text]


def assert_equal(dataset, expected):
    assert dataset.element_spec == expected.element_spec
    assert dataset.cardinality() == expected.cardinality()
    for ours, theirs in zip(dataset, expected, strict=True):
        for one, other in zip(
            tf.nest.flatten(ours, expand_composites=True),
            tf.nest.flatten(theirs, expand_composites=True),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"texts_per_clip": 2},
        {"drop_remainder": True},
        {"augment": ClipAugmentation(scale=0.0), "seed": 1},
        {"modality_dropout": 0.5, "seed": 1},
        {"cache": True},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
def test_batches_are_those_of_the_media(
    manifest, records, preprocessor, options
):
    options = {"batch_size": 4, **options}
    assert_equal(
        records_dataset(records, preprocessor, **options),
        clip_dataset(manifest, preprocessor, **options),
    )


def test_raw_clips_are_those_of_the_media(manifest, tmp_path):
    write_records(manifest, tmp_path, image_format="png")
    dataset = records_dataset(tmp_path, batch_size=3)
    assert_equal(dataset, clip_dataset(manifest, batch_size=3))


def test_jpeg_differs_by_little(manifest, preprocessor, tmp_path):
    write_records(manifest, tmp_path, preprocessor)
    ((ours, *_),) = records_dataset(tmp_path, preprocessor, batch_size=13)
    ((theirs, *_),) = clip_dataset(manifest, preprocessor, batch_size=13)
    # A grey level is 1 / 127.5.
    np.testing.assert_allclose(
        ours["pixel_values"], theirs["pixel_values"], atol=2.1 / 127.5
    )
    np.testing.assert_array_equal(
        ours["audio_features"], theirs["audio_features"]
    )


def test_shuffled_passes_have_each_line_once(records):
    dataset = records_dataset(records, batch_size=3, shuffle=True, seed=0)
    in_order = prompts(records_dataset(records, batch_size=3))
    passes = [prompts(dataset) for _ in range(4)]
    assert all(sorted(one) == sorted(in_order) for one in passes)
    assert len({tuple(one) for one in [in_order, *passes]}) == 5
    again = records_dataset(records, batch_size=3, shuffle=True, seed=0)
    assert [prompts(again) for _ in range(4)] == passes
    # Clips of different shards become neighbours.
    clips = {tuple(prompt[0] for prompt in one[:2]) for one in passes}
    assert any(int(a) // 2 != int(b) // 2 for a, b in clips)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_parts_together_have_each_line_once(records, count):
    whole = prompts(records_dataset(records, batch_size=2))
    parts = [
        records_dataset(records, batch_size=2, shard=(index, count))
        for index in range(count)
    ]
    assert sum(map(prompts, parts), []) == whole
    for index, part in enumerate(parts):
        lines = _LINES[6 * index // count : 6 * (index + 1) // count]
        assert part.cardinality() == -(-sum(lines) // 2)


def test_parts_are_those_of_the_media(manifest, records, preprocessor):
    options = {"batch_size": 4, "shard": (1, 4)}
    assert_equal(
        records_dataset(records, preprocessor, **options),
        clip_dataset(manifest, preprocessor, **options),
    )


def test_only_the_shards_of_a_part_are_read(records):
    dataset = records_dataset(records, batch_size=13, shard=(1, 3))
    paths = sorted(records.glob("*.tfrecord"))
    contents = paths[0].read_bytes()
    try:
        paths[0].write_bytes(bytes(len(contents)))
        assert [prompt[0] for prompt in prompts(dataset)] == list("223")
    finally:
        paths[0].write_bytes(contents)


def operations(make_dataset):
    """The types of all operations of a pipeline."""
    graph = tf.function(
        lambda: make_dataset().reduce(0, lambda n, _: n + 1), autograph=False
    )
    definition = graph.get_concrete_function().graph.as_graph_def()
    found = {node.op for node in definition.node}
    for function in definition.library.function:
        found |= {node.op for node in function.node_def}
    return found


def test_the_pipeline_calls_no_python(records, manifest, preprocessor):
    options = {
        "batch_size": 4,
        "shuffle": True,
        "augment": True,
        "modality_dropout": 0.2,
    }
    ours = operations(lambda: records_dataset(records, preprocessor, **options))
    assert "DecodeJpeg" in ours
    assert not any("PyFunc" in name for name in ours)
    media = operations(lambda: clip_dataset(manifest, batch_size=4))
    assert any("PyFunc" in name for name in media)


def test_the_report_is_that_of_the_conversion(manifest, tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no media")
    lines = [
        {"media": str(bad), "prompt": "bad", "response": "x"},
        {
            "media": str(manifest.parent / "0.mp4"),
            "prompt": "good",
            "response": "y",
        },
    ]
    with pytest.warns(UserWarning):
        summary = write_records(lines, tmp_path / "records", on_error="skip")
    dataset = records_dataset(tmp_path / "records", batch_size=2)
    assert prompts(dataset) == ["good"]
    assert dataset.report() == summary.report
    assert [clip.media for clip in summary.report.dropped] == [(str(bad),)]


class TestErrors:
    def test_no_records(self, tmp_path):
        with pytest.raises(ValueError, match="'records.json'.*write_records"):
            records_dataset(tmp_path, batch_size=2)

    def test_missing_and_cut_shards(self, manifest, tmp_path):
        write_records(manifest, tmp_path, clips_per_shard=2)
        first, second, _ = sorted(tmp_path.glob("*.tfrecord"))
        first.unlink()
        second.write_bytes(second.read_bytes()[:-1])
        with pytest.raises(
            ValueError, match="2 of 3 shards .*00000-of-00003.*again"
        ):
            records_dataset(tmp_path, batch_size=2)

    def test_damaged_shards_do_not_pass_for_clips(self, manifest, tmp_path):
        write_records(manifest, tmp_path)
        (path,) = tmp_path.glob("*.tfrecord")
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(tf.errors.DataLossError):
            list(records_dataset(tmp_path, batch_size=2))

    @pytest.mark.parametrize(
        "settings, match",
        [
            ({"frame_rate": 4.0}, "frame_rate=4.0.* wants frame_rate=8.0"),
            ({"sampling_rate": 4000}, "sampling_rate=4000"),
            ({"crop_to_aspect_ratio": True}, "crop_to_aspect_ratio=True"),
        ],
    )
    def test_other_settings_than_the_preprocessor_s(
        self, manifest, preprocessor, tmp_path, settings, match
    ):
        write_records(manifest, tmp_path, preprocessor, **settings)
        with pytest.raises(ValueError, match=match):
            records_dataset(tmp_path, preprocessor, batch_size=2)

    def test_arguments(self, records):
        for options, match in (
            ({"batch_size": 0}, "`batch_size` must be"),
            ({"shard": (3, 3)}, "`shard` must be a pair"),
            ({"shard": (0, 7)}, "6 clips into 7 parts"),
        ):
            with pytest.raises(ValueError, match=match):
                records_dataset(records, **{"batch_size": 2, **options})
