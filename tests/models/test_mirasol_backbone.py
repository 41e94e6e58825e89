import inspect
import json

import keras
import numpy as np
import pytest
import small_models
from keras import ops
from small_models import AUDIO_FRAMES
from small_models import BACKBONE
from small_models import FRAMES

from keras_mirasol.layers import AudioEncoder
from keras_mirasol.layers import TextDecoder
from keras_mirasol.layers import TokenTuringCombiner
from keras_mirasol.models import MirasolBackbone


@pytest.fixture(scope="module")
def backbone():
    return small_models.shared_task().backbone


READY = ("video_encoder", "audio_encoder", "token_embedding", "text_decoder")


@keras.saving.register_keras_serializable(package="tests")
class MeanColours(keras.layers.Layer):
    """An encoder of one's own: a token of each frame's mean colour."""

    def __init__(self, dim, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.projection = keras.layers.Dense(dim, name="projection")

    def build(self, x_shape):
        self.projection.build((None, None, None, x_shape[-1]))

    def call(self, x, snippet_mask=None):
        means = ops.mean(x, axis=(2, 3))
        means = ops.reshape(means, (ops.shape(x)[0], -1, FRAMES, 3))
        return self.projection(means)

    def compute_output_shape(self, x_shape, *_, **__):
        return (x_shape[0], None, FRAMES, self.dim)

    def get_config(self):
        return {**super().get_config(), "dim": self.dim}


def ready_parts():
    return {
        "video_encoder": MeanColours(6, name="mean_colours"),
        "audio_encoder": AudioEncoder(AUDIO_FRAMES, (5, 4), 8, 1, 2),
        "token_embedding": keras.layers.ReversibleEmbedding(258, 12),
        "text_decoder": TextDecoder(1, 12, 3, memory_dim=16),
    }


def without_sizes(*parts):
    """Settings of a backbone, save those of parts that are given ready."""
    return {
        key: value
        for key, value in BACKBONE.items()
        if key == "audio_frames_per_snippet"
        or not key.startswith(tuple(part.split("_")[0] for part in parts))
        and not (key == "tubes" and "video_encoder" in parts)
    }


def _config_with_nothing_default():
    return dict(
        vocabulary_size=40,
        frames_per_snippet=4,
        audio_frames_per_snippet=10,
        image_size=(16, 24),
        num_mels=8,
        num_joint_tokens=3,
        tubes=[
            {"kernel": (2, 4, 4)},
            {"kernel": (4, 2, 2), "stride": (4, 4, 4), "offset": (0, 1, 1)},
        ],
        audio_patch_size=(5, 4),
        video_hidden_dim=8,
        video_num_layers=2,
        video_num_heads=4,
        audio_hidden_dim=12,
        audio_num_layers=3,
        audio_num_heads=3,
        hidden_dim=20,
        num_heads=5,
        combiner_num_layers=2,
        latent_num_layers=3,
        text_hidden_dim=16,
        text_num_layers=2,
        text_num_heads=8,
        combiner="token_turing",
        combiner_settings={"memory_size": 6, "write": "erase_and_add"},
        stem_filters=(6,),
        snippet_seconds=0.5,
        time_wavelengths=(1.0, 50.0),
        dropout=0.1,
        rematerialize=("combiner", "text_decoder"),
        snippets_per_slice=3,
        dtype="float32",
        name="ears_and_eyes",
        trainable=False,
    )


def test_outputs_have_the_documented_keys_and_shapes(backbone):
    outputs = backbone.predict_on_batch(small_models.random_inputs())
    assert {key: value.shape for key, value in outputs.items()} == {
        "joint_tokens": (2, 3, 2, 16),
        "snippet_latents": (2, 3, 2, 16),
        "sequence_output": (2, 6, 16),
    }
    assert all(np.isfinite(value).all() for value in outputs.values())


def test_symbolic_shapes_leave_batch_snippets_and_length_open(backbone):
    assert {k: tuple(v.shape) for k, v in backbone.input.items()} == {
        "pixel_values": (None, None, 16, 16, 3),
        "audio_features": (None, None, 16),
        "video_mask": (None, None),
        "audio_mask": (None, None),
        "token_ids": (None, None),
        "padding_mask": (None, None),
    }
    assert {k: tuple(v.shape) for k, v in backbone.output.items()} == {
        "joint_tokens": (None, None, 2, 16),
        "snippet_latents": (None, None, 2, 16),
        "sequence_output": (None, None, 16),
    }


def test_the_same_weights_take_any_number_of_snippets_and_tokens(backbone):
    inputs = small_models.random_inputs(snippets=3, length=6)
    whole = backbone.predict_on_batch(inputs)
    # A third of everything: one snippet, two tokens.
    start = {key: x[:, : x.shape[1] // 3] for key, x in inputs.items()}
    part = backbone.predict_on_batch(start)
    assert part["snippet_latents"].shape == (2, 1, 2, 16)
    assert part["sequence_output"].shape == (2, 2, 16)
    # Nothing earlier depends on what is later, nor on how much there is.
    for key in ("joint_tokens", "snippet_latents"):
        np.testing.assert_allclose(part[key], whole[key][:, :1], atol=1e-5)
    assert not np.allclose(
        part["sequence_output"], whole["sequence_output"][:, :2], atol=1e-3
    )


def test_texts_of_a_clip_are_as_if_the_clip_were_repeated(backbone):
    inputs = small_models.random_inputs(texts=3)
    shared = backbone.predict_on_batch(inputs)["sequence_output"]
    repeated = {
        key: value if len(value) == 6 else np.repeat(value, 3, axis=0)
        for key, value in inputs.items()
    }
    alone = backbone.predict_on_batch(repeated)["sequence_output"]
    assert shared.shape == (6, 6, 16)
    np.testing.assert_allclose(shared, alone, atol=1e-5)


def test_every_argument_is_in_the_config():
    settings = _config_with_nothing_default()
    arguments = set(inspect.signature(MirasolBackbone).parameters) - {"kwargs"}
    # None of them was forgotten here, save those that others stand for.
    assert arguments - set(READY) <= set(settings)
    backbone = MirasolBackbone(**settings)
    config = backbone.get_config()
    for key, value in settings.items():
        if key == "tubes":
            value = [
                {"kernel": (2, 4, 4), "stride": (2, 4, 4), "offset": (0, 0, 0)},
                value[1],
            ]
        if key == "dtype":
            assert config[key]["config"] == {"name": "float32"}
        else:
            assert config[key] == value, key


def test_round_trip_through_json():
    backbone = MirasolBackbone(**_config_with_nothing_default())
    config = backbone.get_config()
    copy = MirasolBackbone.from_config(json.loads(json.dumps(config)))
    assert json.dumps(copy.get_config()) == json.dumps(config)
    assert [(w.path, w.shape) for w in copy.weights] == [
        (w.path, w.shape) for w in backbone.weights
    ]
    assert not copy.trainable_weights


def test_parameter_count():
    # Four different widths, so that none may stand for another.
    backbone = small_models.build_backbone(
        video_hidden_dim=8, audio_hidden_dim=12, text_hidden_dim=20
    )

    def block(dim):
        norms, attention = 2 * 2 * dim, 4 * (dim * dim + dim)
        mlp = (dim * 4 * dim + 4 * dim) + (4 * dim * dim + dim)
        return norms + attention + mlp

    counts = {
        # One tube of 2 x 8 x 8 RGB pixels, its norm, the positions' gain.
        "video_encoder": (2 * 8 * 8 * 3 * 8 + 8) + 16 + 1 + block(8) + 16,
        # Patches of 5 spectrogram frames by 8 mels.
        "audio_encoder": (5 * 8 * 12 + 12) + 24 + 1 + block(12) + 24,
        # Projections of both, two learned queries.
        "combiner": (8 * 16 + 16) + (12 * 16 + 16) + 2 * 16 + block(16) + 32,
        # The norm of what comes in, two places, the positions' gain.
        "snippet_transformer": 32 + 2 * 16 + 1 + block(16) + 32,
        "token_embedding": 258 * 20,
        # "Nothing", and cross attention from 20 to 16 wide latents.
        "text_decoder": 16
        + block(20)
        + 40
        + 40
        + 2 * (20 * 20 + 20)
        + 2 * (16 * 20 + 20),
    }
    assert {
        name: getattr(backbone, name).count_params() for name in counts
    } == counts
    assert backbone.count_params() == sum(counts.values()) == 25319


def test_weights_have_the_same_names_in_every_model(backbone):
    # What a counter names changes with what was built before.
    paths = [weight.path for weight in backbone.weights]
    again = [weight.path for weight in small_models.build_backbone().weights]
    assert paths == again
    assert len(set(paths)) == len(paths)
    assert {path.split("/")[0] for path in paths} == {
        "video_encoder",
        "audio_encoder",
        "combiner",
        "snippet_transformer",
        "token_embedding",
        "text_decoder",
    }


def test_half_precision_computes_what_single_precision_does(backbone):
    half = small_models.build_backbone(dtype="mixed_bfloat16")
    half.set_weights(backbone.get_weights())
    inputs = small_models.random_inputs()
    outputs = half.predict_on_batch(inputs)
    expected = backbone.predict_on_batch(inputs)
    assert {str(weight.dtype) for weight in half.weights} == {"float32"}
    assert {
        str(keras.backend.standardize_dtype(v.dtype))
        for v in half.output.values()
    } == {"bfloat16"}
    for key, value in outputs.items():
        # Three digits are what is left after some ten operations.
        np.testing.assert_allclose(
            value.astype("float32"), expected[key], atol=0.1
        )
    copy = MirasolBackbone.from_config(half.get_config())
    assert copy.dtype_policy.name == "mixed_bfloat16"


@keras.saving.register_keras_serializable(package="tests")
class MeanCombiner(keras.layers.Layer):
    """The mean of the tokens there are, once for each joint token."""

    def __init__(self, num_joint_tokens, dim, **kwargs):
        super().__init__(**kwargs)
        self.num_joint_tokens = num_joint_tokens
        self.dim = dim
        self.dense = keras.layers.Dense(num_joint_tokens * dim, name="dense")

    def build(
        self,
        video_tokens_shape,
        audio_tokens_shape,
        video_mask_shape,
        audio_mask_shape,
    ):
        self.dense.build((None, None, video_tokens_shape[-1]))

    def call(self, video_tokens, audio_tokens, video_mask, audio_mask):
        tokens = ops.mean(video_tokens, axis=2) * ops.cast(
            video_mask[..., None], "float32"
        ) + ops.mean(audio_tokens, axis=2) * ops.cast(
            audio_mask[..., None], "float32"
        )
        batch, count = ops.shape(tokens)[:2]
        return ops.reshape(
            self.dense(tokens), (batch, count, self.num_joint_tokens, self.dim)
        )

    def compute_output_shape(self, video_tokens_shape, *_, **__):
        return (*video_tokens_shape[:2], self.num_joint_tokens, self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_joint_tokens": self.num_joint_tokens,
            "dim": self.dim,
        }


def test_a_combiner_of_ones_own_survives_saving(tmp_path):
    backbone = small_models.build_backbone(combiner=MeanCombiner(2, 16))
    inputs = small_models.random_inputs()
    expected = backbone.predict_on_batch(inputs)
    # A copy of a copy, for a config may serialise well only once.
    for generation in range(2):
        path = tmp_path / f"{generation}.keras"
        backbone.save(path)
        backbone = keras.saving.load_model(path)
        assert isinstance(backbone.combiner, MeanCombiner)
    outputs = backbone.predict_on_batch(inputs)
    for key in expected:
        np.testing.assert_array_equal(outputs[key], expected[key])


def test_a_combiner_chosen_by_name_gets_sizes_and_settings():
    backbone = small_models.build_backbone(
        combiner="token_turing",
        combiner_settings={"memory_size": 3, "read": "weighted_sum"},
        combiner_num_layers=2,
        time_wavelengths=(0.5, 20.0),
        dropout=0.1,
        dtype="mixed_bfloat16",
    )
    assert isinstance(backbone.combiner, TokenTuringCombiner)
    expected = dict(
        num_joint_tokens=2,
        dim=16,
        num_layers=2,
        num_heads=2,
        memory_size=3,
        read="weighted_sum",
        write="attention",
        snippet_seconds=0.25,
        wavelengths=(0.5, 20.0),
        dropout=0.1,
    )
    config = backbone.combiner.get_config()
    assert {key: config[key] for key in expected} == expected
    assert backbone.combiner.compute_dtype == "bfloat16"


def test_joint_tokens_of_a_token_turing_machine_remember():
    backbone = small_models.build_backbone(combiner="token_turing")
    inputs = small_models.random_inputs()
    before = backbone.predict_on_batch(inputs)["joint_tokens"]
    inputs["pixel_values"][:, :FRAMES] = 0
    after = backbone.predict_on_batch(inputs)["joint_tokens"]
    # Untrained, it remembers little.
    assert np.abs(after[:, 2] - before[:, 2]).max() > 1e-5
    assert after.shape == (2, 3, 2, 16)


def test_an_unknown_combiner_is_refused():
    with pytest.raises(ValueError, match='"token_turing".*Received: mean'):
        small_models.build_backbone(combiner="mean")


def test_settings_of_a_combiner_that_is_a_layer_are_refused():
    with pytest.raises(ValueError, match="MeanCombiner its arguments"):
        small_models.build_backbone(
            combiner=MeanCombiner(2, 16), combiner_settings={"dim": 8}
        )


# Parts of one's own


def test_parts_may_be_given_ready_and_are_saved(tmp_path):
    parts = ready_parts()
    backbone = MirasolBackbone(**without_sizes(*parts), **parts)
    for name, layer in parts.items():
        assert getattr(backbone, name) is layer
    inputs = small_models.random_inputs()
    outputs = backbone.predict_on_batch(inputs)
    assert outputs["sequence_output"].shape == (2, 6, 12)
    # What the encoder sees reaches the text.
    inputs["pixel_values"] = inputs["pixel_values"] + 1
    other = backbone.predict_on_batch(inputs)
    assert np.abs(other["sequence_output"] - outputs["sequence_output"]).max()

    backbone.save_to_preset(str(tmp_path))
    loaded = MirasolBackbone.from_preset(str(tmp_path))
    assert type(loaded.video_encoder) is MeanColours
    assert json.dumps(loaded.get_config()) == json.dumps(backbone.get_config())
    again = loaded.predict_on_batch(inputs)
    for key, value in other.items():
        np.testing.assert_allclose(again[key], value, atol=1e-6)


@pytest.mark.parametrize("name", READY)
def test_one_part_alone_may_be_given_ready(name):
    if name in ("token_embedding", "text_decoder"):
        settings = dict(BACKBONE, text_hidden_dim=12)
        if name == "text_decoder":
            del settings["text_num_layers"], settings["text_num_heads"]
        else:
            settings["text_num_heads"] = 3
    else:
        settings = without_sizes(name)
    backbone = MirasolBackbone(**settings, **{name: ready_parts()[name]})
    config = backbone.get_config()
    assert [part for part in READY if config[part] is not None] == [name]
    backbone.predict_on_batch(small_models.random_inputs())


def test_sizes_of_a_part_that_is_given_are_refused():
    encoder = ready_parts()["audio_encoder"]
    with pytest.raises(ValueError, match="audio_num_layers.*`audio_encoder`"):
        MirasolBackbone(**BACKBONE, audio_encoder=encoder)


def test_a_part_is_given_or_all_of_its_sizes():
    settings = {**BACKBONE, "video_num_layers": None}
    with pytest.raises(ValueError, match="`video_encoder`.*layers': None"):
        MirasolBackbone(**settings)


def test_a_part_must_be_a_layer():
    settings = without_sizes("video_encoder")
    with pytest.raises(ValueError, match="of `VideoEncoder`. Received: 'vit'"):
        MirasolBackbone(**settings, video_encoder="vit")


def test_frames_that_make_no_whole_snippets_are_refused(backbone):
    inputs = small_models.random_inputs()
    inputs["pixel_values"] = inputs["pixel_values"][:, :-1]
    with pytest.raises(ValueError) as raised:
        backbone({key: ops.convert_to_tensor(v) for key, v in inputs.items()})
    assert f"snippets of {FRAMES} steps" in str(raised.value)
    assert "5 steps" in str(raised.value)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"hidden_dim": 15}, "dim=15, num_heads=2"),
        ({"tubes": [{"kernel": (3, 8, 8)}]}, r"\(3, 8, 8\).*does not fit"),
        (
            {"audio_patch_size": (3, 8)},
            r"\(3, 8\).*5 spectrogram frames of 16 mels",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        MirasolBackbone(**{**BACKBONE, **change})


def test_weights_come_in_one_order_on_every_backend(backbone):
    # A saved optimizer's moments are found by it.
    parts = [weight.path.split("/")[0] for weight in backbone.trainable_weights]
    assert list(dict.fromkeys(parts)) == [
        "video_encoder",
        "audio_encoder",
        "combiner",
        "token_embedding",
        "snippet_transformer",
        "text_decoder",
    ]
