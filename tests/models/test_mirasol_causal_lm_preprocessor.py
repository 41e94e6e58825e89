import functools
import io

import keras
import keras_hub
import numpy as np
import pytest
import small_models
import tensorflow as tf
from small_models import AUDIO_FRAMES
from small_models import FRAMES
from small_models import MELS
from small_models import SAMPLES
from small_models import SIZE

from keras_mirasol.data import load_clip
from keras_mirasol.data import read_manifest
from keras_mirasol.data.sounding_shapes import write_corpus
from keras_mirasol.models import MirasolAudioConverter
from keras_mirasol.models import MirasolCausalLM
from keras_mirasol.models import MirasolCausalLMPreprocessor
from keras_mirasol.models import MirasolTokenizer
from keras_mirasol.models import MirasolVideoConverter

TEXTS = {"prompts": "ab", "responses": "c"}

# Says that there is to be no clip.
NO_CLIP = {"videos": None, "audio": None}


@pytest.fixture(scope="module")
def preprocessor():
    return small_models.build_preprocessor()


def _video(frames):
    """Frame k is grey of level 10 k."""
    levels = 10 * np.arange(frames, dtype="uint8")
    return np.broadcast_to(
        levels[:, None, None, None], (frames, 8, 8, 3)
    ).copy()


def _noise(samples):
    rng = np.random.default_rng(0)
    return rng.uniform(-0.5, 0.5, samples).astype("float32")


def _grey(pixel_values):
    """The grey levels that frames had."""
    return np.round((pixel_values.mean(axis=(-3, -2, -1)) + 1) * 127.5)


def _features(preprocessor, **clip):
    return preprocessor({**clip, **TEXTS})[0]


# Snippets


def test_a_clip_of_whole_snippets(preprocessor):
    audio = _noise(3 * SAMPLES)
    x = _features(preprocessor, videos=_video(6), audio=audio)
    assert x["pixel_values"].shape == (3 * FRAMES, SIZE, SIZE, 3)
    assert x["audio_features"].shape == (3 * AUDIO_FRAMES, MELS)
    np.testing.assert_array_equal(
        _grey(x["pixel_values"]), [0, 10, 20, 30, 40, 50]
    )
    np.testing.assert_allclose(
        x["audio_features"], preprocessor.audio_converter(audio), atol=1e-5
    )
    assert x["video_mask"].tolist() == x["audio_mask"].tolist() == [True] * 3
    assert x["video_mask"].dtype == x["audio_mask"].dtype == bool
    assert x["pixel_values"].dtype == x["audio_features"].dtype == "float32"


@pytest.mark.parametrize("frame", range(8))
def test_a_frame_and_its_samples_are_in_the_same_snippet(preprocessor, frame):
    # Frame k is on screen from k / 8 s on; the click is in its midst.
    videos = np.zeros((8, 8, 8, 3), "uint8")
    videos[frame] = 255
    audio = np.zeros(4 * SAMPLES, "float32")
    click = int((frame + 0.5) / 8 * 8000)
    audio[click - 40 : click + 40] = 0.9
    x = _features(preprocessor, videos=videos, audio=audio)
    brightness = x["pixel_values"].reshape(4, -1).mean(axis=1)
    loudness = np.exp(x["audio_features"]).reshape(4, -1).sum(axis=1)
    assert np.argmax(brightness) == np.argmax(loudness) == frame // FRAMES


@pytest.mark.parametrize("snippet", range(4))
def test_a_snippet_s_first_sample_is_heard_in_its_first_spectrogram_frame(
    preprocessor, snippet
):
    # Of the two hops that end with this frame, it is the first of the second:
    # the Hann window is 1 there. In the next frame it is the first of all,
    # where the window is 0.
    audio = np.zeros(4 * SAMPLES, "float32")
    audio[snippet * SAMPLES] = 1.0
    videos = np.zeros((4 * FRAMES, 8, 8, 3), "uint8")
    features = preprocessor.preprocess_clip(
        tf.constant(videos), tf.constant(audio)
    )
    loudness = np.max(features["audio_features"], axis=1)
    silence = np.min(features["audio_features"])
    heard = np.flatnonzero(loudness > silence + 1e-3)
    assert heard.tolist() == [snippet * AUDIO_FRAMES]


