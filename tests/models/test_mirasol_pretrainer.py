import inspect
import re

import keras
import numpy as np
import pytest
import small_models
from arrays import assert_close
from arrays import assert_same_bits
from arrays import differ
from arrays import randomize
from keras import ops
from pretrained import WEIGHTS
from pretrained import build_pretrainer
from pretrained import pretrained
from small_models import FRAMES

from keras_mirasol.layers import TextDecoder
from keras_mirasol.models import MirasolBackbone
from keras_mirasol.models import MirasolCausalLM
from keras_mirasol.models import MirasolPretrainer

OBJECTIVES = [
    "text",
    "latent",
    "frame",
    "spectrogram",
    "contrastive",
    "matching",
    "past",
]
TEMPERATURE = 0.1
# The shape of `pretrained().batch`, for which the task is compiled.
CLIPS, TEXTS, LENGTH = 4, 2, 17


def only(*names):
    """Weights of 1 for some objectives and 0 for all others."""
    return {f"{name}_weight": float(name in names) for name in OBJECTIVES}


def noise(seed=0):
    """A batch `(x, y, sample_weight)` of noise and random texts."""
    x = small_models.random_inputs(CLIPS, length=LENGTH, texts=TEXTS, seed=seed)
    shape = (CLIPS, TEXTS, LENGTH)
    for key in ("token_ids", "padding_mask"):
        x[key] = x[key].reshape(shape)
    y = np.roll(x["token_ids"], -1, axis=-1)
    return x, y, np.ones(shape, "float32")


def two_pairs():
    """Noise of which two clips with one text each count."""
    x, y, sample_weight = noise()
    sample_weight[:2, 1] = sample_weight[2:] = 0
    x["video_mask"][2:] = x["audio_mask"][2:] = False
    return x, y, sample_weight


def evaluated(pretrainer, batch):
    pretrainer.reset_metrics()
    return pretrainer.test_on_batch(*batch, return_dict=True)


def trained(pretrainer, batch):
    """What a step of training tracks, and how far it moves each weight.

    The step is Adam's first, about as long for small gradients as for large
    ones, and none where the gradient is zero.
    """
    before = pretrainer.get_weights()
    for variable in pretrainer.optimizer.variables:
        if variable.name != "learning_rate":
            variable.assign(ops.zeros(variable.shape))
    pretrainer.reset_metrics()
    values = pretrainer.train_on_batch(*batch, return_dict=True)
    after = pretrainer.get_weights()
    pretrainer.set_weights(before)
    return values, {
        weight.path: np.abs(old - new).max()
        for weight, old, new in zip(
            pretrainer.weights, before, after, strict=True
        )
    }


@pytest.fixture
def pretrainer():
    """All objectives, at random weights."""
    task = pretrained().pretrainer
    learned = task.get_weights()
    state = [ops.copy(v.value) for v in task.optimizer.variables]
    randomize(task)
    task.similarity.log_temperature.assign(np.log(TEMPERATURE))
    yield task
    task.set_weights(learned)
    for variable, value in zip(task.optimizer.variables, state, strict=True):
        variable.assign(value)


# Training


def test_every_loss_and_the_spread_are_tracked_by_name():
    assert sorted(pretrained().history) == sorted(
        [
            "loss",
            "token_accuracy",
            "joint_token_spread",
            *(f"{name}_loss" for name in OBJECTIVES),
        ]
    )


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_is_learned(name):
    losses = pretrained().history[f"{name}_loss"]
    # One of three pairs of `matching` is right: who knows no more than that
    # has a loss of 0.64.
    assert losses[-1] < (0.5 if name == "matching" else losses[0] / 2)


def test_joint_tokens_do_not_collapse():
    spread = pretrained().history["joint_token_spread"]
    assert min(spread) > 0.1 * spread[0]


@pytest.mark.any_backend
def test_a_collapse_would_show(monkeypatch):
    # Predicting tokens that may follow the prediction, and nothing else.
    monkeypatch.setattr(ops, "stop_gradient", lambda x: x)
    task = build_pretrainer(**only("latent"))
    task.compile(keras.optimizers.Adam(3e-2))
    spread = [trained(task, noise())[0]["joint_token_spread"]]
    for _ in range(60):
        task.train_on_batch(*noise())
    spread.append(trained(task, noise())[0]["joint_token_spread"])
    assert spread[1] < 0.1 * spread[0]


def test_the_loss_is_the_weighted_sum_of_those_tracked(pretrainer):
    values = evaluated(pretrainer, noise())
    expected = sum(
        WEIGHTS[f"{name}_weight"] * values[f"{name}_loss"]
        for name in OBJECTIVES
    )
    np.testing.assert_allclose(values["loss"], expected, rtol=1e-5)
    assert all(values[f"{name}_loss"] > 0 for name in OBJECTIVES)


