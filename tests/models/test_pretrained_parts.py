import keras
import keras_hub
import numpy as np
import pytest
import small_kerashub
import small_models
import small_parts
import tensorflow as tf
from arrays import assert_close
from arrays import assert_same_bits
from keras import ops

from keras_mirasol.models import MirasolBackbone
from keras_mirasol.models import MirasolCausalLM
from keras_mirasol.models import MirasolPretrainer

TEXTS = {"prompts": ["see?", "a cat"], "responses": ["at", "b"]}


@pytest.fixture(scope="module")
def parts():
    return small_parts.parts()


@pytest.fixture(scope="module")
def task(parts):
    return small_parts.build_task(**parts)


@pytest.fixture(scope="module")
def clips():
    clips = [small_models.random_clip(seed=seed) for seed in (0, 1)]
    return {key: [clip[key] for clip in clips] for key in clips[0]}


@pytest.fixture(scope="module")
def inputs(task, clips):
    x, _, _ = task.preprocessor({**clips, **TEXTS})
    return x


def test_before_training_it_is_the_language_model(parts, task, inputs):
    backbone, _ = parts["text"]
    language_model = keras_hub.models.GPT2CausalLM(backbone)
    own = language_model(
        {key: inputs[key] for key in ("token_ids", "padding_mask")}
    )
    real = inputs["padding_mask"]
    logits = task(inputs)["logits"]
    assert_close(logits[real], own[real], atol=1e-4)


def test_before_training_it_writes_what_the_language_model_writes(
    parts, task, clips
):
    backbone, tokenizer = parts["text"]
    language_model = keras_hub.models.GPT2CausalLM(backbone)
    language_model.compile(sampler="greedy", **small_models.QUICKLY)
    given = task.preprocessor.generate_preprocess(
        {**clips, "prompts": TEXTS["prompts"]}
    )
    own = language_model.generate(
        {key: given[key] for key in ("token_ids", "padding_mask")},
        stop_token_ids=None,
    )
    written = task.generate_function or task.make_generate_function()
    written = written(given, stop_token_ids=None)
    assert_same_bits(written["token_ids"], own["token_ids"])


def test_clips_are_converted_as_the_models_want_them(task, clips):
    features = task.preprocessor.preprocess_clip(
        clips["videos"][0], clips["audio"][0]
    )
    # In a pipeline: backends differ in what they call bicubic.
    frames = tf.data.Dataset.from_tensors(clips["videos"][0])
    own = next(iter(frames.map(small_parts.image_converter())))
    assert_close(features["pixel_values"], own.numpy(), atol=1e-4)
    snippet = clips["audio"][0][: small_models.SAMPLES]
    whisper = keras_hub.layers.WhisperAudioConverter.from_config(
        small_parts.audio_converter().get_config()
    )
    whisper.num_samples = small_models.SAMPLES
    assert_close(
        features["audio_features"][: small_models.AUDIO_FRAMES],
        whisper(snippet),
        atol=1e-4,
    )


@pytest.mark.any_backend
def test_the_report_tells_what_was_taken_and_what_was_left(parts, task):
    report = task.backbone.parts_report
    of = {part.name: part for part in report.parts}
    vit, whisper = parts["video"][0], parts["audio"][0]
    assert of["video_encoder"].taken == vit.count_params()
    assert of["video_encoder"].new == of["video_encoder"].trained == 0
    # Positions of three tokens in time.
    assert of["audio_encoder"].new == of["audio_encoder"].trained == 3 * 8
    assert of["token_embedding"].taken == 258 * 8
    assert of["token_embedding"].trained == 0
    gates = task.backbone.text_decoder.gates
    new = sum(gate.count_params() for gate in gates) + 16
    assert of["text_decoder"].new == of["text_decoder"].trained == new
    for name in ("combiner", "snippet_transformer"):
        assert of[name].taken == 0 and of[name].source == ""
        assert of[name].new == getattr(task.backbone, name).count_params()
    total = sum(part.taken + part.new for part in report.parts)
    assert total == task.backbone.count_params()
    (left,) = report.left_behind.values()
    assert left == [
        layer.name
        for layer in whisper.layers
        if "decoder" in layer.name and layer.weights
    ]
    printed = str(report)
    assert "ViTBackbone (video)" in printed
    assert "Left behind of WhisperBackbone (audio): decoder" in printed


def test_a_step_trains_what_is_new_and_nothing_else(clips):
    task = small_parts.build_task()
    new = {"combiner", "snippet_transformer"}
    x, y, sample_weight = task.preprocessor({**clips, **TEXTS})
    for gate in task.backbone.text_decoder.gates:
        gate.gate.assign(0.5)
    before = {w.path: ops.convert_to_numpy(w) for w in task.weights}
    task.compile(keras.optimizers.SGD(10.0), **small_models.QUICKLY)
    task.train_on_batch(x, y, sample_weight)
    changed = {
        w.path
        for w in task.weights
        if np.abs(ops.convert_to_numpy(w) - before[w.path]).max() > 0
    }
    backbone = task.backbone
    for name, part in backbone.pretrained_parts.items():
        taken = {w.path for w in part.weights} - {
            w.path for w in part.trainable_weights
        }
        assert taken, name
        assert not taken & changed, name
    assert not {w.path for w in backbone.token_embedding.weights} & changed
    for layer in (backbone.audio_encoder, *backbone.text_decoder.gates):
        assert {w.path for w in layer.trainable_weights} & changed
    for name in new:
        assert any(path.startswith(name) for path in changed), name


