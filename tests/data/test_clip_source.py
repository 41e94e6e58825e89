import pickle

import numpy as np
import pytest
import small_models
from media_files import solid
from media_files import tone
from media_files import write_media

from keras_mirasol.data import ClipSource
from keras_mirasol.data import clip_dataset
from keras_mirasol.data import pad_batch
from keras_mirasol.data import read_manifest
from keras_mirasol.data import write_manifest
from keras_mirasol.preprocessing.clip_inputs import to_dense

# How many lines each clip has. Clip `i` lasts (1 + i) / 2 seconds.
_LINES = [2, 1, 3]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    lines = []
    for index, count in enumerate(_LINES):
        seconds = (1 + index) / 2
        media = write_media(
            folder / f"{index}.mp4",
            frames=[solid(70 * index + 30)] * int(8 * seconds),
            frame_rate=8,
            audio=tone(440, seconds, 16000),
            sampling_rate=16000,
        )
        lines += [
            {"media": media, "prompt": f"{index} {word}", "response": word}
            for word in "abc"[:count]
        ]
    return write_manifest(folder / "manifest.jsonl", lines)


@pytest.fixture(scope="module")
def preprocessor():
    return small_models.build_preprocessor()


@pytest.fixture
def broken(manifest, tmp_path):
    """The third of six elements is of a clip that is no media."""
    bad = tmp_path / "bad.mp4"
    bad.write_text("no media")
    lines = read_manifest(manifest)
    lines[2] = {**lines[2], "media": str(bad)}
    return lines


