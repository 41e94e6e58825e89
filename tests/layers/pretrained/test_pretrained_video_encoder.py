import keras
import numpy as np
import pytest
import small_kerashub
from arrays import assert_close
from arrays import assert_same_bits
from arrays import differ
from compiled import compiled
from gradients import gradients
from keras import ops

from keras_mirasol.layers import PretrainedVideoEncoder

# How many tokens each has of a frame.
IMAGE_MODELS = {
    "vit": 5,
    "dinov2": 6,
    "dinov3": 6,
    "siglip_vision": 4,
    "siglip": 4,
    "clip": 5,
    "resnet": 16,
}


@pytest.fixture
def clip(normal):
    return normal(2, 6, 16, 16, 3)


def model(name):
    backbone = getattr(small_kerashub, name)()
    # Batch statistics of new models are trivial.
    for weight in backbone.weights:
        if "moving_mean" in weight.path:
            weight.assign(weight + 0.3)
    return backbone


@pytest.mark.parametrize("name", IMAGE_MODELS)
def test_tokens_of_a_frame_are_those_of_the_model(name, clip):
    backbone = model(name)
    encoder = PretrainedVideoEncoder(backbone, 2, pooling=None)
    tokens = compiled(encoder)(clip)
    count = IMAGE_MODELS[name]
    assert tokens.shape[:3] == (2, 3, 2 * count)
    sees = getattr(backbone, "vision_encoder", backbone)
    own = sees(clip.reshape(-1, 16, 16, 3))
    if name.startswith("siglip"):  # whose output is one vector of all tokens
        own = sees.post_layer_norm(_before(sees, clip))
    assert_close(
        ops.reshape(tokens, (12, count, -1)),
        ops.reshape(own, (12, count, -1)),
        atol=1e-4,
    )


def _before(siglip, clip):
    x = siglip.embedding(clip.reshape(-1, 16, 16, 3))
    for layer in siglip.encoder_layers:
        x = layer(x)
    return x


def test_a_model_of_videos_sees_snippet_by_snippet(clip):
    backbone = small_kerashub.video_prism()
    tokens = PretrainedVideoEncoder(backbone, 2, pooling=None)(clip)
    own = backbone(clip.reshape(6, 2, 16, 16, 3))
    assert_close(ops.reshape(tokens, (6, 2, 4, 8)), own, atol=1e-4)


def test_of_a_model_of_videos_and_texts_the_eyes_are_taken(clip):
    backbone = small_kerashub.video_prism(num_text_layers=1, vocabulary_size=9)
    encoder = PretrainedVideoEncoder(backbone, 2, pooling=None)
    assert encoder(clip).shape == (2, 3, 8, 8)
    # Nor is there anything of the text's weights.
    alone = small_kerashub.video_prism()
    assert encoder.features.count_params() == alone.count_params()


def test_the_mean_is_over_the_frames_of_a_snippet(clip):
    backbone = small_kerashub.vit()
    tokens = PretrainedVideoEncoder(backbone, 3, pooling="mean")(clip)
    own = ops.convert_to_numpy(backbone(clip.reshape(-1, 16, 16, 3)))
    assert_close(tokens, own.reshape(2, 2, 3, 5, 8).mean(2))


def test_attention_leaves_few_tokens_and_sees_all_frames(clip):
    encoder = PretrainedVideoEncoder(
        small_kerashub.vit(), 2, "attention", num_tokens=3, num_heads=2
    )
    before = encoder(clip)
    assert before.shape == (2, 3, 3, 8)
    for frame in range(2):
        other = clip.copy()
        other[:, frame] += 1.0
        after = encoder(other)
        assert differ(after[:, 0], before[:, 0])
        assert_same_bits(after[:, 1:], before[:, 1:])


def test_masked_snippets_are_not_looked_at(clip):
    encoder = PretrainedVideoEncoder(small_kerashub.vit(), 2)
    mask = np.array([[True, False, True], [True, True, False]])
    before = encoder(clip, mask)
    clip[0, 2:4] = np.nan
    clip[1, 4:6] = 7.0
    assert_same_bits(encoder(clip, mask), before)


def test_frozen_features_have_no_weights_to_train(clip):
    encoder = PretrainedVideoEncoder(
        small_kerashub.vit(), 2, "attention", num_tokens=3, num_heads=2
    )
    encoder(clip)
    assert encoder.frozen
    summary = {id(weight) for weight in encoder.summary.weights}
    assert {id(weight) for weight in encoder.trainable_weights} == summary
    encoder.frozen = False
    assert len(encoder.trainable_weights) == len(encoder.weights)
    assert encoder.get_config()["frozen"] is False


def test_features_that_are_not_trained_have_no_dropout(clip):
    encoder = PretrainedVideoEncoder(small_kerashub.vit(dropout_rate=0.5), 2)
    still = encoder(clip)
    assert_same_bits(encoder(clip, training=True), still)
    encoder.frozen = False
    assert differ(encoder(clip, training=True), still)


def test_rematerialized_features_and_gradients_are_the_same(clip):
    encoders = [
        PretrainedVideoEncoder(
            small_kerashub.vit(), 2, frozen=False, rematerialize=again
        )
        for again in (False, True)
    ]
    for encoder in encoders:
        encoder.build(clip.shape)
    encoders[1].set_weights(encoders[0].get_weights())
    results = [_loss_and_gradients(encoder, clip) for encoder in encoders]
    for plain, again in zip(*results, strict=True):
        assert_close(again, plain)


def _loss_and_gradients(encoder, clip):
    def loss():
        return ops.mean(ops.square(encoder(clip, training=True)))

    return gradients(loss, encoder.trainable_weights)


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "shape, name, message",
    [
        ((1, 4, 24, 24, 3), "vit", r"\(2, 16, 16, 3\).*\(2, 24, 24, 3\)"),
        ((1, 4, 16, 16, 1), "vit", "frames of that size"),
        ((1, 6, 16, 16, 3), "video_prism", "`frames_per_snippet`"),
    ],
)
def test_frames_that_the_model_cannot_see_are_refused(shape, name, message):
    span = 3 if name == "video_prism" else 2
    encoder = PretrainedVideoEncoder(getattr(small_kerashub, name)(), span)
    with pytest.raises(ValueError, match=message):
        encoder.build(shape)


@pytest.mark.any_backend
def test_a_model_of_texts_is_refused():
    with pytest.raises(ValueError, match="GPT2Backbone with inputs"):
        PretrainedVideoEncoder(small_kerashub.gpt2(), 2)


@pytest.mark.any_backend
def test_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match="one of .*'max'"):
        PretrainedVideoEncoder(small_kerashub.vit(), 2, pooling="max")


def test_a_layer_on_its_own_is_saved_and_read(clip, tmp_path):
    inputs = keras.Input((None, 16, 16, 3))
    encoder = PretrainedVideoEncoder(small_kerashub.vit(), 2, pooling=None)
    saved = keras.Model(inputs, encoder(inputs))
    saved.save(tmp_path / "eyes.keras")
    loaded = keras.saving.load_model(tmp_path / "eyes.keras")
    assert_close(loaded(clip), saved(clip))
