"""What all tasks have in common: training data, losses, presets, export."""

import gc
import json
import warnings

import keras
import numpy as np
import pytest
import small_models
import tensorflow as tf
from arrays import assert_close
from compiled import compiled
from keras import ops
from small_models import FRAMES
from small_models import SAMPLES
from small_models import SIZE

from keras_mirasol.models import MirasolBackbone
from keras_mirasol.models import MirasolCausalLM
from keras_mirasol.models import MirasolEmbedder
from keras_mirasol.models import MirasolPretrainer

WEIGHTS = dict(
    text_weight=2.0,
    latent_weight=0.5,
    frame_weight=0.25,
    spectrogram_weight=0.125,
)


def raw(clips=2, snippets=2, seed=0):
    """Clips of noise with a question each."""
    rng = np.random.default_rng(seed)
    shape = (clips, snippets * FRAMES, SIZE, SIZE, 3)
    return {
        "videos": rng.integers(0, 256, shape).astype("uint8"),
        "audio": rng.normal(0, 0.1, (clips, snippets * SAMPLES)).astype(
            "float32"
        ),
        "prompts": ["what?"] * clips,
        "responses": ["this", "that", "those"][:clips],
    }


def weighted_sum(logs):
    return sum(
        weight * logs.get(name.replace("_weight", "_loss"), 0.0)
        for name, weight in WEIGHTS.items()
    )


# Training


@pytest.fixture(scope="module")
def task():
    """A task whose weights stay as they are, compiled once."""
    task = small_models.build_task(**WEIGHTS)
    task.compile(keras.optimizers.SGD(0.0), **small_models.QUICKLY)
    return task


@pytest.mark.parametrize("kind", ["raw", "in tuples", "preprocessed"])
def test_fit_takes_a_python_generator(task, kind):
    def batches():
        for seed in range(2):
            x = raw(seed=seed)
            yield {
                "raw": lambda x: x,
                "in tuples": lambda x: (x,),
                "preprocessed": task.preprocessor,
            }[kind](x)

    expected = np.mean(
        [task.evaluate(raw(seed=seed), verbose=0)[0] for seed in range(2)]
    )
    history = task.fit(batches(), validation_data=batches(), verbose=0).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-4)
    assert history["val_loss"][0] == pytest.approx(expected, rel=1e-4)