def test_a_snippet_s_last_sample_is_heard_with_the_next_snippet(preprocessor):
    # Of the last frame's two hops it is the last, where the window has come
    # down to 0 but for a trace; in the next frame it stands before the middle.
    audio = np.zeros(3 * SAMPLES, "float32")
    audio[SAMPLES - 1] = 1.0
    x = _features(preprocessor, audio=audio)
    loudness = np.max(x["audio_features"], axis=1)
    assert np.argmax(loudness) == AUDIO_FRAMES


def test_video_is_filled_with_its_last_frame(preprocessor):
    x = _features(preprocessor, videos=_video(3))
    np.testing.assert_array_equal(_grey(x["pixel_values"]), [0, 10, 20, 20])
    assert x["video_mask"].tolist() == [True, True]


def test_audio_is_filled_with_silence(preprocessor):
    audio = _noise(SAMPLES + SAMPLES // 2)
    filled = np.concatenate([audio, np.zeros(SAMPLES // 2, "float32")])
    x = _features(preprocessor, audio=audio)
    np.testing.assert_allclose(
        x["audio_features"], preprocessor.audio_converter(filled), atol=1e-5
    )
    assert x["audio_mask"].tolist() == [True, True]


def test_less_than_half_a_snippet_is_cut(preprocessor):
    # As a codec's last block: it makes no snippet of its own.
    audio = _noise(3 * SAMPLES)
    x = _features(preprocessor, audio=audio[: 2 * SAMPLES + 999])
    np.testing.assert_array_equal(
        x["audio_features"],
        _features(preprocessor, audio=audio[: 2 * SAMPLES])["audio_features"],
    )
    assert x["audio_mask"].tolist() == [True, True]


@pytest.mark.parametrize(
    "samples, snippets", [(1, 1), (2999, 1), (3000, 2), (4999, 2), (5000, 3)]
)
def test_rounds_to_the_nearest_snippet(preprocessor, samples, snippets):
    x = _features(preprocessor, audio=_noise(samples))
    assert x["audio_mask"].tolist() == [True] * snippets
    assert x["audio_features"].shape == (snippets * AUDIO_FRAMES, MELS)


def test_one_frame_is_a_snippet(preprocessor):
    x = _features(preprocessor, videos=_video(2)[1:])
    np.testing.assert_array_equal(_grey(x["pixel_values"]), [10, 10])
    assert x["video_mask"].tolist() == [True]


@pytest.mark.parametrize(
    "frames, samples, video_mask, audio_mask",
    [
        (6, SAMPLES, [1, 1, 1], [1, 0, 0]),
        (2, 3 * SAMPLES, [1, 0, 0], [1, 1, 1]),
        (4, None, [1, 1], [0, 0]),
        (None, 2 * SAMPLES, [0, 0], [1, 1]),
        (0, 2 * SAMPLES, [0, 0], [1, 1]),
        (4, 0, [1, 1], [0, 0]),
        (None, None, [0], [0]),
    ],
)
def test_masks_say_which_snippets_have_what(
    preprocessor, frames, samples, video_mask, audio_mask
):
    clip = {}
    if frames is not None:
        clip["videos"] = _video(frames)
    if samples is not None:
        clip["audio"] = _noise(samples)
    x = _features(preprocessor, **clip)
    assert x["video_mask"].tolist() == [bool(i) for i in video_mask]
    assert x["audio_mask"].tolist() == [bool(i) for i in audio_mask]
    count = len(video_mask)
    assert x["pixel_values"].shape == (count * FRAMES, SIZE, SIZE, 3)
    assert x["audio_features"].shape == (count * AUDIO_FRAMES, MELS)
    # What is not there is zero.
    pixels = x["pixel_values"].reshape(count, -1)
    audio_frames = x["audio_features"].reshape(count, -1)
    assert not pixels[~x["video_mask"]].any()
    assert not audio_frames[~x["audio_mask"]].any()


def test_silence_and_black_frames_are_there(preprocessor):
    x = _features(
        preprocessor,
        videos=np.zeros((2, 8, 8, 3), "uint8"),
        audio=np.zeros(SAMPLES, "float32"),
    )
    assert x["video_mask"].all() and x["audio_mask"].all()
    np.testing.assert_allclose(x["pixel_values"], -1.0)
    assert (x["audio_features"] < -1.9).all()


def test_a_clip_may_be_filled_up_to_more_snippets(preprocessor):
    clip = preprocessor.preprocess_clip(_video(2), _noise(SAMPLES), 3)
    assert clip["pixel_values"].shape == (3 * FRAMES, SIZE, SIZE, 3)
    assert clip["video_mask"].tolist() == [True, False, False]
    assert clip["audio_mask"].tolist() == [True, False, False]


# Adaptation


def _dark_and_quiet(seed=0, frames=4, samples=2 * SAMPLES):
    rng = np.random.default_rng(seed)
    return {
        "videos": rng.integers(0, 30, (frames, 8, 8, 3), dtype="uint8"),
        "audio": 1e-2 * rng.normal(size=samples).astype("float32"),
    }


def _settings(preprocessor):
    video, audio = preprocessor.video_converter, preprocessor.audio_converter
    return [video.scale, video.offset, audio.mean, audio.std]


def _raw_dataset(clips):
    """As `clip_dataset` makes it without a preprocessor."""
    return tf.data.Dataset.from_generator(
        lambda: ({**clip, **TEXTS} for clip in clips),
        output_signature={
            "videos": tf.TensorSpec((None, None, None, 3), tf.uint8),
            "audio": tf.TensorSpec((None,), tf.float32),
            "prompts": tf.TensorSpec((), tf.string),
            "responses": tf.TensorSpec((), tf.string),
        },
    )


CLIPS = [_dark_and_quiet(), _dark_and_quiet(1, 6, 3 * SAMPLES)]


@pytest.mark.any_backend
def test_a_used_preprocessor_is_adapted():
    preprocessor = small_models.build_preprocessor()
    dark = _dark_and_quiet()
    before = _features(preprocessor, **dark)
    assert before["pixel_values"].mean() < -0.7
    assert preprocessor.adapt({**dark, **TEXTS}) is None
    for x in (
        _features(preprocessor, **dark),
        preprocessor.preprocess_clip(dark["videos"], dark["audio"]),
        next(iter(_raw_dataset([dark]).map(preprocessor)))[0],
    ):
        assert abs(np.mean(x["pixel_values"])) < 1e-4
        assert abs(np.mean(x["audio_features"])) < 1e-4


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "make",
    [
        lambda: iter(CLIPS),
        lambda: _batch_of(CLIPS),
        lambda: _raw_dataset(CLIPS),
        lambda: _raw_dataset(CLIPS).ragged_batch(2),
    ],
    ids=["iterable", "batch", "dataset", "ragged"],
)
def test_adapts_to_clips_however_they_come(make):
    expected = small_models.build_preprocessor()
    expected.video_converter.adapt([clip["videos"] for clip in CLIPS])
    expected.audio_converter.adapt([clip["audio"] for clip in CLIPS])
    preprocessor = small_models.build_preprocessor()
    preprocessor.adapt(make())
    assert _settings(preprocessor) == _settings(expected)


@pytest.mark.any_backend
def test_adapts_to_a_manifest_at_its_own_rates_and_size(tmp_path):
    manifest = write_corpus(tmp_path, 3, seed=0)
    lines = read_manifest(manifest)
    preprocessor, expected, drawn = (
        small_models.build_preprocessor() for _ in range(3)
    )
    preprocessor.adapt(manifest)
    media = dict.fromkeys(line["media"] for line in lines)
    size = preprocessor.video_converter.image_size
    assert preprocessor.clip_settings == {
        "frame_rate": 8.0,
        "sampling_rate": 8000,
        "image_size": size,
        "crop_to_aspect_ratio": False,
    }
    expected.adapt(
        [
            load_clip(path, frame_rate=8.0, sampling_rate=8000, image_size=size)
            for path in media
        ]
    )
    assert len(media) == 3
    assert _settings(preprocessor) == _settings(expected)
    drawn.adapt(lines, num_clips=2)
    assert _settings(drawn) != _settings(expected)


@pytest.mark.any_backend
def test_clips_that_cannot_be_loaded_are_left_out_with_a_warning(tmp_path):
    manifest = write_corpus(tmp_path, 1, seed=0)
    lines = read_manifest(manifest)
    preprocessor, expected = (
        small_models.build_preprocessor() for _ in range(2)
    )
    expected.adapt(lines)
    missing = {**lines[0], "media": str(tmp_path / "missing.mp4")}
    with pytest.warns(UserWarning, match="1 of 2 clips.*missing.mp4"):
        preprocessor.adapt([missing, *lines])
    assert _settings(preprocessor) == _settings(expected)


def test_a_modality_that_is_absent_stays_as_it_is():
    preprocessor = small_models.build_preprocessor()
    scale, offset, mean, std = _settings(preprocessor)
    preprocessor.adapt({"audio": _noise(SAMPLES), "videos": None})
    assert _settings(preprocessor)[:2] == [scale, offset]
    assert _settings(preprocessor)[2] != mean
    none = {"videos": np.zeros((0, 1, 1, 3), "uint8"), "audio": _noise(0)}
    for data in ([none], []):
        with pytest.raises(ValueError, match="nothing to adapt to"):
            preprocessor.adapt(data)


@pytest.mark.any_backend
def test_preprocessed_batches_are_nothing_to_adapt_to(preprocessor):
    batches = _raw_dataset(CLIPS).map(preprocessor)
    with pytest.raises(ValueError, match="Expected raw clips"):
        preprocessor.adapt(batches)


@pytest.mark.any_backend
def test_a_separator_that_is_assigned_takes_effect():
    preprocessor = small_models.build_preprocessor()
    before = preprocessor.preprocess_texts("a", "b")[0]["token_ids"]
    preprocessor.separator = "?"
    after = preprocessor.preprocess_texts("a", "b")[0]["token_ids"]
    changed = before != after
    assert changed.sum() == 1 and after[changed] == ord("?")


# Batches


def _clips():
    """Of different lengths and sizes; the third has no video."""
    small = np.full((6, 5, 9, 3), 200, "uint8")
    none = np.zeros((0, 1, 1, 3), "uint8")
    return [
        {"videos": _video(3), "audio": _noise(2 * SAMPLES), **TEXTS},
        {"videos": small, "audio": _noise(10), "prompts": "", "responses": "d"},
        {
            "videos": none,
            "audio": _noise(SAMPLES),
            "prompts": "é",
            "responses": "",
        },
    ]


def _batch_of(clips):
    return {key: [clip[key] for clip in clips] for key in clips[0]}


def _assert_rows_are(batch, singles):
    for row, single in enumerate(singles):
        for key, expected in keras.tree.flatten_with_path(single):
            got = batch
            for step in key:
                got = got[step]
            got = np.asarray(got)[row]
            np.testing.assert_allclose(
                got[: len(expected)], expected, atol=1e-5
            )
            assert not got[len(expected) :].any()


def test_a_batch_is_its_clips_one_by_one(preprocessor):
    clips = _clips()
    batch = preprocessor(_batch_of(clips))
    assert batch[0]["video_mask"].tolist() == [
        [True, True, False],
        [True, True, True],
        [False, False, False],
    ]
    assert batch[0]["audio_mask"].tolist() == [
        [True, True, False],
        [True, False, False],
        [True, False, False],
    ]
    length = batch[1].shape[1]
    _assert_rows_are(
        batch, [preprocessor(clip, sequence_length=length) for clip in clips]
    )


@pytest.mark.any_backend
def test_a_ragged_pipeline_makes_the_same_batch(preprocessor):
    clips = _clips()
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(clips),
        output_signature={
            "videos": tf.TensorSpec((None, None, None, 3), tf.uint8),
            "audio": tf.TensorSpec((None,), tf.float32),
            "prompts": tf.TensorSpec((), tf.string),
            "responses": tf.TensorSpec((), tf.string),
        },
    )
    dataset = dataset.ragged_batch(3).map(preprocessor)
    _assert_same(next(iter(dataset)), preprocessor(_batch_of(clips)))


def _assert_same(got, expected):
    keras.tree.map_structure(
        lambda g, e: np.testing.assert_allclose(np.asarray(g), e, atol=1e-5),
        got,
        expected,
    )


@pytest.mark.any_backend
def test_a_dense_pipeline_makes_the_same_batch(preprocessor):
    batch = {
        "videos": np.stack([_video(4), _video(4)[::-1]]),
        "audio": _noise(2 * SAMPLES).reshape(2, -1),
        "prompts": np.array([["a", "bc"], ["d", ""]], object),
        "responses": np.array([["e", "f"], ["g", "h"]], object),
    }
    dataset = tf.data.Dataset.from_tensor_slices(batch)
    _assert_same(
        next(iter(dataset.batch(2).map(preprocessor))), preprocessor(batch)
    )
    clip = {key: batch[key][0] for key in batch}
    _assert_same(next(iter(dataset.map(preprocessor))), preprocessor(clip))


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "missing", [["videos"], ["audio"], ["videos", "audio"]]
)
@pytest.mark.parametrize("batched", [True, False])
def test_a_pipeline_without_a_modality(preprocessor, missing, batched):
    clip = {
        "videos": _video(4),
        "audio": _noise(SAMPLES),
        **TEXTS,
    }
    clip = {key: clip[key] for key in clip if key not in missing}
    dataset = tf.data.Dataset.from_tensors(clip)
    if batched:
        dataset = dataset.batch(1)
        clip = {key: [clip[key]] for key in clip}
    _assert_same(next(iter(dataset.map(preprocessor))), preprocessor(clip))


@pytest.mark.any_backend
def test_shapes_are_known_in_a_pipeline(preprocessor):
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([]),
        output_signature={
            "videos": tf.TensorSpec((None, None, None, 3), tf.uint8),
            "prompts": tf.TensorSpec((), tf.string),
            "responses": tf.TensorSpec((), tf.string),
        },
    ).map(preprocessor)
    x, y, sample_weight = dataset.element_spec
    assert x["pixel_values"].shape.as_list() == [None, SIZE, SIZE, 3]
    assert x["audio_features"].shape.as_list() == [None, MELS]
    assert x["token_ids"].shape == y.shape == sample_weight.shape == (24,)


