import json

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.models import PretrainedAudioConverter


@pytest.fixture
def audio():
    rng = np.random.default_rng(0)
    return rng.uniform(-0.5, 0.5, 3 * 8000).astype("float32")


def whisper(**settings):
    return PretrainedAudioConverter(
        keras_hub.layers.WhisperAudioConverter(num_mels=80),
        audio_frames_per_snippet=50,
        **settings,
    )


def moonshine(do_normalize=False, **settings):
    return PretrainedAudioConverter(
        keras_hub.layers.MoonshineAudioConverter(do_normalize=do_normalize),
        audio_frames_per_snippet=25,
        **settings,
    )


def test_each_snippet_is_what_the_model_own_converter_makes_of_it(audio):
    converter = whisper()
    features = converter(audio)
    assert features.shape == (150, 80) and features.dtype == "float32"
    assert (converter.hop, converter.audio_frame_rate) == (160, 100.0)
    # That of KerasHub takes whole seconds: two snippets and silence.
    own = keras_hub.layers.WhisperAudioConverter(max_audio_length=1)
    for number in range(3):
        snippet = audio[number * 8000 : (number + 1) * 8000]
        alone = keras.ops.convert_to_numpy(own(np.pad(snippet, (0, 8000))))
        # The last frame of a snippet sees its mirror image, not silence.
        np.testing.assert_allclose(
            features[50 * number : 50 * number + 48], alone[:48], atol=1e-4
        )


def test_later_snippets_change_nothing(audio):
    before = whisper()(audio)
    audio[8000:] *= 30.0
    after = whisper()(audio)
    np.testing.assert_array_equal(after[:50], before[:50])
    assert np.abs(after[50:] - before[50:]).max() > 0.1


def test_waveforms_are_cut_into_frames(audio):
    converter = moonshine()
    features = converter(audio)
    assert features.shape == (75, 320)
    np.testing.assert_array_equal(features.reshape(-1), audio)


def test_waveforms_are_normalised_snippet_by_snippet(audio):
    audio[8000:16000] += 0.3
    features = moonshine(do_normalize=True)(audio).reshape(3, 8000)
    np.testing.assert_allclose(features.mean(1), 0.0, atol=1e-5)
    np.testing.assert_allclose(features.std(1), 1.0, atol=1e-3)


def test_rate_of_waveforms(audio):
    converter = moonshine(audio_frame_rate=100.0)
    assert (converter.hop, converter.num_mels) == (160, 160)
    with pytest.raises(ValueError, match="multiple of `audio_frame_rate`"):
        moonshine(audio_frame_rate=48.0)


@pytest.mark.parametrize("make", [whisper, moonshine])
def test_shapes_of_any_length(make):
    converter = make()
    for samples in (0, 100, 8000, 9000):
        shape = converter(np.zeros(samples, "float32")).shape
        assert shape == converter.compute_output_shape((samples,))
    assert converter.audio_shape() == (None, converter.num_mels)


@pytest.mark.parametrize("make", [whisper, moonshine])
def test_pipeline_gives_the_same(make, audio):
    converter = make()
    dataset = tf.data.Dataset.from_tensors(audio).map(converter)
    np.testing.assert_allclose(
        next(iter(dataset)), converter(audio), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("make", [whisper, moonshine])
def test_config_rebuilds_the_converter(make, audio):
    converter = make()
    saved = json.dumps(keras.saving.serialize_keras_object(converter))
    loaded = keras.saving.deserialize_keras_object(json.loads(saved))
    assert loaded.get_config() == converter.get_config()
    np.testing.assert_array_equal(loaded(audio), converter(audio))


def test_there_is_nothing_to_adapt(audio):
    with pytest.raises(ValueError, match="as the model was trained"):
        whisper().adapt(audio)