def is_of_no_use(path):
    """A bias of keys, which softmax takes out where nothing turns the keys."""
    rotary = re.search("text_decoder/.*self_attention", path)
    return path.endswith("key/bias") and not rotary


def test_every_weight_learns(pretrainer):
    values, moved = trained(pretrainer, noise())
    assert all(np.isfinite(value) for value in values.values())
    assert all(np.isfinite(size) for size in moved.values())
    useful = {p: size for p, size in moved.items() if not is_of_no_use(p)}
    assert min(useful.values()) > 1e-3, min(useful, key=useful.get)
    names = " ".join(useful)
    for part in ("log_temperature", "mask_token", "clip_embedding/query"):
        assert part in names


@pytest.mark.parametrize(
    "mask, encoder",
    [("video_mask", "video_encoder"), ("audio_mask", "audio_encoder")],
)
def test_an_encoder_learns_nothing_without_its_modality(
    pretrainer, mask, encoder
):
    batch = noise()
    batch[0][mask][:] = False
    _, moved = trained(pretrainer, batch)
    assert not any(size for path, size in moved.items() if encoder in path)
    other = {"video_encoder", "audio_encoder"} - {encoder}
    for part in (*other, "combiner", "snippet_transformer", "text_decoder"):
        assert any(size for path, size in moved.items() if part in path), part


# Weights of zero


OUTPUTS = {
    "text": {"logits"},
    "latent": {"predicted_joint_tokens"},
    "frame": {"frames"},
    "spectrogram": {"spectrogram"},
    "contrastive": {"clip_embeddings", "text_embeddings"},
    "matching": {"match_logits", "snippet_latents"},
    "past": {"past_joint_tokens"},
}
LAYERS = {
    "latent": {"next_latent_predictor"},
    "frame": {"frame_reconstruction"},
    "spectrogram": {"spectrogram_reconstruction"},
    "contrastive": {"clip_embedding", "text_embedding", "similarity"},
    "matching": {"matching_head"},
    "past": {"past_latent_predictor"},
}


@pytest.fixture(scope="module")
def backbone():
    return small_models.build_backbone()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_weight_of_zero_leaves_an_objective_and_its_layers_out(
    backbone, name
):
    others = [other for other in OBJECTIVES if other != name]
    task = build_pretrainer(backbone=backbone, **only(*others))
    assert list(task.loss_trackers) == others
    assert set(task.output) == {"joint_tokens"}.union(
        *(OUTPUTS[other] for other in others)
    )
    names = {layer.name for layer in task._flatten_layers()}
    left_out = LAYERS.get(name, set())
    assert not left_out & names
    assert set().union(*LAYERS.values()) - left_out <= names


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "name, decoded",
    [
        # Texts by themselves, and not with their clips.
        ("contrastive", [CLIPS * TEXTS]),
        # With their clips; then each with a wrong clip, and each clip with a
        # wrong text.
        ("matching", [CLIPS * TEXTS, CLIPS * TEXTS + CLIPS]),
    ],
)
def test_an_objective_alone_decodes_no_more_than_it_needs(
    backbone, monkeypatch, name, decoded
):
    rows = []
    call = TextDecoder.call

    def counted(self, x, *args, **kwargs):
        if isinstance(x.shape[0], int):
            rows.append(x.shape[0])
        return call(self, x, *args, **kwargs)

    task = build_pretrainer(backbone=backbone, **only(name))
    monkeypatch.setattr(TextDecoder, "call", counted)
    values = evaluated(task, noise())
    assert rows == decoded
    assert values["loss"] == values[f"{name}_loss"] > 0
    assert sorted(values) == sorted(
        ["loss", f"{name}_loss", "joint_token_spread"]
    )


# Contrast and matching


def test_contrast_is_that_of_the_embeddings(pretrainer):
    x, y, sample_weight = noise()
    # What is told first of clips 0 and 1 is the same, nothing else is told of
    # clip 1, nothing at all of clip 3, and clip 2 is not there.
    x["token_ids"][1, 0] = x["token_ids"][0, 0]
    sample_weight[1, 1] = sample_weight[3] = 0
    x["video_mask"][2] = x["audio_mask"][2] = False
    outputs = pretrainer.predict_on_batch(x)
    texts = outputs["text_embeddings"].reshape(CLIPS * TEXTS, -1)
    s = texts @ outputs["clip_embeddings"].T / TEMPERATURE
    e = np.exp(s)
    # Texts 0 and 1 are of clip 0, text 2 of clip 1, and 4 and 5 of none.
    terms = [
        np.log1p(e[0, 3] / e[0, 0]),
        np.log1p((e[1, 1] + e[1, 3]) / e[1, 0]),
        np.log1p(e[2, 3] / e[2, 1]),
        *[np.log1p((e[4, 0] + e[5, 0]) / e[i, 0]) for i in (0, 1)],
        np.log1p((e[1, 1] + e[4, 1] + e[5, 1]) / e[2, 1]),
    ]
    values = evaluated(pretrainer, (x, y, sample_weight))
    assert_close(values["contrastive_loss"], np.mean(terms), atol=1e-4)