# Texts


def _ids(text):
    return list(text.encode())


def test_texts_are_packed_and_shifted(preprocessor):
    x, y, sample_weight = preprocessor({"prompts": "ab", "responses": "xyz"})
    packed = [256, *_ids("ab\n"), *_ids("xyz"), 257]
    np.testing.assert_array_equal(x["token_ids"][:8], packed)
    np.testing.assert_array_equal(y[:7], packed[1:])
    np.testing.assert_array_equal(
        sample_weight, [0, 0, 0, 1, 1, 1, 1] + [0] * 17
    )
    np.testing.assert_array_equal(x["padding_mask"], [1] * 8 + [0] * 16)
    assert x["token_ids"].shape == y.shape == sample_weight.shape == (24,)
    assert not x["token_ids"][8:].any() and not y[7:].any()


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "response, length", [("z" * 11, 16), ("z" * 13, 24), ("z" * 20, 24)]
)
def test_texts_are_padded_as_far_as_the_longest_needs(response, length):
    # With start and separator; the end is only to be learned.
    preprocessor = small_models.build_preprocessor(sequence_length=24)
    texts = {"prompts": ["ab", "c"], "responses": [response, "d"]}
    x, y, sample_weight = preprocessor(texts)
    assert x["token_ids"].shape == y.shape == sample_weight.shape == (2, length)
    whole = preprocessor(texts, sequence_length=24)
    for mine, its in zip(
        keras.tree.flatten((x, y, sample_weight)),
        keras.tree.flatten(whole),
        strict=True,
    ):
        its = its[:, :length] if its.shape[-1] == 24 else its
        np.testing.assert_array_equal(mine, its)


