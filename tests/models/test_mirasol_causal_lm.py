import inspect
import json
import warnings
import zipfile

import av
import keras
import keras_hub
import numpy as np
import pytest
import small_models
import tensorflow as tf
from arrays import assert_close
from keras import ops
from small_models import FRAMES
from small_models import MELS
from small_models import SAMPLES
from small_models import SIZE

from keras_mirasol.data import load_clip
from keras_mirasol.layers import VideoEncoder
from keras_mirasol.models import MirasolBackbone
from keras_mirasol.models import MirasolCausalLM
from keras_mirasol.models import MirasolVideoConverter
from keras_mirasol.models.compiled_function import compiled_function
from keras_mirasol.models.objectives import next_tokens

WEIGHTS = dict(
    text_weight=2.0,
    latent_weight=0.5,
    frame_weight=0.25,
    spectrogram_weight=0.125,
)
LOSSES = ["text", "latent", "frame", "spectrogram"]


def _tone(hertz):
    time = np.arange(2 * SAMPLES) / 8000
    return (0.5 * np.sin(2 * np.pi * hertz * time)).astype("float32")


# A bright clip that hums and a dark one that whistles.
CLIPS = {
    "videos": np.stack(
        [
            np.full((2 * FRAMES, SIZE, SIZE, 3), level, "uint8")
            for level in (230, 20)
        ]
    ),
    "audio": np.stack([_tone(200), _tone(3000)]),
}
QUESTIONS = {
    "prompts": [["see?", "hear?"], ["see?", "hear?"]],
    "responses": [["day", "hum"], ["night", "whee"]],
}


class Trained:
    """A task that has learned its four answers by heart."""

    def __init__(self):
        keras.utils.set_random_seed(0)
        self.task = small_models.build_task(**WEIGHTS)
        # Cheaper to compile than Adam, and good enough for four answers.
        self.task.compile(keras.optimizers.SGD(0.02, momentum=0.9))
        raw = {**CLIPS, **QUESTIONS}
        history = self.task.fit(raw, batch_size=2, epochs=3, verbose=0)
        self.raw_history = history.history
        dataset = tf.data.Dataset.from_tensor_slices(raw).batch(2)
        self.preprocessed = dataset.map(self.task.preprocessor).cache()
        history = self.task.fit(
            self.preprocessed.repeat(60),
            validation_data=self.preprocessed,
            verbose=0,
        )
        self.history = history.history


@pytest.fixture(scope="module")
def trained():
    return Trained()


@pytest.fixture(scope="module")
def task(trained):
    return trained.task


@pytest.fixture
def encoded(task, monkeypatch):
    """The shapes of videos that are encoded from here on."""
    shapes = []
    call = VideoEncoder.call

    def recorded(self, x, *args, **kwargs):
        shapes.append(tuple(x.shape))
        return call(self, x, *args, **kwargs)

    monkeypatch.setattr(VideoEncoder, "call", recorded)
    # What was compiled before would call no Python.
    monkeypatch.setattr(task, "generate_function", None)
    monkeypatch.setattr(task, "predict_function", None)
    score_texts = compiled_function(task, task.score_texts)
    monkeypatch.setattr(task, "_score_texts", score_texts)
    return shapes


def _clip(index):
    return {key: CLIPS[key][index] for key in CLIPS}


def _a_clip_a_text(x):
    """Two clips with two texts each as four clips with one."""
    repeated = {key: np.repeat(value, 2, axis=0) for key, value in x.items()}
    for key in ("token_ids", "padding_mask"):
        repeated[key] = x[key].reshape(4, -1)
    return repeated


# Training


def test_fit_on_raw_clips_tracks_every_loss_by_name(trained):
    history = trained.raw_history
    assert sorted(history) == sorted(
        [
            "loss",
            *(f"{name}_loss" for name in LOSSES),
            "token_accuracy",
            "joint_token_spread",
        ]
    )
    assert history["loss"][-1] < history["loss"][0]


def test_fit_on_a_preprocessed_dataset_lowers_the_losses(trained):
    before, after = trained.raw_history, trained.history
    # A mean over the epoch; what it ends with is that of the validation.
    assert after["loss"][0] < before["loss"][-1]
    assert after["val_text_loss"][0] < 0.05 * before["text_loss"][0]
    assert after["val_frame_loss"][0] < before["frame_loss"][0]
    assert after["val_spectrogram_loss"][0] < before["spectrogram_loss"][0]
    assert after["val_token_accuracy"][0] == 1.0


