import subprocess
import sys
import time
import warnings
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from media_files import solid
from media_files import tone
from media_files import write_media

from keras_mirasol.data import ClipAugmentation
from keras_mirasol.data import clip_dataset
from keras_mirasol.data import clip_loader
from keras_mirasol.data import load_clip
from keras_mirasol.data import read_manifest
from keras_mirasol.data import write_manifest
from keras_mirasol.data.manifest import MEDIA_KEYS

pytestmark = pytest.mark.any_backend

# There is no tensorflow-io for Python 3.13.
with_tensorflow_io = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="needs tensorflow-io"
)

# Clip `i` is grey of level 40 * i and lasts 1 + i / 2 seconds. Its lines, of
# which there are `_LINES[i]`, have prompts such as "2 b" and responses "b".
_LINES = [1, 4, 3, 5]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    lines = []
    for index, count in enumerate(_LINES):
        seconds = 1 + index / 2
        media = write_media(
            folder / f"{index}.mp4",
            frames=[solid(40 * index)] * int(8 * seconds),
            frame_rate=8,
            audio=tone(440, seconds, 16000),
            sampling_rate=16000,
        )
        for letter in "abcde"[:count]:
            lines.append(
                {
                    "media": media,
                    "prompt": f"{index} {letter}",
                    "response": letter,
                }
            )
    return write_manifest(folder / "manifest.jsonl", lines)