def test_what_is_learned_is_the_response_and_the_end(preprocessor):
    _, y, sample_weight = preprocessor({"prompts": "é?", "responses": "ja"})
    assert y[sample_weight > 0].tolist() == [*_ids("ja"), 257]


def test_several_texts_a_clip(preprocessor):
    x, y, sample_weight = preprocessor(
        {
            "audio": [_noise(SAMPLES)] * 2,
            "prompts": [["a", "b"], ["c", ""]],
            "responses": [["d", "e"], ["f", "g"]],
        }
    )
    assert x["token_ids"].shape == y.shape == sample_weight.shape == (2, 2, 16)
    assert x["audio_features"].shape == (2, AUDIO_FRAMES, MELS)
    np.testing.assert_array_equal(
        x["token_ids"][1, :, :5],
        [[256, *_ids("c\nf"), 257], [256, *_ids("\ng"), 257, 0]],
    )


@pytest.mark.any_backend
def test_separator_and_length_are_heeded():
    preprocessor = small_models.build_preprocessor(
        separator=" -> ", sequence_length=9
    )
    x, y, _ = preprocessor({"prompts": "a", "responses": "b"})
    assert x["token_ids"].tolist() == [256, *_ids("a -> b"), 257, 0]
    preprocessor.sequence_length = 8
    assert len(preprocessor({"prompts": "a", "responses": "b"})[1]) == 8
    x, *_ = preprocessor({"prompts": "a", "responses": "b"}, sequence_length=12)
    assert len(x["token_ids"]) == 12