def test_lora_trains_few_weights_more_and_is_saved_with_the_preset(
    clips, tmp_path
):
    task = small_parts.build_task()
    before = {w.path for w in task.trainable_weights}
    task.backbone.enable_lora_of_parts(rank=2)
    added = [w for w in task.trainable_weights if w.path not in before]
    # Queries and values of two, one and two blocks.
    assert len(added) == 2 * 2 * 5
    assert all("lora" in weight.path for weight in added)
    for weight in added:
        weight.assign(np.ones(weight.shape))
    task.save_to_preset(tmp_path)
    loaded = MirasolCausalLM.from_preset(tmp_path)
    x, _, _ = task.preprocessor({**clips, **TEXTS})
    assert_close(loaded(x)["logits"], task(x)["logits"], atol=1e-4)
    assert {w.path for w in loaded.trainable_weights} == before


@pytest.mark.any_backend
def test_lora_without_pretrained_parts_is_refused():
    with pytest.raises(ValueError, match="no layer named one of"):
        small_models.build_backbone().enable_lora_of_parts()


@pytest.fixture(scope="module")
def presets(parts, tmp_path_factory):
    """Each part as a preset of KerasHub."""
    folder = tmp_path_factory.mktemp("presets")
    return small_parts.save_presets(folder, parts)


@pytest.mark.any_backend
def test_names_of_presets_are_all_that_is_needed(presets, task, clips):
    named = MirasolCausalLM.from_pretrained_parts(
        **presets, sequence_length=24, **small_parts.SETTINGS
    )
    inputs, _, _ = task.preprocessor({**clips, **TEXTS})
    for key, value in named.preprocessor({**clips, **TEXTS})[0].items():
        assert_close(value, inputs[key])
    # The same models, whose language model has the last word so far.
    assert_close(named(inputs)["logits"], task(inputs)["logits"], atol=1e-4)
    seen = named.backbone.video_encoder(inputs["pixel_values"])
    own = task.backbone.video_encoder(inputs["pixel_values"])
    assert_close(seen, own)
    assert presets["audio"] in str(named.backbone.parts_report)


@pytest.mark.any_backend
def test_without_weights_presets_are_built_anew(presets, inputs):
    one, other = (
        MirasolBackbone.from_pretrained_parts(
            **presets, load_weights=False, **small_parts.SETTINGS
        )
        for _ in range(2)
    )
    seen = [
        ops.convert_to_numpy(b.video_encoder(inputs["pixel_values"]))
        for b in (one, other)
    ]
    assert np.abs(seen[0] - seen[1]).max() > 1e-3


@pytest.mark.any_backend
def test_other_tasks_are_made_of_parts_too(parts):
    pretrainer = MirasolPretrainer.from_pretrained_parts(
        **parts, task_settings={"embedding_dim": 4}, **small_parts.SETTINGS
    )
    assert pretrainer.get_config()["embedding_dim"] == 4
    assert pretrainer.preprocessor.sequence_length == 128


@pytest.mark.any_backend
def test_parts_have_settings_of_their_own(parts):
    backbone = MirasolBackbone.from_pretrained_parts(
        **parts,
        **small_parts.SETTINGS,
        video_settings={
            "pooling": "attention",
            "num_tokens": 3,
            "num_heads": 2,
        },
        text_settings={"gate_every": 2},
    )
    assert backbone.video_encoder.num_tokens == 3
    assert len(backbone.text_decoder.gates) == 1


@pytest.mark.any_backend
def test_texts_longer_than_the_language_model_reads_are_refused(parts):
    with pytest.raises(ValueError, match="at most 128 tokens.*129"):
        MirasolCausalLM.from_pretrained_parts(
            **parts, **small_parts.SETTINGS, sequence_length=129
        )


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "changes, message",
    [
        ({"video": small_kerashub.vit}, "`video` must be the name of a preset"),
        (
            {"text": (small_kerashub.gpt2, small_parts.image_converter)},
            "its `Tokenizer`",
        ),
        ({"snippet_seconds": 0.26}, "whole number of audio frames.*5.2"),
        (
            {
                "video": (
                    lambda: small_kerashub.resnet(image_shape=(None, None, 3)),
                    keras_hub.layers.ImageConverter,
                )
            },
            "no size of images",
        ),
        (
            {
                "video": (
                    small_kerashub.vit,
                    lambda: keras_hub.layers.ImageConverter(
                        (16, 16),
                        crop_to_aspect_ratio=False,
                        pad_to_aspect_ratio=True,
                    ),
                )
            },
            "pad_to_aspect_ratio=False",
        ),
        (
            {"audio": (small_kerashub.vit, small_parts.audio_converter)},
            "A backbone that hears",
        ),
    ],
)
def test_what_cannot_be_a_part_is_refused(parts, changes, message):
    given = {
        name: tuple(make() for make in value)
        if isinstance(value, tuple)
        else value
        for name, value in changes.items()
    }
    with pytest.raises(ValueError, match=message):
        MirasolBackbone.from_pretrained_parts(
            **{**parts, **small_parts.SETTINGS, **given}
        )