def test_evaluate_and_predict_take_iterables_of_batches(task):
    whole = task.evaluate(raw(), verbose=0, return_dict=True)
    logs = task.evaluate(iter([raw()]), verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(whole["loss"], rel=1e-5)
    predicted = task.predict(iter([raw(), raw(seed=1)]), verbose=0)
    assert predicted["logits"].shape[0] == 4


def test_a_dataset_brings_no_warning_that_it_is_not_shuffled(task):
    dataset = tf.data.Dataset.from_tensors(task.preprocessor(raw()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        task.fit(dataset, verbose=0)
    assert not [w for w in caught if "shuffle" in str(w.message)]


def test_losses_add_up_where_the_last_batch_is_short(task):
    logs = task.evaluate(raw(3), batch_size=2, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(weighted_sum(logs), rel=1e-5)
    # Each clip counts alike, whatever batch it is in.
    parts = [
        task.evaluate(
            {key: value[part] for key, value in raw(3).items()},
            verbose=0,
            return_dict=True,
        )["text_loss"]
        for part in (slice(0, 2), slice(2, 3))
    ]
    expected = (2 * parts[0] + parts[1]) / 3
    assert logs["text_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="it makes them ragged"
)
def test_outputs_of_unequal_batches_are_not_joined(task):
    def batches():
        for snippets in (2, 3):
            x = small_models.random_inputs(batch=1, snippets=snippets)
            yield x, x["token_ids"]

    with pytest.raises(ValueError, match="(?s)not equally long.*num_snippets"):
        task.predict(batches(), verbose=0)


def test_what_layers_add_to_the_loss_is_learned_too():
    task = small_models.build_task(
        **{**WEIGHTS, "frame_weight": 0.0, "spectrogram_weight": 0.0}
    )
    norm = task.backbone.text_decoder.transformer.norm
    before = task.evaluate(raw(), verbose=0, return_dict=True)
    assert before["loss"] == pytest.approx(weighted_sum(before), rel=1e-5)
    regularizer = keras.regularizers.L2(0.25)
    norm.gamma.regularizer = regularizer
    task.compile(keras.optimizers.SGD(0.1), **small_models.QUICKLY)
    penalty = 0.25 * np.sum(ops.convert_to_numpy(norm.gamma) ** 2)
    logs = task.evaluate(raw(), verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(before["loss"] + penalty, rel=1e-5)
    # Nothing else is learned: what is left pulls the weights towards 0.
    for objective in task.objectives:
        objective.weight = 0.0
    task.fit(raw(), verbose=0)
    after = np.sum(ops.convert_to_numpy(norm.gamma) ** 2)
    assert after == pytest.approx(penalty / 0.25 * 0.95**2, rel=1e-4)


@pytest.mark.parametrize(
    "size, mels, patches",
    [(20, 12, (5, 3)), (24, 10, (3, 5)), (28, 14, (7, 7)), (44, 16, (11, 4))],
)
def test_reconstruction_fits_frames_of_any_size(size, mels, patches):
    task = small_models.build_task(
        None,
        small_models.build_backbone(
            image_size=size,
            num_mels=mels,
            audio_patch_size=(5, mels // 2),
            tubes=[{"kernel": (2, 4, 4)}],
            stem_filters=(),
        ),
    )
    heads = [
        task.get_layer(f"{name}_reconstruction")
        for name in ("frame", "spectrogram")
    ]
    assert heads[0].target_size[1:3] == (size // 4, size // 4)
    assert heads[0].patch_size[1:] == (patches[0], patches[0])
    assert heads[1].patch_size[1] == patches[1]


def test_downsampling_must_divide():
    backbone = small_models.build_backbone()
    for settings, words in (
        ({"frame_downsampling": 3}, f"frame_downsampling=3, image_size={SIZE}"),
        ({"mel_downsampling": 5}, "mel_downsampling=5, num_mels="),
    ):
        with pytest.raises(ValueError, match=words):
            small_models.build_task(None, backbone, **settings)


def test_durations_may_differ_in_their_last_bit():
    seconds = np.nextafter(small_models.build_backbone().snippet_seconds, 1)
    backbone = small_models.build_backbone(snippet_seconds=float(seconds))
    assert small_models.build_task(backbone=backbone).backbone is backbone


# Presets


def caught_warnings(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    return result, [
        str(w.message) for w in caught if issubclass(w.category, UserWarning)
    ]


@pytest.mark.any_backend
def test_a_preset_holds_no_state_of_the_optimizer(tmp_path):
    task = small_models.build_task(frame_weight=0.0, spectrogram_weight=0.0)
    task.save_to_preset(str(tmp_path / "new"))
    task.fit(raw(), verbose=0)
    assert task.optimizer.variables
    task.save_to_preset(str(tmp_path / "trained"))
    sizes = [
        (tmp_path / name / "task.weights.h5").stat().st_size
        for name in ("new", "trained")
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)
    # It goes on as before.
    task.fit(raw(), verbose=0)
    loaded, words = caught_warnings(
        lambda: MirasolCausalLM.from_preset(str(tmp_path / "trained"))
    )
    assert not words
    loaded.compile(**small_models.QUICKLY)
    loaded.fit(raw(), verbose=0)


def test_a_preset_names_the_task_and_has_what_is_used(tmp_path):
    small_models.build_task().save_to_preset(str(tmp_path))
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    assert metadata["tasks"] == ["MirasolCausalLM"]
    assert not (tmp_path / "image_converter.json").exists()


def test_layers_that_a_preset_has_no_weights_of_are_named(tmp_path):
    pretrainer = MirasolPretrainer(
        small_models.build_backbone(), embedding_dim=8
    )
    pretrainer.save_to_preset(str(tmp_path))
    _, words = caught_warnings(
        lambda: MirasolPretrainer.from_preset(str(tmp_path))
    )
    assert not words
    task, words = caught_warnings(
        lambda: MirasolCausalLM.from_preset(str(tmp_path), preprocessor=None)
    )
    assert len(words) == 1 and "MirasolCausalLM" in words[0]
    for name in ("frame_reconstruction", "next_latent_predictor"):
        assert name in words[0]
    assert "text_decoder" not in words[0]
    for mine, yours in zip(
        task.backbone.weights, pretrainer.backbone.weights, strict=True
    ):
        assert_close(mine, yours)
    _, words = caught_warnings(
        lambda: MirasolCausalLM.from_preset(
            str(tmp_path), preprocessor=None, load_weights=False
        )
    )
    assert not words


@pytest.mark.any_backend
def test_a_backbone_alone_has_no_heads(tmp_path):
    small_models.build_backbone().save_to_preset(str(tmp_path))
    with pytest.warns(UserWarning, match="frame_reconstruction"):
        MirasolCausalLM.from_preset(str(tmp_path), preprocessor=None)


@pytest.mark.any_backend
def test_an_embedder_from_elsewhere_is_the_one_that_was_saved(
    tmp_path, monkeypatch
):
    # What is fetched is kept there.
    (tmp_path / "kept").mkdir()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "kept"))
    pretrainer = MirasolPretrainer(
        small_models.build_backbone(),
        small_models.build_preprocessor(),
        embedding_dim=8,
    )
    embedder = MirasolEmbedder.from_pretrainer(pretrainer, "what?")
    folder = tmp_path / "embedder"
    embedder.save_to_preset(str(folder))
    # A file system of TensorFlow's, from which KerasHub fetches as from gs://.
    for path in folder.rglob("*"):
        if path.is_file():
            copy = f"ram://embedder/{path.relative_to(folder)}"
            tf.io.gfile.makedirs(copy.rpartition("/")[0])
            tf.io.gfile.copy(str(path), copy, overwrite=True)
    loaded = MirasolEmbedder.from_preset("ram://embedder")
    texts = ["this", "that"]
    assert loaded.prompt == "what?"
    assert_close(loaded.embed_texts(texts), embedder.embed_texts(texts))


def test_a_quantized_task_survives_saving(tmp_path, monkeypatch):
    # Keras has garbage collected for each layer, which here takes a minute.
    monkeypatch.setattr(gc, "collect", lambda *_: 0)
    task = small_models.build_task()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        task.quantize("int8")
    task.save_to_preset(str(tmp_path / "preset"))
    loaded = MirasolCausalLM.from_preset(str(tmp_path / "preset"))
    kernel = loaded.get_layer("frame_reconstruction").patch.kernel
    assert kernel.dtype == "int8"
    # All matrices, in the backbone too.
    wide = {w.path for w in loaded.weights if w.name == "kernel"} - {
        w.path for w in loaded.weights if w.dtype == "int8"
    }
    assert not {path for path in wide if "convolution" not in path}
    x, _, _ = task.preprocessor(raw())
    expected = compiled(task)(x)
    for name, value in compiled(loaded)(x).items():
        assert_close(value, expected[name])


# Export


def test_an_exported_task_gives_the_same(tmp_path):
    task = small_models.build_task()
    batches = [
        task.preprocessor(raw(clips, snippets))[0]
        for clips, snippets in ((2, 3), (3, 2))
    ]
    if keras.backend.backend() == "torch":
        torch = pytest.importorskip("torch")
        with pytest.raises(ValueError, match="`num_snippets`.*None"):
            task.export(str(tmp_path / "task.pt2"), format="torch")
        batches = batches[:1]
        length = batches[0]["token_ids"].shape[1]
        task.export(
            str(tmp_path / "task.pt2"),
            format="torch",
            batch_size=2,
            num_snippets=3,
            sequence_length=length,
            verbose=False,
        )
        module = torch.export.load(str(tmp_path / "task.pt2")).module()

        def serve(x):
            x = {key: torch.tensor(value) for key, value in x.items()}
            return {k: v.detach().numpy() for k, v in module(x).items()}

    else:
        task.export(str(tmp_path / "task"), verbose=False)
        exported = tf.saved_model.load(str(tmp_path / "task"))
        serve = exported.serve
    for x in batches:
        expected = task.predict(x, verbose=0)
        for name, value in serve(x).items():
            assert_close(np.asarray(value), expected[name], atol=1e-5)


def test_what_all_numbers_of_a_backbone_are_is_exported():
    from keras_mirasol.models.export_signature import export_signature
    from keras_mirasol.models.export_signature import polymorphic_shapes

    backbone = small_models.build_backbone()
    assert isinstance(backbone, MirasolBackbone)
    (signature,) = export_signature(backbone, None, 3, 7)
    assert set(signature) == set(backbone.input)
    assert signature["pixel_values"].shape == (None, 3 * FRAMES, SIZE, SIZE, 3)
    assert signature["audio_mask"].shape == (None, 3)
    assert signature["token_ids"].shape == (None, 7)
    (shapes,) = polymorphic_shapes(
        backbone, export_signature(backbone, None, None, None)
    )
    assert shapes["pixel_values"] == f"(batch, {FRAMES}*t, {SIZE}, {SIZE}, 3)"
    assert shapes["video_mask"] == shapes["audio_mask"] == "(batch, t)"
    assert shapes["token_ids"] == shapes["padding_mask"] == "(batch, l)"


# The backbone within


@pytest.mark.parametrize("name", ["causal lm", "pretrainer", "embedder"])
def test_the_backbone_is_one_layer_of_the_summary(name):
    backbone = small_models.build_backbone()
    pretrainer = MirasolPretrainer(backbone, embedding_dim=8)
    task = {
        "causal lm": lambda: MirasolCausalLM(backbone),
        "pretrainer": lambda: pretrainer,
        "embedder": lambda: MirasolEmbedder.from_pretrainer(pretrainer),
    }[name]()
    lines = []
    task.summary(print_fn=lines.append)
    assert backbone in task.layers
    assert backbone.name in "\n".join(lines)
    assert "video_encoder" not in [layer.name for layer in task.layers]