def test_a_text_that_is_too_long_is_refused(preprocessor):
    fits = {"prompts": "a" * 20, "responses": "bc"}
    assert preprocessor(fits)[2][-2:].tolist() == [1.0, 1.0]
    with pytest.raises(ValueError) as raised:
        preprocessor({"prompts": "a" * 20, "responses": "bcd"})
    assert (
        "A text has 26 tokens, with start, separator and end, but there is "
        "room for 25 only." in str(raised.value)
    )
    assert "`sequence_length`" in str(raised.value)


@pytest.mark.any_backend
def test_a_text_that_is_too_long_is_refused_in_a_pipeline(preprocessor):
    dataset = tf.data.Dataset.from_tensors(
        {"prompts": "a" * 30, "responses": "b"}
    ).map(preprocessor)
    with pytest.raises(tf.errors.InvalidArgumentError, match="A text has"):
        next(iter(dataset))


def test_labels_of_their_own_are_refused(preprocessor):
    x = {"prompts": "a", "responses": "b"}
    for extra in ({"y": np.ones(3)}, {"sample_weight": np.ones(3)}):
        with pytest.raises(ValueError, match="made of the responses"):
            preprocessor(x, **extra)


@pytest.mark.parametrize("x", ["what?", {"prompts": "a"}, {"video": 1}])
def test_bad_inputs_are_value_errors(preprocessor, x):
    with pytest.raises(ValueError, match="prompts|responses|Known keys"):
        preprocessor(x)