def assert_equal(batch, expected):
    """Batches of `(x, y, sample_weight)`, of NumPy or of TensorFlow."""
    (x, *rest), (expected_x, *expected_rest) = batch, expected
    assert set(x) == set(expected_x)
    for key in expected_x:
        assert x[key].dtype == expected_x[key].dtype
        # By themselves and in a pipeline, operations round in other orders.
        np.testing.assert_allclose(x[key], expected_x[key], atol=1e-5)
    for one, other in zip(rest, expected_rest, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.any_backend
class TestElements:
    @pytest.mark.parametrize("texts_per_clip", [1, 2])
    def test_are_those_of_the_dataset(
        self, manifest, preprocessor, texts_per_clip
    ):
        options = {"texts_per_clip": texts_per_clip}
        source = ClipSource(manifest, preprocessor, **options)
        dataset = clip_dataset(manifest, preprocessor, batch_size=1, **options)
        assert len(source) == len(dataset) == {1: 6, 2: 4}[texts_per_clip]
        for element, batch in zip(source, dataset, strict=True):
            assert_equal(pad_batch([element]), batch)

    @pytest.mark.parametrize("num_snippets", [None, 9])
    def test_batches_are_those_of_the_dataset(
        self, manifest, preprocessor, num_snippets
    ):
        options = {"texts_per_clip": 2, "num_snippets": num_snippets}
        source = ClipSource(manifest, preprocessor, **options)
        (batch,) = clip_dataset(manifest, preprocessor, batch_size=4, **options)
        assert_equal(pad_batch([source[i] for i in range(4)]), batch)

    def test_any_can_be_had_at_any_time(self, manifest):
        source = ClipSource(manifest)
        prompts = [str(source[i]["prompts"]) for i in (4, 0, -1, np.int64(2))]
        assert prompts == ["2 b", "0 a", "2 c", "1 a"]
        for index in (6, -7):
            with pytest.raises(IndexError):
                source[index]

    def test_raw_ones_are_those_of_the_dataset(self, manifest):
        source = ClipSource(manifest, texts_per_clip=3)
        dataset = clip_dataset(manifest, batch_size=1, texts_per_clip=3)
        for element, batch in zip(source, dataset, strict=True):
            for key in ("videos", "audio"):
                np.testing.assert_array_equal(
                    element[key], to_dense(batch[key][0])
                )
            for key in ("prompts", "responses"):
                expected = batch[key][0].numpy().astype(str)
                assert element[key].tolist() == expected.tolist()

    def test_what_a_clip_lacks_is_empty(self, tmp_path):
        path = write_media(tmp_path / "v.mp4", frames=[solid(9)] * 25)
        line = {"media": path, "prompt": "p", "response": "r"}
        assert ClipSource([line])[0]["audio"].shape == (0,)

    def test_parts_together_are_the_whole(self, manifest):
        parts = [ClipSource(manifest, shard=(i, 2)) for i in range(2)]
        prompts = [str(e["prompts"]) for part in parts for e in part]
        assert prompts == ["0 a", "0 b", "1 a", "2 a", "2 b", "2 c"]

    def test_survive_pickling(self, manifest, preprocessor):
        source = ClipSource(manifest, preprocessor)
        copy = pickle.loads(pickle.dumps(source))
        assert len(copy) == len(source)
        assert_equal(pad_batch([copy[3]]), pad_batch([source[3]]))


@pytest.mark.any_backend
class TestErrors:
    def test_raise_names_the_file(self, broken):
        source = ClipSource(broken)
        assert str(source[1]["prompts"]) == "0 b"
        with pytest.raises(ValueError, match="bad.mp4.*expected video"):
            source[2]

    def test_skip_gives_none_and_reports(self, broken, preprocessor):
        source = ClipSource(broken, preprocessor, on_error="skip")
        with pytest.warns(UserWarning, match="bad.mp4"):
            elements = list(source)
        assert [element is None for element in elements] == [
            index == 2 for index in range(6)
        ]
        (dropped,) = source.report().dropped
        assert dropped.lines == (3,)
        # A batch goes without.
        x, y, _ = pad_batch(elements[1:4])
        assert len(x["pixel_values"]) == len(y) == 2
        with pytest.raises(ValueError, match="No clip of a batch"):
            pad_batch([None])

    def test_raw_elements_make_no_batch(self, manifest):
        source = ClipSource(manifest)
        with pytest.raises(ValueError, match="with a preprocessor.* dict"):
            pad_batch([source[0]])

    @pytest.mark.parametrize(
        "options, match",
        [
            ({"texts_per_clip": 0}, "`texts_per_clip` must be a positive"),
            ({"on_error": "ignore"}, '"raise" or "skip"'),
            ({"shard": 1}, "`shard` must be a pair"),
        ],
    )
    def test_arguments(self, manifest, options, match):
        with pytest.raises(ValueError, match=match):
            ClipSource(manifest, **options)


@pytest.fixture(scope="module")
def expected(manifest, preprocessor):
    """All batches of two elements."""
    return list(clip_dataset(manifest, preprocessor, batch_size=2))


@pytest.mark.any_backend
def test_torch_workers_give_the_same(manifest, preprocessor, expected):
    data = pytest.importorskip("torch.utils.data")
    loader = data.DataLoader(
        ClipSource(manifest, preprocessor),
        batch_size=2,
        collate_fn=pad_batch,
        num_workers=2,
        multiprocessing_context="spawn",
    )
    assert len(loader) == 3
    for batch, other in zip(loader, expected, strict=True):
        assert_equal(batch, other)


@pytest.mark.any_backend
def test_grain_workers_give_the_same(manifest, preprocessor, expected):
    grain = pytest.importorskip("grain")
    # What `absl.app.run()` does: Grain's workers read flags.
    pytest.importorskip("absl.flags").FLAGS.mark_as_parsed()
    dataset = grain.MapDataset.source(ClipSource(manifest, preprocessor))
    dataset = dataset.batch(2, batch_fn=pad_batch)
    assert len(dataset) == 3
    workers = dataset.to_iter_dataset().mp_prefetch(
        grain.MultiprocessingOptions(num_workers=2)
    )
    for batch, other in zip(workers, expected, strict=True):
        assert_equal(batch, other)


def test_grain_leaves_out_what_cannot_be_loaded(broken, preprocessor):
    grain = pytest.importorskip("grain")
    source = ClipSource(broken, preprocessor, on_error="skip")
    dataset = grain.MapDataset.source(source).to_iter_dataset()
    with pytest.warns(UserWarning, match="bad.mp4"):
        batches = list(dataset.batch(2, batch_fn=pad_batch))
    assert [len(y) for _, y, _ in batches] == [2, 2, 1]


@pytest.mark.any_backend
def test_fit_takes_them_and_knows_the_steps_of_an_epoch(manifest, preprocessor):
    data = pytest.importorskip("torch.utils.data")
    grain = pytest.importorskip("grain")
    source = ClipSource(manifest, preprocessor)
    loader = data.DataLoader(source, batch_size=2, collate_fn=pad_batch)
    dataset = grain.MapDataset.source(source).batch(2, batch_fn=pad_batch)
    assert len(loader) == len(dataset) == 3
    task = small_models.build_task(preprocessor)
    task.fit(loader, verbose=0)
    assert task.optimizer.iterations.numpy() == 3
    task.fit(dataset, epochs=2, verbose=0)
    assert task.optimizer.iterations.numpy() == 9
    task.fit(dataset.to_iter_dataset(), steps_per_epoch=3, verbose=0)
    assert task.optimizer.iterations.numpy() == 12