def test_the_loss_is_the_weighted_sum_of_those_tracked(trained):
    for values in (
        {key: value[0] for key, value in trained.raw_history.items()},
        trained.task.evaluate(
            trained.preprocessed, verbose=0, return_dict=True
        ),
    ):
        expected = sum(
            WEIGHTS[f"{name}_weight"] * values[f"{name}_loss"]
            for name in LOSSES
        )
        np.testing.assert_allclose(values["loss"], expected, rtol=1e-4)


def test_evaluate_takes_raw_clips(trained):
    raw = trained.task.evaluate(
        {**CLIPS, **QUESTIONS}, batch_size=2, verbose=0, return_dict=True
    )
    made = trained.task.evaluate(
        trained.preprocessed, verbose=0, return_dict=True
    )
    assert raw.keys() == made.keys()
    for key in made:
        np.testing.assert_allclose(raw[key], made[key], atol=1e-4)


def test_predict_gives_what_each_objective_reads(trained, encoded):
    outputs = trained.task.predict(
        {**CLIPS, **QUESTIONS}, batch_size=2, verbose=0
    )
    assert {key: value.shape for key, value in outputs.items()} == {
        "logits": (2, 2, 16, 258),
        "joint_tokens": (2, 2, 2, 16),
        "predicted_joint_tokens": (2, 2, 2, 16),
        "frames": (2, 2, FRAMES, SIZE // 4, SIZE // 4, 3),
        "spectrogram": (2, 2, 5, MELS // 2),
    }
    # Keras computes more than what is asked for where a layer is not built.
    assert encoded == [(2, 2 * FRAMES, SIZE, SIZE, 3)]


def test_texts_that_share_a_clip_are_as_if_it_were_repeated(trained):
    x, _, _ = next(iter(trained.preprocessed.as_numpy_iterator()))
    logits = trained.task.predict_on_batch(x)["logits"]
    alone = trained.task.backbone.predict_on_batch(_a_clip_a_text(x))
    embeddings = ops.convert_to_numpy(
        trained.task.backbone.token_embedding.embeddings
    )
    np.testing.assert_allclose(
        logits.reshape(4, 16, 258),
        alone["sequence_output"] @ embeddings.T,
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow relaxes"
)
def test_a_change_in_the_rank_of_texts_needs_another_compilation():
    task = small_models.build_task(None)
    one = small_models.random_inputs()
    several = {
        key: value[:, None] if value.shape == (2, 6) else value
        for key, value in one.items()
    }
    expected = task.predict_on_batch(several)["logits"][:, 0]
    with pytest.raises(ValueError, match=r"call `compile\(\)` in between"):
        task.predict_on_batch(one)
    task.compile()
    logits = task.predict_on_batch(one)["logits"]
    np.testing.assert_allclose(logits, expected, atol=1e-5)


@pytest.mark.any_backend
def test_a_weight_of_zero_leaves_an_objective_and_its_layers_out():
    task = small_models.build_task(latent_weight=0, frame_weight=0.0)
    names = {layer.name for layer in task.layers}
    assert "spectrogram_reconstruction" in names
    assert not names & {"frame_reconstruction", "next_latent_predictor"}
    assert list(task.output) == ["logits", "joint_tokens", "spectrogram"]
    values = task.evaluate(
        {**CLIPS, **QUESTIONS}, batch_size=2, verbose=0, return_dict=True
    )
    assert sorted(values) == [
        "joint_token_spread",
        "loss",
        "spectrogram_loss",
        "text_loss",
        "token_accuracy",
    ]


@pytest.mark.parametrize(
    "argument", ["loss", "loss_weights", "metrics", "weighted_metrics"]
)
def test_compile_refuses_what_belongs_to_the_model(argument):
    with pytest.raises(ValueError, match=f"`{argument}` cannot be set"):
        small_models.shared_task().compile(**{argument: ["mse"]})


def test_the_default_optimizer_is_adamw():
    task = small_models.build_task()
    task.compile(loss="auto", metrics=None)
    assert isinstance(task.optimizer, keras.optimizers.AdamW)
    assert isinstance(task.sampler, keras_hub.samplers.GreedySampler)


def test_the_default_optimizer_takes_a_rate_and_steps():
    task = small_models.build_task()
    task.compile(learning_rate=2e-3, steps=1100)
    for step, rate in ((100, 2e-3), (1100, 4e-5)):
        task.optimizer.iterations.assign(step)
        value = keras.ops.convert_to_numpy(task.optimizer.learning_rate)
        np.testing.assert_allclose(value, rate, rtol=1e-5)


@pytest.mark.parametrize("setting", [{"learning_rate": 1e-3}, {"steps": 9}])
def test_settings_of_the_default_are_not_for_other_optimizers(setting):
    with pytest.raises(ValueError, match='settings of `"auto"`'):
        small_models.build_task().compile("adam", **setting)


# Generation


def test_one_prompt_about_one_clip_gets_one_answer(task):
    assert task.generate({**_clip(0), "prompts": "see?"}) == "day"
    assert task.generate({**_clip(1), "prompts": "hear?"}) == "whee"


@pytest.mark.parametrize(
    "prompts, expected",
    [
        (["see?", "hear?"], ["day", "whee"]),
        ([["hear?", "see?"]] * 2, [["hum", "day"], ["whee", "night"]]),
    ],
)
def test_answers_about_a_batch_have_the_shape_of_the_prompts(
    task, prompts, expected
):
    assert task.generate({**CLIPS, "prompts": prompts}) == expected


def test_prompts_may_come_as_arrays_and_as_a_dataset(task):
    prompts = np.array(["see?", "hear?"], object)
    assert task.generate({**CLIPS, "prompts": prompts}) == ["day", "whee"]
    dataset = tf.data.Dataset.from_tensor_slices(
        {**CLIPS, "prompts": ["see?", "hear?"]}
    )
    assert task.generate(dataset.batch(2).repeat(2)) == ["day", "whee"] * 2


def test_a_prompt_may_be_an_array_without_axes(task):
    inputs = {**_clip(0), "prompts": np.array("see?", object)}
    assert task.generate(inputs) == "day"


def test_clips_of_a_list_are_answered_about_one_by_one(task):
    clips = [{**_clip(i), "prompts": "see?"} for i in range(2)]
    assert task.generate(clips) == ["day", "night"]
    clips[1]["prompts"] = ["see?", "hear?"]
    answers = ["day", ["night", "whee"]]
    assert task.generate(clips) == answers
    assert task.generate(iter(clips)) == answers
    batch = {**CLIPS, "prompts": ["hear?", "hear?"]}
    assert task.generate([batch, clips[0]]) == ["hum", "whee", "day"]


@pytest.mark.parametrize(
    "inputs, received",
    [
        ("dog.mp4", "str"),
        (3, "int"),
        (["dog.mp4"], "list of str"),
        (np.zeros((2, 3)), "ndarray of ndarray"),
    ],
)
def test_what_is_neither_a_dict_nor_an_iterable_of_dicts(
    task, inputs, received
):
    with pytest.raises(ValueError, match=f"such dicts. Received: {received}$"):
        task.generate(inputs)


def test_there_must_be_a_clip(task):
    with pytest.raises(ValueError, match=r"There is no clip.*\['prompts'\]"):
        task.generate({"prompts": "see?"})
    with pytest.raises(ValueError, match="There is no clip"):
        task.generate({"prompts": ["see?", "hear?"]})


def test_none_says_that_there_is_to_be_no_clip(task):
    absent = {"videos": None, "audio": None}
    answer = task.generate({**absent, "prompts": "see?"})
    clips = {"videos": [CLIPS["videos"][0], None], "audio": None}
    answers = task.generate({**clips, "prompts": ["see?", "see?"]})
    assert answers == ["day", answer]


@pytest.mark.parametrize("samples", [0, SAMPLES // 2 - 1])
def test_sound_of_less_than_half_a_snippet_is_no_clip(task, samples):
    audio = np.zeros(samples, "float32")
    words = f"Clip 0 has no frame of video, and {samples} samples.*{SAMPLES}"
    with pytest.raises(ValueError, match=words):
        task.generate({"audio": audio, "prompts": "hear?"})
    # Beside video it may be short.
    clip = {"videos": CLIPS["videos"][0], "audio": audio}
    assert task.generate({**clip, "prompts": "see?"}) == "day"


def test_a_batch_is_answered_as_its_clips_one_by_one(task):
    # Of prompts whose lengths differ, one of them never seen.
    prompts = ["see?", "what do you"]
    together = task.generate({**CLIPS, "prompts": prompts})
    alone = [
        task.generate({**_clip(i), "prompts": prompts[i]}) for i in range(2)
    ]
    assert together == alone


def test_inputs_are_left_as_they_are(task):
    inputs = {**_clip(0), "prompts": "see?"}
    task.generate(inputs)
    assert list(inputs) == ["videos", "audio", "prompts"]
    assert inputs["prompts"] == "see?"


def test_the_prompt_may_be_kept(task):
    inputs = {**_clip(0), "prompts": "see?"}
    assert task.generate(inputs, strip_prompt=False) == "see?\nday"


def test_max_length_is_that_of_prompt_and_answer_together(task):
    # Start, four letters and the separator leave two for the answer.
    inputs = {**_clip(0), "prompts": "see?"}
    assert task.generate(inputs, max_length=8) == "da"
    assert task.generate(inputs, max_length=np.int64(8)) == "da"
    with pytest.raises(ValueError, match="6 tokens.*room for 5"):
        task.generate(inputs, max_length=6)


def test_other_stop_tokens_end_an_answer(task):
    inputs = {**CLIPS, "prompts": ["see?", "see?"]}
    assert task.generate(inputs, stop_token_ids=(ord("g"), 257)) == [
        "day",
        "nig",
    ]


def test_a_clip_is_encoded_once_for_all_of_its_prompts(task, encoded):
    answers = task.generate({**_clip(1), "prompts": ["see?", "hear?"]})
    assert answers == ["night", "whee"]
    assert encoded == [(1, 2 * FRAMES, SIZE, SIZE, 3)]


def test_without_a_preprocessor_tokens_come_in_and_go_out(task, monkeypatch):
    preprocessor = task.preprocessor
    inputs = preprocessor.generate_preprocess(
        {**CLIPS, "prompts": ["see?", "hear?"]}
    )
    monkeypatch.setattr(task, "preprocessor", None)
    with pytest.raises(ValueError, match="stop_token_ids"):
        task.generate(inputs)
    outputs = task.generate(inputs, stop_token_ids=(257,))
    assert preprocessor.generate_postprocess(outputs) == ["day", "whee"]
    whole = task.generate(inputs, stop_token_ids=(257,), strip_prompt=False)
    expected = [256, *b"see?\nday", 257]
    assert whole["token_ids"][0, : len(expected)].tolist() == expected
    np.testing.assert_array_equal(whole["padding_mask"].sum(axis=1), [10, 12])
    twice = task.generate([inputs, inputs], stop_token_ids=(257,))
    for key, values in twice.items():
        np.testing.assert_array_equal(values, np.tile(outputs[key], (2, 1)))
    endless = task.generate(inputs, stop_token_ids=None, strip_prompt=False)
    assert endless["token_ids"][0, : len(expected)].tolist() == expected
    assert endless["padding_mask"].all()


# Top-k and top-p call the model as the random sampler does.
@pytest.mark.parametrize("sampler", ["random", "beam", "contrastive"])
def test_samplers_answer(trained, sampler):
    # What is known by heart leaves chance no choice.
    task = trained.task
    optimizer = task.optimizer
    if sampler == "contrastive":
        sampler = keras_hub.samplers.ContrastiveSampler(k=2, alpha=0.1)
    try:
        task.compile(optimizer, sampler=sampler)
        answers = task.generate({**CLIPS, "prompts": ["see?", "hear?"]})
    finally:
        task.compile(optimizer)
    assert answers == ["day", "whee"]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only there XLA is a choice"
)
def test_answers_are_the_same_with_xla(trained):
    task = trained.task
    optimizer = task.optimizer
    try:
        task.compile(optimizer, jit_compile=True)
        answers = task.generate({**CLIPS, "prompts": ["see?", "hear?"]})
    finally:
        task.compile(optimizer)
    assert answers == ["day", "whee"]


def _mean_log_likelihood(task, clip, prompt, choice):
    x, y, sample_weight = task.preprocessor(
        {**clip, "prompts": [prompt], "responses": [choice]}
    )
    x = {name: value[None] for name, value in x.items()}
    logits = task.predict(x, verbose=0)["logits"][0, 0].astype("float64")
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = logits[np.arange(len(y[0])), y[0]]
    assert sample_weight.sum() == len(choice) + 1  # with its end
    return chosen[sample_weight[0] > 0].mean()


def test_choices_are_scored_by_their_mean_log_likelihood(task, encoded):
    clip, choices = _clip(0), ["day", "whee", "n", "a long answer"]
    scores = task.score_choices(clip, "see?", choices)
    assert len(encoded) == 1
    expected = [
        _mean_log_likelihood(task, clip, "see?", choice) for choice in choices
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-4)
    answer = task.generate({**clip, "prompts": "see?"})
    assert choices[scores.argmax()] == answer


@pytest.mark.any_backend
def test_choices_of_a_batch_are_scored_as_clip_by_clip(task):
    prompts, choices = ["see?", "hear?"], [["day", "night"], ["whee", "n"]]
    scores = task.score_choices(CLIPS, prompts, choices)
    assert scores.shape == (2, 2)
    for index in range(2):
        single = task.score_choices(
            _clip(index), prompts[index], choices[index]
        )
        np.testing.assert_allclose(scores[index], single, rtol=1e-4)


@pytest.mark.any_backend
def test_choices_of_a_batch_may_be_the_same_or_differ_in_number(task):
    prompts = ["see?", "hear?"]
    same = task.score_choices(CLIPS, prompts, ["day", "night", "whee"])
    fewer = task.score_choices(
        CLIPS, prompts, [["day", "night", "whee"], ["night"]]
    )
    np.testing.assert_allclose(fewer[0], same[0], rtol=1e-5)
    np.testing.assert_allclose(fewer[1, 0], same[1, 1], rtol=1e-5)
    assert (fewer[1, 1:] == -np.inf).all()


@pytest.mark.any_backend
def test_many_choices_are_scored_a_few_tokens_at_a_time(task, monkeypatch):
    choices = ["day", "whee", "n", "a long answer"]
    expected = task.score_choices(_clip(0), "see?", choices)
    # Less room for logits than the texts need.
    monkeypatch.setattr(next_tokens, "_LOGITS", 4 * 258 * 8)
    score_texts = compiled_function(task, task.score_texts)
    monkeypatch.setattr(task, "_score_texts", score_texts)
    scores = task.score_choices(_clip(0), "see?", choices)
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


@pytest.mark.parametrize(
    "prompt, choices",
    [
        ("see?", "day"),
        ("see?", []),
        (["see?", "hear?"], [["day"]]),
        (["see?", "hear?"], [["day"], []]),
        (["see?", "hear?"], ["day", ""]),
    ],
)
def test_choices_that_do_not_fit_the_prompts(task, prompt, choices):
    with pytest.raises(ValueError, match="`choices` must be a list"):
        task.score_choices(CLIPS, prompt, choices)
    with pytest.raises(ValueError, match="`choices` must be a list"):
        task.generate({**CLIPS, "prompts": [prompt] * 2}, choices=choices)


# Answers among choices


def test_answers_are_among_the_choices(task):
    inputs = {**CLIPS, "prompts": [["see?", "hear?"]] * 2}
    free = task.generate(inputs)
    assert free == [["day", "hum"], ["night", "whee"]]
    # Of what it would say, what it may.
    assert task.generate(inputs, choices=["hum", "night", "day", "whee"]) == (
        free
    )
    choices = ["dawn", "dusk", "noon"]
    answers = np.array(task.generate(inputs, choices=choices))
    assert set(answers.ravel()) <= set(choices)
    # They begin as what it would say; "night" and "noon" do, too.
    assert answers[0, 0] in ("dawn", "dusk") and answers[1, 0] == "noon"


@pytest.mark.any_backend
def test_each_prompt_may_have_choices_of_its_own(task):
    answers = task.generate(
        {**CLIPS, "prompts": [["see?", "hear?"]] * 2},
        choices=[[["night"], ["hum", "whee"]], [["day", "no"], ["hum"]]],
    )
    assert answers == [["night", "hum"], ["no", "hum"]]


@pytest.mark.any_backend
@pytest.mark.parametrize(
    "sampler", ["greedy", "random", keras_hub.samplers.BeamSampler(3)]
)
def test_choices_hold_for_every_sampler(sampler):
    task = small_models.build_task()
    task.compile(sampler=sampler, **small_models.QUICKLY)
    choices = ["red", "a red ball", "green", "blue"]
    inputs = {**CLIPS, "prompts": [["see?", "what?"]] * 2}
    answers = task.generate(inputs, choices=choices, stop_token_ids=None)
    assert set(np.ravel(answers)) <= set(choices)


def test_of_an_iterable_all_clips_have_the_same_choices(task):
    clips = [{**_clip(index), "prompts": "see?"} for index in range(2)]
    answers = task.generate(clips, choices=["night", "day"])
    assert answers == ["day", "night"]


def test_a_choice_that_has_no_room_is_refused(task):
    with pytest.raises(ValueError, match="there is room for 12 together"):
        task.generate(
            {**_clip(0), "prompts": "see?"},
            max_length=12,
            choices=["day", "a long answer"],
        )


# KerasHub's `score()`


def scored_inputs(task):
    x, y, weights = task.preprocessor(
        {**CLIPS, "prompts": ["see?", "hear?"], "responses": ["day", "whee"]}
    )
    return x, y, weights


def test_logits_are_those_of_the_call(task):
    x, y, _ = scored_inputs(task)
    expected = task.predict_on_batch(x)["logits"]
    np.testing.assert_allclose(
        ops.convert_to_numpy(task.score(**x)), expected, rtol=1e-3, atol=1e-3
    )


def test_losses_are_negative_log_likelihoods_of_the_targets(task):
    x, y, weights = scored_inputs(task)
    losses = ops.convert_to_numpy(
        task.score(**x, scoring_mode="loss", target_ids=y)
    )
    assert losses.shape == y.shape
    means = (losses * weights).sum(1) / weights.sum(1)
    scores = task.score_choices(CLIPS, ["see?", "hear?"], [["day"], ["whee"]])
    np.testing.assert_allclose(-means, scores[:, 0], rtol=1e-3, atol=1e-5)


def test_activations_of_embeddings_and_blocks_may_be_replaced(task):
    x, _, _ = scored_inputs(task)
    seen = []

    def intercept(activations, index):
        seen.append((index, tuple(activations.shape)))
        return ops.zeros_like(activations) if index == 0 else activations

    logits = ops.convert_to_numpy(task.score(**x, layer_intercept_fn=intercept))
    shape = (*x["token_ids"].shape, 16)
    assert seen == [(-1, shape), (0, shape)]
    # Behind the last block, all is the same whatever was read.
    np.testing.assert_allclose(
        logits,
        np.broadcast_to(logits[:1, :1], logits.shape),
        rtol=1e-5,
        atol=1e-6,
    )


def test_texts_alone_are_those_of_a_clip_without_snippets(task):
    x, _, _ = scored_inputs(task)
    nothing = {k: np.zeros_like(x[k]) for k in ("video_mask", "audio_mask")}
    expected = task.score(**{**x, **nothing})
    logits = task.score(x["token_ids"], x["padding_mask"])
    assert_close(logits, ops.convert_to_numpy(expected))


def test_losses_need_targets_and_a_mode_that_is_known(task):
    token_ids = np.ones((1, 3), "int32")
    with pytest.raises(ValueError, match="needs `target_ids`"):
        task.score(token_ids, scoring_mode="loss")
    with pytest.raises(ValueError, match='must be "logits" or "loss"'):
        task.score(token_ids, scoring_mode="perplexity")


@pytest.mark.parametrize("inputs", ["what?", ["what?"], None, 3])
def test_a_prompt_without_its_key_is_refused(inputs):
    with pytest.raises(ValueError, match="Expected a dict"):
        small_models.shared_task().generate(inputs)


def test_bad_clips_are_refused():
    with pytest.raises(ValueError, match='"prompts"` is missing'):
        small_models.shared_task().generate(_clip(0))


# Saving


def _assert_same_values(variables, expected):
    for mine, yours in zip(variables, expected, strict=True):
        np.testing.assert_array_equal(
            ops.convert_to_numpy(mine), ops.convert_to_numpy(yours)
        )


def test_a_saved_model_keeps_optimizer_and_sampler(trained, tmp_path):
    task = trained.task
    task.save(tmp_path / "task.keras")
    copy = keras.saving.load_model(tmp_path / "task.keras")
    assert isinstance(copy, MirasolCausalLM)
    assert isinstance(copy.sampler, keras_hub.samplers.GreedySampler)
    assert copy.optimizer.momentum == 0.9
    assert int(copy.optimizer.iterations) == int(task.optimizer.iterations) > 0
    _assert_same_values(copy.optimizer.variables, task.optimizer.variables)
    _assert_same_values(copy.weights, task.weights)
    prompts = ["see?", "hear?"]
    assert copy.generate({**CLIPS, "prompts": prompts}) == ["day", "whee"]


def test_a_sampler_with_settings_survives_saving(tmp_path):
    task = small_models.build_task()
    task.compile(
        "sgd", sampler=keras_hub.samplers.TopKSampler(k=3, temperature=0.7)
    )
    task.save(tmp_path / "task.keras")
    copy = keras.saving.load_model(tmp_path / "task.keras")
    assert isinstance(copy.optimizer, keras.optimizers.SGD)
    assert isinstance(copy.sampler, keras_hub.samplers.TopKSampler)
    assert (copy.sampler.k, copy.sampler.temperature) == (3, 0.7)


@pytest.mark.parametrize("jit_compile", ["auto", False])
def test_how_to_compile_is_saved_as_it_was_asked_for(jit_compile, tmp_path):
    # "auto" is XLA on JAX; as `True` it would be minutes of Dynamo on PyTorch.
    task = small_models.build_task(compile=False)
    task.compile("sgd", jit_compile=jit_compile)
    task.save(tmp_path / "task.keras")
    with zipfile.ZipFile(tmp_path / "task.keras") as file:
        config = json.loads(file.read("config.json"))
    assert config["compile_config"]["jit_compile"] == jit_compile


def test_a_model_that_was_not_compiled_is_saved(tmp_path):
    task = small_models.build_task(compile=False)
    task.save(tmp_path / "task.keras")
    copy = keras.saving.load_model(tmp_path / "task.keras")
    _assert_same_values(copy.weights, task.weights)


@pytest.mark.any_backend
def test_a_model_that_was_not_trained_is_loaded_without_a_warning(tmp_path):
    task = small_models.build_task(frame_weight=0.0, spectrogram_weight=0.0)
    task.save(tmp_path / "task.keras")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        copy = keras.saving.load_model(tmp_path / "task.keras")
    assert not [w for w in caught if "optimizer" in str(w.message)]
    # And can be trained.
    copy.fit({**CLIPS, **QUESTIONS}, batch_size=2, verbose=0)


def test_a_preset_of_ones_own_is_the_same_task(trained, tmp_path):
    path = str(tmp_path / "mine")
    trained.task.save_to_preset(path)
    copy = MirasolCausalLM.from_preset(path)
    assert WEIGHTS.items() <= copy.get_config().items()
    config = trained.task.preprocessor.get_config()
    assert copy.preprocessor.get_config() == config
    _assert_same_values(copy.weights, trained.task.weights)

    backbone = MirasolBackbone.from_preset(path)
    _assert_same_values(backbone.weights, trained.task.backbone.weights)
    fresh = MirasolBackbone.from_preset(path, load_weights=False)
    assert not np.array_equal(
        ops.convert_to_numpy(fresh.token_embedding.embeddings),
        ops.convert_to_numpy(backbone.token_embedding.embeddings),
    )


def test_every_argument_is_in_the_config():
    settings = dict(
        text_weight=3.0,
        latent_weight=0.0,
        frame_weight=0.2,
        spectrogram_weight=0.3,
        past_weight=0.1,
        past_lag=3,
        frame_downsampling=2,
        mel_downsampling=4,
        name="ears_and_eyes",
    )
    task = small_models.build_task(**settings)
    arguments = inspect.signature(MirasolCausalLM).parameters
    assert set(arguments) - {"backbone", "preprocessor", "kwargs"} <= set(
        settings
    )
    config = task.get_config()
    assert {key: config[key] for key in settings} == settings
    copy = MirasolCausalLM.from_config(config)
    assert isinstance(copy.backbone, MirasolBackbone)
    assert copy.get_config() == task.get_config()
    assert copy.count_params() == task.count_params()


# Fine-tuning


def test_lora_trains_two_small_matrices_a_projection(trained):
    task = MirasolCausalLM.from_config(trained.task.get_config())
    task.set_weights(trained.task.get_weights())
    task.backbone.enable_lora(2)
    trained_paths = [w.path for w in task.backbone.trainable_weights]
    # Query and value of six attentions: one each in video, audio, Combiner
    # and snippet Transformer, two in the text decoder.
    kernels = [path for path in trained_paths if "lora_kernel" in path]
    assert len(kernels) == 2 * 2 * 6
    # Keras leaves the biases of these projections trainable.
    assert set(trained_paths) - set(kernels) == {
        path.replace("lora_kernel_a", "bias")
        for path in kernels
        if path.endswith("a")
    }
    x = _a_clip_a_text(task.preprocessor({**CLIPS, **QUESTIONS})[0])
    np.testing.assert_allclose(
        task.backbone.predict_on_batch(x)["sequence_output"],
        trained.task.backbone.predict_on_batch(x)["sequence_output"],
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "changes, words",
    [
        (
            {"frames_per_snippet": 4, "audio_frames_per_snippet": 10},
            ["`frames_per_snippet` is 4", "backbone's is 2"],
        ),
        (
            {"video_converter": MirasolVideoConverter(20)},
            ["`image_size` is (20, 20)", "(16, 16)"],
        ),
    ],
)
def test_a_preprocessor_for_another_backbone_is_refused(changes, words):
    preprocessor = small_models.build_preprocessor(**changes)
    with pytest.raises(ValueError) as raised:
        MirasolCausalLM(small_models.shared_task().backbone, preprocessor)
    for word in words:
        assert word in str(raised.value)


@pytest.mark.parametrize(
    "changes, words",
    [
        (
            {"num_mels": 8, "audio_patch_size": (5, 4)},
            ["`num_mels` is 16", "8"],
        ),
        ({"snippet_seconds": 0.5}, ["`snippet_seconds` is 0.25", "0.5"]),
        ({"vocabulary_size": 257}, ["258 tokens", "257"]),
        (
            {"audio_frames_per_snippet": 10},
            ["`audio_frames_per_snippet` is 5", "backbone's is 10"],
        ),
    ],
)
def test_a_backbone_for_another_preprocessor_is_refused(changes, words):
    backbone = small_models.build_backbone(**changes)
    with pytest.raises(ValueError) as raised:
        small_models.build_task(backbone=backbone)
    for word in words:
        assert word in str(raised.value)


# A film


@pytest.fixture(scope="module")
def film(shared):
    path = shared / "media" / "bigbuckbunny.mp4"
    if not path.exists():
        pytest.skip("needs shared/media/bigbuckbunny.mp4")
    return path


@pytest.fixture(scope="module")
def film_clip(film):
    """Two seconds from the first on, at the rates of the small model."""
    return load_clip(film, start=1, end=3, frame_rate=8, sampling_rate=8000)


def test_a_film_is_answered_about(film_clip):
    task = small_models.shared_task()
    inputs = {**film_clip, "prompts": "what?"}
    x = task.preprocessor.generate_preprocess(inputs)
    # Eight snippets of a quarter of a second, seen and heard all along.
    assert x["pixel_values"].shape[1] == 8 * FRAMES
    assert x["video_mask"].tolist() == x["audio_mask"].tolist() == [[True] * 8]
    assert isinstance(task.generate(inputs, max_length=10), str)


def test_a_film_is_seen_and_heard_in_step(film, film_clip):
    with av.open(str(film)) as container:
        shown = [(f.time, f) for f in container.decode(video=0) if f.time < 3]
    with av.open(str(film)) as container:
        blocks = [f.to_ndarray() for f in container.decode(audio=0)]
    videos, audio = film_clip["videos"], film_clip["audio"]
    assert videos.shape == (2 * 8, 720, 1280, 3)
    assert audio.shape == (2 * 8000,)
    for k, pixels in enumerate(videos):
        middle = 1 + (k + 0.5) / 8
        frame = [frame for time, frame in shown if time <= middle][-1]
        np.testing.assert_array_equal(pixels, frame.to_ndarray(format="rgb24"))
    # Six channels at 48 kHz to one at 8 kHz: a sample is the mean of those
    # around it.
    loudness = np.concatenate(blocks, axis=1).mean(axis=0)
    around = np.convolve(loudness, np.ones(7) / 7, "same")[::6]
    correlations = [
        np.corrcoef(audio, around[8000 + lag : 24000 + lag])[0, 1]
        for lag in range(-40, 41)
    ]
    assert np.argmax(correlations) - 40 == 0
    assert max(correlations) > 0.9