def test_all_responses_may_be_empty(preprocessor):
    x, y, sample_weight = preprocessor({"prompts": "a", "responses": ""})
    assert x["token_ids"][:5].tolist() == [256, *_ids("a\n"), 257, 0]
    assert y[sample_weight > 0].tolist() == [257]


# Generation


def test_prompts_to_be_continued(preprocessor):
    x = preprocessor.generate_preprocess(
        {"videos": _video(2), "prompts": ["a", "bc"]}
    )
    assert x["token_ids"].shape == (2, 24)
    assert x["token_ids"][:, :5].tolist() == [
        [256, *_ids("a\n"), 0, 0],
        [256, *_ids("bc\n"), 0],
    ]
    assert x["padding_mask"].sum(axis=1).tolist() == [3, 4]
    assert x["pixel_values"].shape == (1, FRAMES, SIZE, SIZE, 3)
    assert x["audio_mask"].tolist() == [[False]]


def test_texts_of_a_batch_stand_together_by_clip(preprocessor):
    x = preprocessor.generate_preprocess(
        {
            "audio": [_noise(SAMPLES), _noise(SAMPLES // 2)],
            "prompts": [["a", "b"], ["c", "d"]],
        }
    )
    assert x["audio_features"].shape[0] == 2
    assert x["token_ids"][:, 1].tolist() == _ids("abcd")


def test_length_of_prompts_and_answers(preprocessor):
    x = preprocessor.generate_preprocess(
        {**NO_CLIP, "prompts": "a"}, sequence_length=5
    )
    assert x["token_ids"].tolist() == [[256, *_ids("a\n"), 0, 0]]
    # A prompt of four tokens needs room for one more at least.
    preprocessor.generate_preprocess(
        {**NO_CLIP, "prompts": "ab"}, sequence_length=5
    )
    with pytest.raises(ValueError, match="4 tokens.*room for 3.*max_length"):
        preprocessor.generate_preprocess(
            {**NO_CLIP, "prompts": "ab"}, sequence_length=4
        )


def test_generated_tokens_become_texts(preprocessor):
    token_ids = np.array([_ids("no") + [257, 98], [257, 0, 0, 0], _ids("ring")])
    masks = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]], bool)
    assert preprocessor.generate_postprocess(
        {
            "token_ids": keras.ops.convert_to_tensor(token_ids),
            "padding_mask": keras.ops.convert_to_tensor(masks),
        }
    ) == ["no", "", "ring"]


# Tokenizers

WORDS = ["what", "is", "heard", "a", "bell", "?", "->"]


@functools.cache
def _trained():
    texts = ["what is heard?", "a bell", "what", "bell"]
    return MirasolTokenizer.train(texts, vocabulary_size=400)


def _sentence_pieces():
    sentencepiece = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["what is heard? a bell", " -> "] * 5),
        model_writer=model,
        vocab_size=30,
        model_type="unigram",
        hard_vocab_limit=False,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        bos_piece="<bos>",
        eos_piece="<eos>",
        unk_piece="<unk>",
        minloglevel=2,
    )
    return model.getvalue()