def test_matching_meets_the_wrong_clips_and_texts(pretrainer):
    x, y, sample_weight = two_pairs()
    right = pretrainer.predict_on_batch(x)["match_logits"][:2, 0]
    swapped = {**x, "token_ids": x["token_ids"][[1, 0, 2, 3]]}
    wrong = pretrainer.predict_on_batch(swapped)["match_logits"][:2, 0]
    # Each text meets the other clip, and each clip the other text: all wrong
    # pairs are met twice.
    values = evaluated(pretrainer, (x, y, sample_weight))
    terms = [*np.log1p(np.exp(-right)), *2 * [*np.log1p(np.exp(wrong))]]
    assert_close(values["matching_loss"], np.mean(terms), atol=1e-4)


def test_texts_and_clips_are_embedded_by_themselves(pretrainer):
    x, _, _ = noise()
    before = pretrainer.predict_on_batch(x)
    assert before["text_embeddings"].shape == (CLIPS, TEXTS, 8)
    assert before["clip_embeddings"].shape == (CLIPS, 8)
    # All texts change places; the masks are alike.
    turned = x["token_ids"][::-1, ::-1].copy()
    after = pretrainer.predict_on_batch({**x, "token_ids": turned})
    assert_close(after["clip_embeddings"], before["clip_embeddings"])
    assert_close(
        after["text_embeddings"], before["text_embeddings"][::-1, ::-1]
    )
    assert differ(after["match_logits"], before["match_logits"][::-1, ::-1])


@pytest.mark.any_backend
def test_a_single_clip_adds_nothing_but_breaks_nothing(pretrainer):
    x, y, sample_weight = two_pairs()
    x["video_mask"][1] = x["audio_mask"][1] = False
    sample_weight[1] = 0
    values, moved = trained(pretrainer, (x, y, sample_weight))
    assert values["contrastive_loss"] == values["matching_loss"] == 0
    assert values["text_loss"] > 0
    assert all(np.isfinite(size) for size in moved.values())


# Masking


def test_masking_hides_joint_tokens_in_training(pretrainer):
    # By chance, one step may hide what another does, or nothing.
    steps = [trained(pretrainer, noise())[0] for _ in range(4)]
    plain = evaluated(pretrainer, noise())
    for name in ("text_loss", "frame_loss", "latent_loss"):
        values = np.array([step[name] for step in steps])
        assert np.ptp(values) > 1e-4
        assert np.abs(values - plain[name]).max() > 1e-4
    # What is to be predicted stays.
    assert_close(steps[0]["joint_token_spread"], plain["joint_token_spread"])


@pytest.mark.any_backend
def test_masking_hides_nothing_elsewhere(pretrainer):
    # Where two pairs leave no choice of negatives, nothing is left to chance.
    first, second = (evaluated(pretrainer, two_pairs()) for _ in "12")
    assert first == second
    x, _, _ = noise()
    outputs = pretrainer.predict_on_batch(x)
    backbone = pretrainer.backbone.predict_on_batch(
        {
            **x,
            "token_ids": x["token_ids"].reshape(-1, LENGTH),
            "padding_mask": x["padding_mask"].reshape(-1, LENGTH),
        }
    )
    for name in ("joint_tokens", "snippet_latents"):
        assert_close(outputs[name], backbone[name], atol=1e-4)
    embeddings = ops.convert_to_numpy(
        pretrainer.backbone.token_embedding.embeddings
    )
    assert_close(
        outputs["logits"].reshape(CLIPS * TEXTS, LENGTH, -1),
        backbone["sequence_output"] @ embeddings.T,
        atol=1e-3,
    )


def test_without_masking_there_is_no_mask_token(backbone):
    plain = build_pretrainer(backbone=backbone)
    names = {layer.name for layer in plain._flatten_layers()}
    assert "joint_token_masking" not in names
    masking = build_pretrainer(backbone=backbone, mask_rate=0.1)
    width = backbone.hidden_dim
    assert plain.count_params() == masking.count_params() - width


# Saving