class TinyPreprocessor:
    """Snippets of half a second: 2 frames of 4x6, and 2 of 3 mels."""

    frame_rate = 4.0
    sampling_rate = 8000

    def preprocess_clip(self, videos, audio):
        frames = tf.shape(videos)[0]
        audio_frames = tf.shape(audio)[0] // 2000
        snippets = tf.maximum(-(-frames // 2), -(-audio_frames // 2))
        pixels = tf.image.resize(videos, (4, 6))
        pixels = tf.pad(pixels, [(0, 2 * snippets - frames), *[(0, 0)] * 3])
        loudness = tf.reshape(tf.abs(audio[: 2000 * audio_frames]), (-1, 2000))
        loudness = tf.reduce_mean(loudness, axis=1, keepdims=True)
        loudness = tf.pad(loudness, [(0, 2 * snippets - audio_frames), (0, 0)])
        return {
            "pixel_values": tf.ensure_shape(pixels, (None, 4, 6, 3)),
            "audio_features": tf.ensure_shape(
                tf.tile(loudness, (1, 3)), (None, 3)
            ),
            "video_mask": tf.fill([snippets], frames > 0),
            "audio_mask": tf.fill([snippets], audio_frames > 0),
        }

    def preprocess_texts(self, prompts, responses):
        """Bytes of the prompt, an end, bytes of the response, an end."""
        text = tf.strings.join([prompts, "\n", responses, "\n"])
        padded = tf.strings.substr(tf.strings.join([text, "\0" * 16]), 0, 16)
        token_ids = tf.cast(tf.io.decode_raw(padded, tf.uint8), tf.int32)
        is_text = token_ids > 0
        y = tf.roll(token_ids, -1, axis=-1)
        x = {"token_ids": token_ids, "padding_mask": is_text}
        return x, y, tf.cast(is_text, tf.float32) * 0.5


def raw_prompts(dataset):
    """The prompts of each batch; of each group, where there are several."""
    return [batch["prompts"].numpy().astype(str).tolist() for batch in dataset]


def flat(dataset):
    """All prompts of a pass, in order, without those that fill up."""
    prompts = np.concatenate([np.ravel(p) for p in raw_prompts(dataset)])
    return [str(prompt) for prompt in prompts if prompt]


def prompts_of(token_ids):
    """The prompts that token ids of any leading shape begin with."""
    rows = token_ids.numpy().reshape(-1, token_ids.shape[-1])
    return [bytes(row.astype("uint8")).split(b"\n")[0].decode() for row in rows]


@pytest.fixture
def loads(monkeypatch):
    """Counts how often each file is loaded."""
    counts = Counter()

    def counting(line, **rates):
        paths = [line[key] for key in MEDIA_KEYS if key in line]
        counts.update(path.rsplit("/")[-1] for path in paths)
        return load_clip(line, **rates)

    monkeypatch.setattr(clip_loader, "load_clip", counting)
    return counts


ALL = [f"{i} {c}" for i, n in enumerate(_LINES) for c in "abcde"[:n]]


class TestOrder:
    def test_the_manifest_s_order_is_kept(self, manifest):
        dataset = clip_dataset(manifest, batch_size=4)
        assert raw_prompts(dataset) == [
            ["0 a", "1 a", "1 b", "1 c"],
            ["1 d", "2 a", "2 b", "2 c"],
            ["3 a", "3 b", "3 c", "3 d"],
            ["3 e"],
        ]

    def test_lines_of_a_clip_are_grouped_where_the_first_stands(
        self, manifest, loads
    ):
        lines = {line["prompt"]: line for line in read_manifest(manifest)}
        mixed = ["1 a", "2 a", "1 b", "0 a", "1 c", "2 b"]
        dataset = clip_dataset(
            [lines[prompt] for prompt in mixed], batch_size=2, texts_per_clip=2
        )
        assert raw_prompts(dataset) == [
            [["1 a", "1 b"], ["1 c", ""]],
            [["2 a", "2 b"], ["0 a", ""]],
        ]
        assert loads == {"0.mp4": 1, "1.mp4": 1, "2.mp4": 1}

    def test_other_cuts_of_a_file_are_other_clips(self, manifest, loads):
        line = read_manifest(manifest)[-1]
        cuts = [{}, {"start": 1}, {"start": 1, "end": 2}, {"start": 0}]
        dataset = clip_dataset(
            [{**line, **cut} for cut in cuts], batch_size=4, texts_per_clip=2
        )
        (batch,) = dataset
        # Beginning at 0 is the whole clip.
        assert batch["prompts"].shape == (3, 2)
        assert batch["videos"].row_lengths().numpy().tolist() == [20, 12, 8]
        assert loads == {"3.mp4": 3}

    @pytest.mark.parametrize("cache", [False, True])
    @pytest.mark.parametrize("texts_per_clip", [1, 2, 8])
    def test_shuffled_passes_have_each_line_once(
        self, manifest, texts_per_clip, cache
    ):
        dataset = clip_dataset(
            manifest,
            batch_size=3,
            texts_per_clip=texts_per_clip,
            shuffle=True,
            seed=0,
            cache=cache,
        )
        passes = [flat(dataset) for _ in range(3)]
        assert all(sorted(prompts) == ALL for prompts in passes)
        assert len({tuple(prompts) for prompts in [ALL, *passes]}) == 4

    @pytest.mark.parametrize("cache", [False, True])
    def test_passes_differ_in_the_order_of_clips_and_of_their_lines(
        self, manifest, cache
    ):
        dataset = clip_dataset(
            manifest,
            batch_size=4,
            texts_per_clip=5,
            shuffle=True,
            seed=0,
            cache=cache,
        )
        clips, lines = set(), set()
        for _ in range(8):
            (groups,) = raw_prompts(dataset)
            clips.add(tuple(sorted(group)[-1][0] for group in groups))
            (of_last_clip,) = (g for g in groups if "3 a" in g)
            lines.add(tuple(of_last_clip))
        # Of 24 orders of clips and of 120 orders of five lines.
        assert len(clips) > 4 and len(lines) > 4

    @pytest.mark.parametrize("cache", [False, True])
    def test_seeds_reproduce_every_pass(self, manifest, cache):
        def passes(seed):
            dataset = clip_dataset(
                manifest,
                batch_size=3,
                texts_per_clip=2,
                shuffle=True,
                seed=seed,
                cache=cache,
            )
            return [raw_prompts(dataset) for _ in range(2)]

        assert passes(3) == passes(3)
        assert passes(3) != passes(4)

    def test_shuffling_spreads_the_lines_of_a_clip(self, manifest):
        dataset = clip_dataset(manifest, batch_size=4, shuffle=True, seed=0)
        neighbours = 0
        for _ in range(10):
            clips = [prompt[0] for prompt in flat(dataset)]
            neighbours += sum(map(str.__eq__, clips, clips[1:])) / 10
        # Kept together there would be 9 of 12; by chance there are 2.8.
        assert neighbours < 5

    def test_the_order_does_not_depend_on_which_clip_is_ready(
        self, manifest, monkeypatch
    ):
        def slow_at_first(line, **rates):
            time.sleep(0.3 if line.get("media", "").endswith("0.mp4") else 0)
            return load_clip(line, **rates)

        monkeypatch.setattr(clip_loader, "load_clip", slow_at_first)
        dataset = clip_dataset(manifest, batch_size=2, num_parallel=4)
        assert flat(dataset) == ALL

    def test_repeat_runs_on_with_full_batches(self, manifest):
        dataset = clip_dataset(
            manifest, batch_size=5, shuffle=True, seed=0, repeat=True
        )
        assert dataset.cardinality() == tf.data.INFINITE_CARDINALITY
        # 39 lines are three passes of 13.
        prompts = flat(dataset.take(8))
        assert len(prompts) == 40
        passes = [prompts[13 * i : 13 * (i + 1)] for i in range(3)]
        assert all(sorted(one) == ALL for one in passes)
        assert passes[0] != passes[1] != passes[2]


class TestBatches:
    def test_texts_and_clips_belong_together(self, manifest):
        dataset = clip_dataset(
            manifest, TinyPreprocessor(), batch_size=4, shuffle=True, seed=1
        )
        seen = []
        for x, y, sample_weight in dataset:
            prompts = prompts_of(x["token_ids"])
            seen += prompts
            first_pixels = x["pixel_values"].numpy()[:, 0].mean((1, 2, 3))
            levels = [40 * int(prompt[0]) for prompt in prompts]
            np.testing.assert_allclose(first_pixels, levels, atol=3)
            # The response is what follows the prompt.
            for prompt, row in zip(
                prompts, x["token_ids"].numpy(), strict=True
            ):
                assert chr(row[4]) == prompt[2]
            assert y.shape == sample_weight.shape == x["token_ids"].shape
        assert sorted(seen) == ALL

    def test_shapes_and_types(self, manifest):
        dataset = clip_dataset(manifest, TinyPreprocessor(), batch_size=4)
        x, y, sample_weight = dataset.element_spec
        shapes = {key: spec.shape.as_list() for key, spec in x.items()}
        assert shapes == {
            "pixel_values": [None, None, 4, 6, 3],
            "audio_features": [None, None, 3],
            "video_mask": [None, None],
            "audio_mask": [None, None],
            "token_ids": [None, None],
            "padding_mask": [None, None],
        }
        assert x["video_mask"].dtype == x["audio_mask"].dtype == tf.bool
        assert y.dtype == tf.int32 and sample_weight.dtype == tf.float32

    def test_a_dropped_remainder_makes_the_batch_static(self, manifest):
        dataset = clip_dataset(
            manifest,
            TinyPreprocessor(),
            batch_size=4,
            texts_per_clip=2,
            drop_remainder=True,
        )
        x, y, sample_weight = dataset.element_spec
        assert x["pixel_values"].shape.as_list() == [4, None, 4, 6, 3]
        assert x["token_ids"].shape.as_list()[:2] == [4, 2]
        # 1 + 2 + 2 + 3 groups of two make two batches of 4.
        assert dataset.cardinality() == len(list(dataset)) == 2

    def test_shorter_clips_are_padded_and_masked(self, manifest):
        (batch,) = clip_dataset(
            manifest, TinyPreprocessor(), batch_size=4, texts_per_clip=8
        )
        x = batch[0]
        # 1, 1.5, 2 and 2.5 seconds in snippets of half a second.
        snippets = np.array([2, 3, 4, 5])
        present = np.arange(5) < snippets[:, None]
        np.testing.assert_array_equal(x["video_mask"], present)
        np.testing.assert_array_equal(x["audio_mask"], present)
        assert x["pixel_values"].shape == (4, 10, 4, 6, 3)
        assert x["audio_features"].shape == (4, 10, 3)
        loud = x["audio_features"].numpy().mean(-1) > 0.1
        np.testing.assert_array_equal(loud, present.repeat(2, axis=1))
        assert not x["pixel_values"].numpy()[~present.repeat(2, axis=1)].any()

    def test_all_batches_may_have_one_shape(self, manifest):
        preprocessor = TinyPreprocessor()
        preprocessor.sequence_length = 16
        asked = []

        def preprocess_clip(videos, audio, num_snippets):
            asked.append(num_snippets)
            return TinyPreprocessor.preprocess_clip(preprocessor, videos, audio)

        def preprocess_texts(prompts, responses, sequence_length):
            asked.append(sequence_length)
            return TinyPreprocessor.preprocess_texts(
                preprocessor, prompts, responses
            )

        preprocessor.preprocess_clip = preprocess_clip
        preprocessor.preprocess_texts = preprocess_texts
        clip_dataset(manifest, preprocessor, batch_size=4, num_snippets=7)
        assert asked == [7, 16]
        with pytest.raises(ValueError, match="clips that are preprocessed"):
            clip_dataset(manifest, batch_size=4, num_snippets=7)

    def test_texts_that_fill_up_weigh_nothing(self, manifest):
        preprocessor = TinyPreprocessor()
        (batch,) = clip_dataset(
            manifest, preprocessor, batch_size=8, texts_per_clip=3
        )
        x, y, sample_weight = batch
        # 1, 4, 3 and 5 lines in groups of 3.
        asked = np.array(
            [[1, 0, 0], [1, 1, 1], [1, 0, 0], [1, 1, 1], [1, 1, 1], [1, 1, 0]]
        )
        assert x["token_ids"].shape == y.shape == (6, 3, 16)
        np.testing.assert_array_equal(sample_weight.numpy().any(axis=-1), asked)
        # The others keep the preprocessor's weights.
        _, _, expected = preprocessor.preprocess_texts(
            tf.constant(["0 a"]), tf.constant(["a"])
        )
        np.testing.assert_array_equal(sample_weight[0, 0], expected[0])

    def test_one_text_a_clip_has_no_axis_of_its_own(self, manifest):
        x, y, sample_weight = next(
            iter(clip_dataset(manifest, TinyPreprocessor(), batch_size=4))
        )
        assert x["token_ids"].shape == y.shape == sample_weight.shape == (4, 16)

    def test_clips_are_decoded_at_the_preprocessor_s_rates(
        self, manifest, monkeypatch
    ):
        rates = []

        def noting(line, **options):
            rates.append(options)
            return load_clip(line, **options)

        monkeypatch.setattr(clip_loader, "load_clip", noting)
        list(clip_dataset(manifest, TinyPreprocessor(), batch_size=4))
        assert rates == [{"frame_rate": 4.0, "sampling_rate": 8000}] * 4

    def test_the_length_of_an_epoch_is_known(self, manifest):
        for texts_per_clip, batches in ((1, 5), (2, 3), (8, 2)):
            dataset = clip_dataset(
                manifest, batch_size=3, texts_per_clip=texts_per_clip
            )
            assert dataset.cardinality() == len(list(dataset)) == batches


class TestRawClips:
    def test_clips_are_as_loaded(self, manifest):
        lines = read_manifest(manifest)
        (batch,) = clip_dataset(manifest, batch_size=4, texts_per_clip=5)
        assert set(batch) == {"videos", "audio", "prompts", "responses"}
        for index, line in enumerate([lines[0], lines[1], lines[5], lines[8]]):
            clip = load_clip(line["media"])
            np.testing.assert_array_equal(
                batch["videos"][index].to_tensor(), clip["videos"]
            )
            np.testing.assert_array_equal(batch["audio"][index], clip["audio"])
        assert batch["responses"][1].numpy().tolist() == [
            *(b"a", b"b", b"c", b"d"),
            b"",
        ]

    def test_types(self, manifest):
        spec = clip_dataset(manifest, batch_size=4).element_spec
        assert isinstance(spec["videos"], tf.RaggedTensorSpec)
        assert isinstance(spec["audio"], tf.RaggedTensorSpec)
        assert spec["videos"].dtype == tf.uint8
        assert spec["videos"].shape[-1] == 3
        assert spec["audio"].dtype == tf.float32
        assert spec["prompts"].shape.as_list() == [None]
        spec = clip_dataset(
            manifest, batch_size=4, texts_per_clip=2, drop_remainder=True
        ).element_spec
        assert spec["responses"].shape.as_list() == [4, 2]

    def test_an_absent_modality_has_nothing_in_it(self, tmp_path):
        text = {"prompt": "p", "response": "r"}
        video = write_media(tmp_path / "v.mp4", frames=[solid(9)] * 25)
        audio = write_media(tmp_path / "a.m4a", audio=tone(440, 1, 48000))
        lines = [
            {"media": video, **text},
            {"media": audio, **text},
            {"video": video, "audio": audio, **text},
        ]
        (batch,) = clip_dataset(lines, batch_size=3)
        assert batch["videos"].row_lengths().numpy().tolist() == [8, 0, 8]
        assert batch["audio"].row_lengths().numpy().tolist() == [
            *(0, 16000),
            16000,
        ]
        (packed,) = clip_dataset(lines, TinyPreprocessor(), batch_size=3)
        masks = [packed[0][f"{kind}_mask"][:, 0] for kind in ("video", "audio")]
        np.testing.assert_array_equal(masks, [[1, 0, 1], [0, 1, 1]])


class TestCache:
    def test_without_a_cache_each_pass_decodes_each_clip_once(
        self, manifest, loads
    ):
        dataset = clip_dataset(
            manifest, TinyPreprocessor(), batch_size=4, shuffle=True
        )
        list(dataset), list(dataset)
        assert loads == {f"{index}.mp4": 2 for index in range(4)}

    def test_in_memory(self, manifest, loads):
        dataset = clip_dataset(
            manifest,
            TinyPreprocessor(),
            batch_size=4,
            shuffle=True,
            cache=True,
        )
        for _ in range(3):
            prompts = [
                prompt
                for x, *_ in dataset
                for prompt in prompts_of(x["token_ids"])
            ]
            assert sorted(prompts) == ALL
        assert loads == {f"{index}.mp4": 1 for index in range(4)}

    def test_in_files(self, manifest, loads, tmp_path):
        def prompts_and_levels(**options):
            dataset = clip_dataset(
                manifest,
                TinyPreprocessor(),
                batch_size=4,
                cache=str(tmp_path / "new folder" / "clips"),
                **options,
            )
            return [
                (prompt, round(float(level) / 40))
                for x, *_ in dataset
                for prompt, level in zip(
                    prompts_of(x["token_ids"]),
                    x["pixel_values"].numpy()[:, 0].mean((1, 2, 3)),
                    strict=True,
                )
            ]

        expected = [(prompt, int(prompt[0])) for prompt in ALL]
        assert prompts_and_levels() == expected
        assert sum(loads.values()) == 4
        # Another dataset, as in another run, finds the files.
        assert prompts_and_levels() == expected
        shuffled = prompts_and_levels(shuffle=True, seed=0)
        assert sorted(shuffled) == expected and shuffled != expected
        assert sum(loads.values()) == 4

    def test_files_of_other_clips_or_settings_are_not_used(
        self, manifest, loads, tmp_path
    ):
        lines = read_manifest(manifest)
        preprocessor = TinyPreprocessor()

        def run(lines):
            list(
                clip_dataset(
                    lines, preprocessor, batch_size=4, cache=str(tmp_path / "c")
                )
            )
            count = sum(loads.values())
            loads.clear()
            return count

        assert run(lines) == 4
        assert run(lines) == 0
        assert run(lines[1:]) == 3
        preprocessor.frame_rate = 2.0
        assert run(lines) == 4


# Adds one value to all pixels of a clip, within 51 of 255, and nothing else.
BRIGHTER = ClipAugmentation(
    shift=0.0, scale=0.0, brightness=0.2, gain_decibels=0.0
)


class TestAugment:
    @pytest.fixture
    def grey(self, manifest):
        """Lines of clips 1 to 3: grey enough to become darker."""
        return read_manifest(manifest)[1:]

    def added(self, dataset):
        """What each prompt's clip was brightened by, in one pass."""
        added = {}
        for x, *_ in dataset:
            frames = x["pixel_values"].numpy()
            for prompt, clip, mask in zip(
                prompts_of(x["token_ids"]),
                frames,
                x["video_mask"].numpy().repeat(2, axis=1),
                strict=True,
            ):
                by = clip[mask] - 40 * int(prompt[0])
                # All frames alike, but for what the codec makes of them.
                assert np.ptp(by) <= 3
                added[prompt] = by.mean()
        return added

    @pytest.mark.parametrize("cache", [False, True])
    def test_clips_change_anew_in_each_pass(self, grey, loads, cache):
        dataset = clip_dataset(
            grey,
            TinyPreprocessor(),
            batch_size=4,
            shuffle=True,
            seed=0,
            cache=cache,
            augment=BRIGHTER,
        )
        passes = [self.added(dataset) for _ in range(10)]
        assert loads == {f"{i}.mp4": 1 if cache else 10 for i in (1, 2, 3)}
        assert all(sorted(one) == ALL[1:] for one in passes)
        # A clip is decoded and changed once a pass, for all its lines.
        assert all(one["3 a"] == one["3 e"] for one in passes)
        by = np.array([[one[f"{i} a"] for one in passes] for i in (1, 2, 3)])
        # A cache of changed clips would repeat, or change them further.
        assert len(set(by.round().ravel())) > 20
        assert np.abs(by).max() < 54 and by.min() < -30 and by.max() > 30

    @pytest.mark.parametrize("cache", [False, True])
    def test_seeds_reproduce_every_pass(self, grey, cache):
        def passes(seed):
            dataset = clip_dataset(
                grey,
                TinyPreprocessor(),
                batch_size=4,
                seed=seed,
                cache=cache,
                augment=BRIGHTER,
            )
            return [self.added(dataset) for _ in range(2)]

        first, second = passes(3)
        assert first != second
        assert passes(3) == [first, second]
        assert passes(4)[0] != first

    def test_repeating_changes_clips_anew(self, grey):
        dataset = clip_dataset(
            grey[-1:],
            TinyPreprocessor(),
            batch_size=1,
            seed=0,
            repeat=True,
            augment=BRIGHTER,
        )
        added = [self.added([batch])["3 e"] for batch in dataset.take(4)]
        assert len(set(np.round(added))) == 4

    def test_raw_clips_stay_raw(self, manifest):
        options = {"batch_size": 4, "texts_per_clip": 5, "seed": 0}
        plain = clip_dataset(manifest, **options)
        changed = clip_dataset(
            manifest, **options, augment=ClipAugmentation(noise=0.01)
        )
        assert changed.element_spec == plain.element_spec
        (before,), (after,) = plain, changed
        for key in ("videos", "audio"):
            np.testing.assert_array_equal(
                after[key].row_lengths(), before[key].row_lengths()
            )
            flat_before = before[key].flat_values.numpy()
            flat_after = after[key].flat_values.numpy()
            assert (flat_before != flat_after).mean() > 0.5
        assert (after["prompts"] == before["prompts"]).numpy().all()

    @pytest.mark.parametrize("raw", [True, False])
    def test_time_shifts_keep_step_at_the_rates_of_the_clip(
        self, tmp_path, raw
    ):
        # A second of black and silence, then a second of white and a tone.
        media = write_media(
            tmp_path / "clip.mp4",
            frames=[solid(0)] * 8 + [solid(255)] * 8,
            frame_rate=8,
            audio=np.repeat([0, 1], 16000) * tone(440, 2, 16000),
            sampling_rate=16000,
        )
        dataset = clip_dataset(
            [{"media": media, "prompt": "p", "response": "r"}],
            None if raw else TinyPreprocessor(),
            batch_size=1,
            seed=0,
            cache=True,
            augment=ClipAugmentation(
                shift=0.0, brightness=0.0, gain_decibels=0.0, time_shift=0.5
            ),
        )
        began = []
        for _ in range(10):
            (batch,) = dataset
            if raw:
                videos, audio = batch["videos"].to_tensor(), batch["audio"]
                # A frame lasts 2000 samples.
                audio = tf.reshape(abs(audio.to_tensor()), (1, -1, 2000))
            else:
                videos = batch[0]["pixel_values"]
                audio = batch[0]["audio_features"]
            # Step by step, how bright and how loud it is.
            bright = np.mean(videos[0], axis=(1, 2, 3)) > 128
            loud = np.mean(audio[0], axis=1) > 0.1
            assert np.argmax(bright) == np.argmax(loud)
            began.append(np.argmax(bright))
        # A second, and half a second at most, at 8 or 4 steps a second.
        second = 8 if raw else 4
        assert min(began) >= second / 2 and max(began) <= second * 3 / 2
        assert len(set(began)) > 2

    @with_tensorflow_io
    @pytest.mark.parametrize("cache", [False, True])
    def test_spectrograms_are_masked_anew_in_each_pass(self, manifest, cache):
        def passes(seed):
            dataset = clip_dataset(
                manifest,
                TinyPreprocessor(),
                batch_size=4,
                seed=seed,
                cache=cache,
                augment=ClipAugmentation(mask_mels=1, mask_audio_frames=2),
            )
            return [self.masked(dataset) for _ in range(5)]

        first = passes(3)
        # Of a clip all elements are masked alike, and clips are not.
        assert all((one["3 a"] == one["3 e"]).all() for one in first)
        assert any((one["3 a"][:3] != one["2 a"][:3]).any() for one in first)
        for one, again, other in zip(first, passes(3), passes(4), strict=True):
            assert all((one[text] == again[text]).all() for text in ALL)
            assert any((one[text] != other[text]).any() for text in ALL)
        assert any((first[0][text] != first[1][text]).any() for text in ALL)
        # No mel bin or one, and up to two spectrogram frames, in all passes.
        mels = [one["3 a"].all(axis=0).sum() for one in first]
        audio_frames = [one["3 a"].all(axis=1).sum() for one in first]
        assert {*mels} == {0, 1} and 1 < len({*audio_frames})
        assert max(audio_frames) <= 2

    def masked(self, dataset):
        """Where each prompt's spectrogram is 0, in one pass."""
        masked = {}
        for x, *_ in dataset:
            for prompt, features, mask in zip(
                prompts_of(x["token_ids"]),
                x["audio_features"].numpy(),
                x["audio_mask"].numpy().repeat(2, axis=1),
                strict=True,
            ):
                masked[prompt] = features[mask] == 0
        return masked

    def test_raw_clips_cannot_be_masked(self, manifest):
        with pytest.raises(ValueError, match="Give .* a `preprocessor`"):
            clip_dataset(
                manifest, batch_size=4, augment=ClipAugmentation(mask_mels=1)
            )

    def test_true_stands_for_moderate_changes(self, manifest):
        def pixels(augment):
            dataset = clip_dataset(
                manifest, batch_size=8, seed=0, augment=augment
            )
            return next(iter(dataset))["videos"].flat_values.numpy()

        assert (pixels(True) == pixels(ClipAugmentation())).all()
        assert (pixels(True) != pixels(None)).any()
        assert (pixels(False) == pixels(None)).all()

    def test_absent_modalities_stay_absent(self, tmp_path):
        text = {"prompt": "p", "response": "r"}
        video = write_media(tmp_path / "v.mp4", frames=[solid(9)] * 25)
        audio = write_media(tmp_path / "a.m4a", audio=tone(440, 1, 48000))
        lines = [{"media": media, **text} for media in (video, audio)]
        options = {
            "batch_size": 2,
            "augment": ClipAugmentation(noise=0.1),
            "modality_dropout": 1.0,
        }
        (raw,) = clip_dataset(lines, **options)
        assert raw["videos"].row_lengths().numpy().tolist() == [8, 0]
        assert raw["audio"].row_lengths().numpy().tolist() == [0, 16000]
        (packed,) = clip_dataset(lines, TinyPreprocessor(), **options)
        masks = [packed[0][f"{kind}_mask"][:, 0] for kind in ("video", "audio")]
        np.testing.assert_array_equal(masks, [[1, 0], [0, 1]])

    def test_files_of_a_cache_hold_clips_as_decoded(
        self, grey, loads, tmp_path
    ):
        def run(augment, preprocessor=None):
            dataset = clip_dataset(
                grey,
                preprocessor or TinyPreprocessor(),
                batch_size=4,
                cache=str(tmp_path / "clips"),
                augment=augment,
            )
            added = self.added(dataset)
            count = sum(loads.values())
            loads.clear()
            return count, max(map(abs, added.values()))

        count, by = run(None)
        assert count == 3 and by < 3
        # Clips that were preprocessed are no use, and stay what they are.
        count, by = run(BRIGHTER)
        assert count == 3 and by > 3
        count, by = run(None)
        assert count == 0 and by < 3
        # Another augmentation and another preprocessor find the same clips.
        other = TinyPreprocessor()
        other.get_config = lambda: {"changed": True}
        count, by = run(ClipAugmentation(shift=0.2, brightness=0.0), other)
        assert count == 0 and by < 3


class TestModalityDropout:
    def lost(self, dataset):
        """Which prompts lost their picture and which their sound."""
        lost = {}
        for x, *_ in dataset:
            has = np.stack([x["video_mask"], x["audio_mask"]]).any(axis=-1)
            for prompt, kept in zip(
                prompts_of(x["token_ids"]), has.T, strict=True
            ):
                lost[prompt] = (not kept[0], not kept[1])
        return lost

    @pytest.mark.parametrize("cache", [False, True])
    def test_elements_lose_one_anew_in_each_pass(self, manifest, cache):
        def passes(seed, count=2):
            dataset = clip_dataset(
                manifest,
                TinyPreprocessor(),
                batch_size=4,
                shuffle=True,
                seed=seed,
                cache=cache,
                modality_dropout={"video": 0.3, "audio": 0.5},
            )
            return [self.lost(dataset) for _ in range(count)]

        first = passes(0, 10)
        assert all(sorted(one) == ALL for one in first)
        lost = np.array([list(one.values()) for one in first])
        assert not lost.all(axis=-1).any()
        # Four deviations of 130 draws.
        np.testing.assert_allclose(
            lost.mean(axis=(0, 1)), [0.3, 0.5], atol=0.17
        )
        assert any(one != first[0] for one in first[1:])
        # The elements of a clip lose other things.
        assert any(one["3 a"] != one["3 b"] for one in first)
        assert passes(0) == first[:2]
        assert passes(1) != first[:2]

    def test_nothing_else_changes(self, manifest):
        options = {"batch_size": 4, "shuffle": True, "seed": 0}
        plain = clip_dataset(manifest, TinyPreprocessor(), **options)
        dropped = clip_dataset(
            manifest, TinyPreprocessor(), **options, modality_dropout=0.5
        )
        assert dropped.element_spec == plain.element_spec
        assert dropped.cardinality() == plain.cardinality()
        masks = ("video_mask", "audio_mask")
        for before, after in zip(plain, dropped, strict=True):
            for key, value in before[0].items():
                if key not in masks:
                    np.testing.assert_array_equal(after[0][key], value)
            for one, other in zip(before[1:], after[1:], strict=True):
                np.testing.assert_array_equal(one, other)

    def test_raw_clips_are_emptied(self, manifest):
        dataset = clip_dataset(
            manifest, batch_size=4, seed=0, modality_dropout=1.0
        )
        kinds = set()
        for batch in dataset:
            has_video = batch["videos"].row_lengths().numpy() > 0
            has_audio = batch["audio"].row_lengths().numpy() > 0
            assert (has_video != has_audio).all()
            kinds |= set(has_video.tolist())
        assert kinds == {True, False}


class TestShards:
    @pytest.mark.parametrize("count", [1, 2, 3, 4])
    @pytest.mark.parametrize("shuffle", [False, True])
    def test_all_together_have_each_line_once(self, manifest, count, shuffle):
        parts = [
            clip_dataset(
                manifest,
                batch_size=2,
                shuffle=shuffle,
                seed=0,
                shard=(index, count),
            )
            for index in range(count)
        ]
        for _ in range(2):
            prompts = [flat(part) for part in parts]
            assert all(prompts)
            assert sorted(sum(prompts, [])) == ALL
        # Clips are shared out, with all of their lines.
        of_clips = [{prompt[0] for prompt in part} for part in prompts]
        assert sum(map(len, of_clips)) == 4
        assert max(map(len, of_clips)) - min(map(len, of_clips)) <= 1

    def test_the_length_is_that_of_the_part(self, manifest):
        lengths = [
            clip_dataset(manifest, batch_size=1, shard=(i, 2)).cardinality()
            for i in range(2)
        ]
        assert lengths == [1 + 4, 3 + 5]


class TestFrameSize:
    class Sized(TinyPreprocessor):
        clip_settings = {
            "frame_rate": 4.0,
            "sampling_rate": 8000,
            "image_size": (4, 6),
        }

        def preprocess_clip(self, videos, audio):
            # Known while the graph is traced, so that nothing is resized.
            assert videos.shape.as_list() == [None, 4, 6, 3]
            return super().preprocess_clip(videos, audio)

    def test_frames_are_decoded_at_the_size_of_the_preprocessor(self, manifest):
        options = {"batch_size": 4, "texts_per_clip": 8}
        whole = clip_dataset(manifest, TinyPreprocessor(), **options)
        sized = clip_dataset(manifest, self.Sized(), **options)
        assert sized.element_spec == whole.element_spec
        for before, after in zip(whole, sized, strict=True):
            for key, value in before[0].items():
                np.testing.assert_allclose(after[0][key], value, atol=2)

    def test_clips_without_video_have_no_frames(self, tmp_path):
        audio = write_media(tmp_path / "a.m4a", audio=tone(440, 1, 48000))
        line = {"media": audio, "prompt": "p", "response": "r"}
        ((x, *_),) = clip_dataset([line], self.Sized(), batch_size=1)
        assert x["pixel_values"].shape == (1, 4, 4, 6, 3)
        assert not x["video_mask"].numpy().any()


class TestErrors:
    @pytest.fixture
    def broken(self, manifest, tmp_path):
        """Clips 0 and 1, and between them one that is no media."""
        lines = read_manifest(manifest)[:5]
        path = tmp_path / "broken.mp4"
        path.write_text("no media")
        bad = {"media": str(path), "prompt": "bad", "response": "x"}
        return [lines[0], bad, {**bad, "start": 1}, *lines[1:]]

    def test_raise_names_file_and_reason(self, broken):
        dataset = clip_dataset(broken, batch_size=2)
        with pytest.raises(tf.errors.InvalidArgumentError) as raised:
            list(dataset)
        message = str(raised.value)
        assert broken[1]["media"] in message
        assert "expected video or audio" in message

    def test_skip_leaves_the_clip_s_lines_out(self, broken, loads):
        dataset = clip_dataset(broken, batch_size=2, on_error="skip")
        with pytest.warns(UserWarning) as warned:
            first, second = flat(dataset), flat(dataset)
        assert first == second == ["0 a", "1 a", "1 b", "1 c", "1 d"]
        # The second pass does not try it again.
        assert loads == {"0.mp4": 2, "1.mp4": 2, "broken.mp4": 2}
        # Once for the file, though two clips are cut from it, in two passes.
        (warning,) = warned
        assert broken[1]["media"] in str(warning.message)
        assert "expected video or audio" in str(warning.message)

    def test_skip_works_with_a_preprocessor_a_cache_and_shuffling(self, broken):
        dataset = clip_dataset(
            broken,
            TinyPreprocessor(),
            batch_size=2,
            texts_per_clip=2,
            on_error="skip",
            shuffle=True,
            cache=True,
        )
        for _ in range(2):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                batches = list(dataset)
            weights = np.concatenate([w for *_, w in batches])
            assert weights.any(axis=-1).sum() == 5

    def test_the_report_names_each_clip_that_was_left_out(self, broken):
        dataset = clip_dataset(broken, batch_size=2, on_error="skip")
        assert str(dataset.report()) == "0 of 4 clips were left out."
        with pytest.warns(UserWarning):
            list(dataset)
        report = dataset.report()
        assert report.num_clips == 4
        path = broken[1]["media"]
        assert [clip.media for clip in report.dropped] == [(path,), (path,)]
        assert [clip.lines for clip in report.dropped] == [(2,), (3,)]
        first, *rest = str(report).split("\n")
        assert first == "2 of 4 clips were left out, with 2 lines:"
        assert rest[1].startswith(f"'{path}' (line 3): Cannot load media file")

    def test_nothing_left(self, broken):
        dataset = clip_dataset(broken[1:3], batch_size=2, on_error="skip")
        with (
            pytest.raises(tf.errors.InvalidArgumentError) as raised,
            pytest.warns(UserWarning),
        ):
            list(dataset)
        assert "No clip of the manifest can be loaded" in str(raised.value)

    def test_missing_media_is_named_when_the_dataset_is_made(
        self, tmp_path, manifest
    ):
        path = tmp_path / "manifest.jsonl"
        good = read_manifest(manifest)[0]
        missing = {**good, "media": str(tmp_path / "no.mp4")}
        path = write_manifest(path, [good, missing, good, missing])
        with pytest.raises(ValueError, match=r"no\.mp4' \(lines 2, 4\)"):
            clip_dataset(path, batch_size=2)
        dataset = clip_dataset(path, batch_size=2, on_error="skip")
        with pytest.warns(UserWarning, match="does not exist"):
            assert flat(dataset) == ["0 a", "0 a"]

    @pytest.mark.parametrize(
        "options, match",
        [
            ({"batch_size": 0}, "`batch_size` must be a positive int.* 0"),
            ({"batch_size": 2.0}, "`batch_size` must be a positive int.* 2.0"),
            ({"batch_size": True}, "`batch_size` must be a positive int"),
            ({"texts_per_clip": -1}, "`texts_per_clip` must be a positive"),
            ({"texts_per_clip": None}, "`texts_per_clip` must be a positive"),
            ({"num_parallel": 0}, "`num_parallel` must be a positive int"),
            ({"on_error": "ignore"}, '"raise" or "skip".*\'ignore\''),
            ({"augment": "shift"}, "`augment` must be `True`.*'shift'"),
            ({"modality_dropout": 2.0}, "`modality_dropout` must be.* 2.0"),
            ({"shard": (2, 2)}, "`shard` must be a pair of ints.*(2, 2)"),
            ({"shard": (0, 5)}, "4 clips into 5 parts"),
        ],
    )
    def test_arguments(self, manifest, options, match):
        with pytest.raises(ValueError, match=match):
            clip_dataset(manifest, **{"batch_size": 2, **options})

    def test_lists_of_lines_are_checked(self):
        with pytest.raises(ValueError, match="empty list"):
            clip_dataset([], batch_size=2)
        with pytest.raises(ValueError, match="Line 1 of `manifest` lacks"):
            clip_dataset([{"media": "a.mp4"}], batch_size=2)


def test_python_ends_in_the_middle_of_a_pass(tmp_path):
    # Without care, a call from a pipeline's thread and Python's end wait for
    # each other. Decoding takes long enough to be under way at the end.
    noise = np.random.default_rng(0).integers(0, 255, (50, 240, 320, 3))
    media = write_media(tmp_path / "noise.mp4", frames=noise.astype("uint8"))
    line = {"media": media, "prompt": "p", "response": "r"}
    path = write_manifest(tmp_path / "manifest.jsonl", [line])
    code = (
        "from keras_mirasol.data import clip_dataset; "
        f"dataset = clip_dataset({str(path)!r}, batch_size=1, "
        "repeat=True, num_parallel=4); "
        "batches = iter(dataset); next(batches); print('the end')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "the end\n"