def _gemma():
    """Pieces, with ids for start, end and padding at the beginning."""
    return keras_hub.tokenizers.GemmaTokenizer(_sentence_pieces())


def _bert():
    """Word pieces; padding is not 0."""
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    return keras_hub.tokenizers.BertTokenizer([*special, *WORDS])


@keras.saving.register_keras_serializable(package="tests")
class OwnWords(keras_hub.tokenizers.WordPieceTokenizer):
    """As users write it, without padding."""

    def __init__(self, vocabulary=None, **kwargs):
        self._add_special_token("[GO]", "start_token")
        self._add_special_token("[STOP]", "end_token")
        super().__init__(vocabulary, **kwargs)


def _own():
    return OwnWords(["[UNK]", *WORDS, "[GO]", "[STOP]"])


def _marked():
    """A tokenizer whose ids are set from outside."""
    tokenizer = keras_hub.tokenizers.WordPieceTokenizer(
        ["[UNK]", *WORDS, "[GO]", "[STOP]"]
    )
    tokenizer.start_token_id = tokenizer.token_to_id("[GO]")
    tokenizer.end_token_id = tokenizer.token_to_id("[STOP]")
    return tokenizer


EVERY_TOKENIZER = [_trained, _gemma, _bert, _own, _marked]

every_tokenizer = pytest.mark.parametrize("build", EVERY_TOKENIZER)


@pytest.mark.any_backend
@every_tokenizer
def test_any_tokenizer_packs_texts(build):
    tokenizer = build()
    preprocessor = small_models.build_preprocessor(
        tokenizer=tokenizer, separator=" -> ", sequence_length=40
    )
    prompts = ["what is heard ?", "a bell ?"]
    responses = ["a bell", ""]
    x, y, sample_weight = preprocessor(
        {"prompts": prompts, "responses": responses}, sequence_length=40
    )
    start, end = tokenizer.start_token_id, tokenizer.end_token_id
    for row, (prompt, response) in enumerate(
        zip(prompts, responses, strict=True)
    ):
        answer = [int(i) for i in tokenizer(response)] if response else []
        question = [int(i) for i in tokenizer(prompt + " -> ")]
        length = len(question) + len(answer) + 2
        mask = x["padding_mask"][row]
        assert mask.tolist() == [True] * length + [False] * (40 - length)
        packed = [start, *question, *answer, end]
        assert x["token_ids"][row][mask].tolist() == packed
        learned = y[row][sample_weight[row] > 0]
        assert learned.tolist() == [*answer, end]
        padding = getattr(tokenizer, "pad_token_id", None) or 0
        assert set(x["token_ids"][row][~mask]) == {padding}


@pytest.mark.any_backend
@every_tokenizer
def test_any_tokenizer_works_in_a_pipeline(build):
    preprocessor = small_models.build_preprocessor(tokenizer=build())
    x = {"prompts": ["what is heard ?", ""], "responses": ["a bell", ""]}
    dataset = tf.data.Dataset.from_tensors(x).map(preprocessor)
    _assert_same(next(iter(dataset)), preprocessor(x))


@pytest.mark.any_backend
@every_tokenizer
def test_answers_of_any_tokenizer_become_texts(build):
    tokenizer = build()
    preprocessor = small_models.build_preprocessor(tokenizer=tokenizer)
    bell = [int(i) for i in tokenizer("a bell")]
    start, end = tokenizer.start_token_id, tokenizer.end_token_id
    token_ids = np.zeros((3, len(bell) + 3), "int32")
    masks = np.zeros(token_ids.shape, bool)
    # No tokenizer has the last id, but a backbone may.
    for row, answer in enumerate([[*bell, end], [end], [start, *bell, 9999]]):
        token_ids[row, : len(answer)] = answer
        masks[row, : len(answer)] = True
    assert preprocessor.generate_postprocess(
        {"token_ids": token_ids, "padding_mask": masks}
    ) == ["a bell", "", "a bell"]


def test_the_last_word_of_a_prompt_is_its_usual_token():
    tokenizer = _trained()
    preprocessor = small_models.build_preprocessor(tokenizer=tokenizer)
    x, y, sample_weight = preprocessor(
        {"prompts": "what bell", "responses": "bell"}
    )
    bell, what = (tokenizer.token_to_id(t) for t in ("Ġbell", "Ġwhat"))
    assert x["token_ids"][:6].tolist() == [256, what, bell, 10, bell, 257]
    assert y[sample_weight > 0].tolist() == [bell, 257]


