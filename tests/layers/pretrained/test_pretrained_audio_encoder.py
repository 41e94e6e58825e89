import numpy as np
import pytest
import small_kerashub
from arrays import assert_close
from arrays import assert_same_bits
from arrays import differ
from compiled import compiled
from keras import ops

from keras_mirasol.layers import PretrainedAudioEncoder


def test_whisper_hears_each_snippet_by_itself(normal):
    backbone = small_kerashub.whisper()
    spectrogram = normal(2, 60, 80)
    tokens = compiled(PretrainedAudioEncoder(backbone, 20))(spectrogram)
    own = backbone(
        {
            "encoder_features": spectrogram.reshape(6, 20, 80),
            "decoder_token_ids": np.ones((6, 1), "int32"),
            "decoder_padding_mask": np.ones((6, 1), "int32"),
        }
    )["encoder_sequence_output"]
    assert tokens.shape == (2, 3, 10, 8)
    assert_close(ops.reshape(tokens, (6, 10, 8)), own, atol=1e-4)


def test_moonshine_hears_the_samples_of_a_snippet_end_to_end(normal):
    backbone = small_kerashub.moonshine()
    frames = normal(2, 10, 320)
    tokens = compiled(PretrainedAudioEncoder(backbone, 5))(frames)
    own = backbone(
        {
            "encoder_input_values": frames.reshape(4, 1600, 1),
            "encoder_padding_mask": np.ones((4, 1600), bool),
            "decoder_token_ids": np.ones((4, 1), "int32"),
            "decoder_padding_mask": np.ones((4, 1), bool),
        }
    )["encoder_sequence_output"]
    assert tokens.shape[:2] == (2, 2)
    assert_close(ops.reshape(tokens, (4, -1, 8)), own, atol=1e-4)


def test_what_writes_is_left_behind():
    backbone = small_kerashub.whisper()
    features = PretrainedAudioEncoder(backbone, 20).features
    decoder = [w for w in backbone.weights if "decoder" in w.path]
    assert len(features.weights) == len(backbone.weights) - len(decoder)


def test_the_mean_is_over_the_tokens_of_a_snippet(normal):
    backbone, spectrogram = small_kerashub.whisper(), normal(1, 40, 80)
    every = PretrainedAudioEncoder(backbone, 20)(spectrogram)
    mean = PretrainedAudioEncoder(backbone, 20, pooling="mean")(spectrogram)
    assert mean.shape == (1, 2, 1, 8)
    assert_close(mean[:, :, 0], ops.mean(every, axis=2))


def test_positions_in_time_tell_tokens_apart_once_learned(normal):
    spectrogram = normal(1, 40, 80)
    encoder = PretrainedAudioEncoder(small_kerashub.whisper(), 20)
    before = ops.convert_to_numpy(encoder(spectrogram))
    (positions,) = encoder.trainable_weights
    assert positions.shape == (10, 1, 8)
    steps = np.arange(10.0).reshape(10, 1, 1) * np.ones((10, 1, 8))
    positions.assign(steps)
    assert_close(encoder(spectrogram), before + steps[:, 0], atol=1e-4)


def test_what_comes_later_changes_nothing_earlier(normal):
    spectrogram = normal(1, 60, 80)
    encoder = PretrainedAudioEncoder(small_kerashub.whisper(), 20)
    before = encoder(spectrogram)
    spectrogram[:, 20:] += 1.0
    after = encoder(spectrogram)
    assert_same_bits(after[:, 0], before[:, 0])
    assert differ(after[:, 1], before[:, 1])


def test_what_whisper_never_trains_stays_as_it_is():
    encoder = PretrainedAudioEncoder(small_kerashub.whisper(), 20)
    assert not encoder.trainable_weights
    encoder.frozen = False
    constant = {id(w) for w in encoder.non_trainable_weights}
    positions = encoder.features.get_layer("encoder_position_embedding")
    assert constant == {id(w) for w in positions.weights}


@pytest.mark.any_backend
def test_a_model_of_images_is_refused():
    with pytest.raises(ValueError, match="ViTBackbone with inputs"):
        PretrainedAudioEncoder(small_kerashub.vit(), 20)