def assert_same_weights(copy, original):
    for mine, yours in zip(copy.weights, original.weights, strict=True):
        assert mine.path.split("/")[-2:] == yours.path.split("/")[-2:]
        assert_same_bits(mine, yours)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("pretrained"))
    pretrained().pretrainer.save_to_preset(path)
    return path


@pytest.mark.any_backend
def test_the_pretrained_backbone_answers_with_no_conversion(preset):
    task = MirasolCausalLM.from_preset(preset)
    assert type(task) is MirasolCausalLM
    x, y, sample_weight = pretrained().batch
    original = pretrained().pretrainer
    logits = task.predict_on_batch(x)["logits"]
    assert_close(logits, original.predict_on_batch(x)["logits"])
    response = sample_weight > 0
    assert_same_bits(logits.argmax(-1)[response], y[response])

    direct = MirasolCausalLM(original.backbone, original.preprocessor)
    assert_same_weights(task.backbone, direct.backbone)
    assert_same_weights(MirasolBackbone.from_preset(preset), direct.backbone)


def test_a_preset_of_ones_own(preset):
    original = pretrained().pretrainer
    copy = MirasolPretrainer.from_preset(preset)
    assert copy.get_config() == original.get_config()
    assert_same_weights(copy, original)
    config = original.preprocessor.get_config()
    assert copy.preprocessor.get_config() == config


def test_saving_whole_keeps_weights_and_optimizer(tmp_path):
    original = pretrained().pretrainer
    original.save(tmp_path / "task.keras")
    copy = keras.saving.load_model(tmp_path / "task.keras")
    assert_same_weights(copy, original)
    assert isinstance(copy.optimizer, keras.optimizers.Adam)
    for mine, yours in zip(
        copy.optimizer.variables, original.optimizer.variables, strict=True
    ):
        assert_same_bits(mine, yours)


def test_the_backbone_of_any_preset_can_be_pretrained(tmp_path):
    lm = small_models.shared_task()
    lm.save_to_preset(str(tmp_path))
    task = MirasolPretrainer.from_preset(str(tmp_path), matching_weight=0.0)
    assert task.get_config()["matching_weight"] == 0
    assert_same_weights(task.backbone, lm.backbone)


def test_every_argument_is_in_the_config():
    settings = dict(
        **{name: 0.25 for name in WEIGHTS},
        past_lag=3,
        embedding_dim=6,
        mask_rate=0.25,
        frame_downsampling=2,
        mel_downsampling=4,
        seed=7,
        name="mirasol",
    )
    task = build_pretrainer(small_models.build_preprocessor(), **settings)
    arguments = inspect.signature(MirasolPretrainer).parameters
    assert set(arguments) - {"backbone", "preprocessor", "kwargs"} <= set(
        settings
    )
    config = task.get_config()
    assert {key: config[key] for key in settings} == settings
    copy = MirasolPretrainer.from_config(config)
    assert copy.get_config() == task.get_config()
    assert copy.count_params() == task.count_params()


@pytest.mark.parametrize("lag", [0, -1, 1.5, "2"])
def test_a_past_that_is_not_past_is_refused(backbone, lag):
    with pytest.raises(ValueError, match="`past_lag` must be how many"):
        build_pretrainer(backbone=backbone, past_lag=lag)


@pytest.mark.parametrize(
    "argument", ["loss", "loss_weights", "metrics", "weighted_metrics"]
)
def test_compile_refuses_what_belongs_to_the_model(backbone, argument):
    task = build_pretrainer(backbone=backbone)
    words = f"`{argument}` cannot be set.*of `MirasolPretrainer`"
    with pytest.raises(ValueError, match=words):
        task.compile(**{argument: ["mse"]})


def test_a_preprocessor_for_another_backbone_is_refused(backbone):
    preprocessor = small_models.build_preprocessor(
        frames_per_snippet=2 * FRAMES, audio_frames_per_snippet=10
    )
    with pytest.raises(ValueError, match="`frames_per_snippet` is 4"):
        build_pretrainer(preprocessor, backbone)


def test_half_precision():
    backbone = small_models.build_backbone(dtype="mixed_bfloat16")
    task = build_pretrainer(backbone=backbone, mask_rate=0.5)
    assert {value.dtype for value in task.output.values()} == {"bfloat16"}
    values = evaluated(task, noise())
    assert all(np.isfinite(value) for value in values.values())


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="JAX always compiles, and PyTorch takes minutes to",
)
def test_a_step_compiles_whole():
    task = build_pretrainer(mask_rate=0.5)
    task.compile("sgd", jit_compile=True)
    values = task.train_on_batch(*noise(), return_dict=True)
    assert all(np.isfinite(value) for value in values.values())