@pytest.mark.any_backend
def test_another_tokenizer_may_be_set():
    preprocessor = small_models.build_preprocessor()
    x = {"prompts": "bell", "responses": "bell"}
    bytes_alone = preprocessor(x)
    generated = preprocessor.generate_preprocess({**NO_CLIP, "prompts": "bell"})
    preprocessor.tokenizer = _trained()
    expected = small_models.build_preprocessor(tokenizer=_trained())
    _assert_same(preprocessor(x), expected(x))
    assert bytes_alone[0]["padding_mask"].sum() == 11
    assert preprocessor(x)[0]["padding_mask"].sum() == 5
    assert generated["padding_mask"].sum() == 6
    x = preprocessor.generate_preprocess({**NO_CLIP, "prompts": "bell"})
    assert x["padding_mask"].sum() == 3


def test_a_tokenizer_without_start_and_end_is_refused():
    tokenizer = keras_hub.tokenizers.WordPieceTokenizer(["[UNK]", *WORDS])
    preprocessor = small_models.build_preprocessor(tokenizer=tokenizer)
    with pytest.raises(ValueError) as raised:
        preprocessor({"prompts": "a", "responses": "bell"})
    for word in ("`start_token_id`", "`end_token_id`", "WordPieceTokenizer"):
        assert word in str(raised.value)


@pytest.mark.any_backend
@pytest.mark.parametrize("build", [_trained, MirasolTokenizer, _gemma, _own])
@pytest.mark.parametrize("as_file", [True, False])
def test_a_task_is_saved_with_its_tokenizer(build, as_file, tmp_path):
    tokenizer = build()
    task = small_models.build_task(
        small_models.build_preprocessor(tokenizer=tokenizer),
        small_models.build_backbone(vocabulary_size=400),
    )
    if as_file:
        task.save(tmp_path / "task.keras")
        copy = keras.saving.load_model(tmp_path / "task.keras")
    else:
        task.save_to_preset(str(tmp_path))
        copy = MirasolCausalLM.from_preset(tmp_path)
    assert type(copy.preprocessor.tokenizer) is type(tokenizer)
    texts = ["what is heard ?", "a bell"]
    ids, copied = (
        [list(map(int, row)) for row in part(texts)]
        for part in (tokenizer, copy.preprocessor.tokenizer)
    )
    assert copied == ids
    x = {"prompts": texts, "responses": texts[::-1]}
    _assert_same(copy.preprocessor(x), task.preprocessor(x))


# Geometry


def test_rates_are_those_of_the_converters(preprocessor):
    assert preprocessor.frame_rate == 8.0
    assert preprocessor.sampling_rate == 8000
    assert preprocessor.snippet_seconds == 0.25


def test_a_snippet_of_two_durations_is_refused():
    with pytest.raises(ValueError) as raised:
        small_models.build_preprocessor(audio_frames_per_snippet=6)
    for word in (
        "2 frames at 8.0 per second are 0.25 s",
        "6 spectrogram frames at 20.0 per second are 0.3 s",
        "audio_frames_per_snippet=5",
    ):
        assert word in str(raised.value)


def test_the_mended_geometry_is_accepted():
    preprocessor = small_models.build_preprocessor(
        video_converter=MirasolVideoConverter(SIZE, frame_rate=4.0),
        audio_converter=MirasolAudioConverter(
            MELS, audio_frame_rate=40.0, sampling_rate=8000
        ),
        frames_per_snippet=3,
        audio_frames_per_snippet=30,
    )
    assert preprocessor.snippet_seconds == 0.75
    x = _features(preprocessor, videos=_video(6), audio=_noise(12000))
    assert x["pixel_values"].shape == (6, SIZE, SIZE, 3)
    assert x["audio_features"].shape == (60, MELS)
    assert x["video_mask"].tolist() == x["audio_mask"].tolist() == [True] * 2


def test_config_round_trip():
    preprocessor = small_models.build_preprocessor(
        sequence_length=9, separator=" "
    )
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(preprocessor)
    )
    assert isinstance(copy, MirasolCausalLMPreprocessor)
    assert copy.get_config() == preprocessor.get_config()
    clip = {"videos": _video(2), "audio": _noise(SAMPLES), **TEXTS}
    _assert_same(copy(clip), preprocessor(clip))
