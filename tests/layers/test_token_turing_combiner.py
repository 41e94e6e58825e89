import json

import keras
import numpy as np
import pytest
from arrays import assert_close
from arrays import assert_same_bits
from arrays import differ
from arrays import randomize
from compiled import compiled
from gradients import gradients
from keras import ops
from numpy_token_turing import token_turing
from program_size import operations_of_gradient

from keras_mirasol.layers.token_turing_combiner import TokenTuringCombiner

SETTINGS = dict(
    num_joint_tokens=2,
    dim=8,
    num_layers=1,
    num_heads=2,
    memory_size=3,
    snippet_seconds=0.5,
    wavelengths=(2.0, 50.0),
)
# Every Read and every Write, with and without either option.
OPTIONS = [
    dict(read="attention", write="attention"),
    dict(read="weighted_sum", write="weighted_sum", time_stamps=False),
    dict(read="weighted_sum", write="attention", read_write_positions=False),
    dict(read="attention", write="erase_and_add"),
]
# Two clips of four snippets; (clip, snippet) with a modality each. The second
# clip has a hole, and ends after its third snippet.
VIDEO_MASK = np.array([[True, False, True, True], [True, False, True, False]])
AUDIO_MASK = np.array([[True, True, True, False], [True, False, False, False]])
EVERYTHING = np.ones((2, 4), bool)


def built(**changes):
    combiner = TokenTuringCombiner(**{**SETTINGS, **changes})
    combiner.build((None, None, 3, 6), (None, None, 2, 4))
    return randomize(combiner)


@pytest.fixture(
    scope="module",
    params=OPTIONS,
    ids=lambda o: "-".join([o["read"], o["write"]]),
)
def combiner(request):
    return built(**request.param)


@pytest.fixture(scope="module")
def combine(combiner):
    return compiled(combiner)


@pytest.fixture
def video(normal):
    return normal(2, 4, 3, 6)


@pytest.fixture
def audio(normal):
    return normal(2, 4, 2, 4)


def test_equals_the_equations_in_numpy(combiner, combine, video, audio):
    inputs = (video, audio, VIDEO_MASK, AUDIO_MASK)
    expected, expected_memory = token_turing(combiner, *inputs)
    joint_tokens, state = combine(*inputs, state=combiner.empty_state(2))
    assert joint_tokens.shape == (2, 4, 2, 8)
    assert_close(joint_tokens, expected)
    assert_close(state["memory"], expected_memory)
    assert_same_bits(state["snippets"], [4, 4])
    assert_close(combine(*inputs), expected)


def test_state_goes_on_where_the_last_call_ended(
    combiner, combine, video, audio
):
    inputs = (video, audio, VIDEO_MASK, AUDIO_MASK)
    whole = combine(*inputs)
    state = combiner.empty_state(2)
    begin, state = combine(*[x[:, :1] for x in inputs], state=state)
    assert_same_bits(state["snippets"], [1, 1])
    rest, state = combine(*[x[:, 1:] for x in inputs], state=state)
    assert_same_bits(state["snippets"], [4, 4])
    assert_close(begin, whole[:, :1])
    assert_close(rest, whole[:, 1:])


def test_clips_with_different_pasts_share_a_batch(
    combiner, combine, video, audio
):
    inputs = (video, audio, EVERYTHING, EVERYTHING)
    whole = combine(*inputs)
    state = combiner.empty_state(2)
    _, state = combine(*[x[:, :3] for x in inputs], state=state)
    # The first clip is at its last snippet where another second one begins.
    goes_on = np.array([1, 0], "int32")
    state = {
        "memory": ops.multiply(
            state["memory"], goes_on[:, None, None].astype("float32")
        ),
        "snippets": ops.multiply(state["snippets"], goes_on),
    }
    mixed = [np.stack([x[0, 3:], x[1, :1]]) for x in inputs]
    joint_tokens, state = combine(*mixed, state=state)
    assert_same_bits(state["snippets"], [4, 1])
    assert_close(joint_tokens[0, 0], whole[0, 3])
    assert_close(joint_tokens[1, 0], whole[1, 0])


@pytest.mark.parametrize("content", [100.0, np.nan, np.inf])
def test_content_of_a_masked_modality_changes_nothing(
    combine, video, audio, content
):
    before = combine(video, audio, VIDEO_MASK, AUDIO_MASK)
    video[~VIDEO_MASK] = content
    audio[~AUDIO_MASK] = content
    after = combine(video, audio, VIDEO_MASK, AUDIO_MASK)
    assert np.isfinite(ops.convert_to_numpy(before)).all()
    assert_same_bits(after, before)


def test_silence_is_not_absence(combine, video, audio):
    audio[:] = 0
    absent = combine(video, audio, EVERYTHING, ~EVERYTHING)
    silent = combine(video, audio, EVERYTHING, EVERYTHING)
    assert differ(silent, absent)


def test_snippet_without_either_modality_leaves_the_memory(
    combiner, combine, video, audio
):
    clip = [x[:, :1] for x in (video, audio, EVERYTHING, EVERYTHING)]
    hole = [x[:, :3] for x in (video, audio, ~EVERYTHING, ~EVERYTHING)]
    _, before = combine(*clip, state=combiner.empty_state(2))
    joint_tokens, after = combine(*hole, state=before)
    assert_same_bits(after["memory"], before["memory"])
    # But time passes, and what it reads is not nothing.
    assert_same_bits(after["snippets"], [4, 4])
    assert np.isfinite(ops.convert_to_numpy(joint_tokens)).all()
    assert_same_bits(joint_tokens[:, 0], joint_tokens[:, 1])
    assert differ(joint_tokens[0, 0], joint_tokens[1, 0])


def test_padding_at_the_end_changes_nothing(combiner, combine, video, audio):
    inputs, state = (video, audio, VIDEO_MASK, AUDIO_MASK), {}
    for count in (3, 4):
        joint_tokens, state[count] = combine(
            *[x[:, :count] for x in inputs], state=combiner.empty_state(2)
        )
        assert_close(joint_tokens[1, :3], combine(*inputs)[1, :3])
    assert_close(state[3]["memory"][1], state[4]["memory"][1])
    assert differ(state[3]["memory"][0], state[4]["memory"][0])


def test_snippets_do_not_see_later_ones(combine, video, audio):
    before = ops.convert_to_numpy(combine(video, audio, EVERYTHING, EVERYTHING))
    video[:, 2] += 1
    audio[:, 3] = 100.0
    after = ops.convert_to_numpy(combine(video, audio, EVERYTHING, EVERYTHING))
    assert_same_bits(after[:, :2], before[:, :2])
    # And see all earlier ones: the memory carries on what changed.
    assert differ(after[:, 2], before[:, 2])
    assert differ(after[:, 3], before[:, 3])


def test_memory_reaches_beyond_the_last_snippet(combine, video, audio):
    before = ops.convert_to_numpy(combine(video, audio, EVERYTHING, EVERYTHING))
    video[0, 0] = 100.0
    after = ops.convert_to_numpy(combine(video, audio, EVERYTHING, EVERYTHING))
    # By way of the memory that the second snippet wrote.
    assert differ(after[0, 2], before[0, 2])
    assert_same_bits(after[1], before[1])


def test_time_stamps_tell_when(video, audio):
    video[:], audio[:] = video[:, :1], audio[:, :1]
    inputs = (video, audio, EVERYTHING, EVERYTHING)
    for time_stamps in (True, False):
        combiner = built(time_stamps=time_stamps)
        combine = compiled(combiner)
        state = combiner.empty_state(2)
        now, _ = combine(*inputs, state=state)
        later, _ = combine(
            *inputs, state={**state, "snippets": state["snippets"] + 3}
        )
        assert differ(now, later) == time_stamps


def test_every_weight_gets_a_gradient_but_of_a_masked_modality(
    combiner, video, audio
):
    masked = combiner.audio_projection.trainable_weights
    others = [
        weight
        for weight in combiner.trainable_weights
        if all(weight is not other for other in masked)
    ]
    audio[:] = np.nan
    values = gradients(
        lambda: ops.sum(
            ops.square(combiner(video, audio, VIDEO_MASK, ~EVERYTHING) - 1)
        ),
        masked + others,
    )
    for gradient in values[: len(masked)]:
        assert not gradient.any()
    for gradient, weight in zip(values[len(masked) :], others, strict=True):
        assert np.isfinite(gradient).all(), weight.path
        # Rounding alone makes no more than this of a gradient of zero. Keys
        # of self attention have a bias, which no softmax sees.
        if not weight.path.endswith("self_attention/key/bias"):
            assert np.abs(gradient).max() > 1e-5, weight.path


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="torch runs eagerly"
)
@pytest.mark.parametrize("options", OPTIONS[1::2], ids=str)
def test_program_does_not_grow_with_the_snippets(options, normal):
    combiner = built(**options)

    def operations(count):
        here = np.ones((1, count), bool)
        return operations_of_gradient(
            lambda *inputs: ops.sum(combiner(*inputs)),
            combiner.trainable_weights,
            normal(1, count, 3, 6),
            normal(1, count, 2, 4),
            here,
            here,
        )

    assert 100 < operations(64) == operations(512)


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the others compile always, or never",
)
def test_trains_in_xla_with_any_number_of_snippets(combiner, video, audio):
    import tensorflow as tf

    weights = combiner.trainable_weights

    def step(*inputs):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(combiner(*inputs) - 1))
        return tape.gradient(loss, [weight.value for weight in weights])

    # Batch and snippets are open, as in a model.
    shapes = [(None, None, 3, 6), (None, None, 2, 4)] + 2 * [(None, None)]
    inputs = (video, audio, VIDEO_MASK, AUDIO_MASK)
    xla = tf.function(
        step,
        jit_compile=True,
        input_signature=[
            tf.TensorSpec(shape, x.dtype)
            for shape, x in zip(shapes, inputs, strict=True)
        ],
    )
    for actual, expected in zip(xla(*inputs), step(*inputs), strict=True):
        assert_close(actual, expected, atol=1e-3)


def test_functional_model_takes_and_gives_a_state(video, audio):
    combiner = built()

    def inputs(*shapes, dtype):
        return [keras.Input(shape, dtype=dtype) for shape in shapes]

    clip = inputs((None, 3, 6), (None, 2, 4), dtype="float32")
    masks = inputs((None,), (None,), dtype="bool")
    state = {
        "memory": keras.Input((3, 8)),
        "snippets": keras.Input((), dtype="int32"),
    }
    outputs = combiner(*clip, *masks, state=state)
    joint_tokens, new_state = outputs
    assert joint_tokens.shape == (None, None, 2, 8)
    assert {k: (v.shape, v.dtype) for k, v in new_state.items()} == {
        "memory": ((None, 3, 8), "float32"),
        "snippets": ((None,), "int32"),
    }
    model = keras.Model([*clip, *masks, state], outputs)
    given = combiner.empty_state(2)
    arrays = (video, audio, VIDEO_MASK, AUDIO_MASK)
    values = [ops.convert_to_tensor(x) for x in arrays]
    actual, _ = compiled(lambda *x: model(list(x)))(*values, given)
    expected, _ = compiled(combiner)(*values, state=given)
    assert_close(actual, expected)


def test_dropout_in_training_alone(video, audio):
    combiner, sure = built(dropout=0.5), built()
    inputs = (video, audio, EVERYTHING, EVERYTHING)
    assert_close(compiled(combiner)(*inputs), compiled(sure)(*inputs))
    state = combiner.empty_state(2)
    joint_tokens, after = combiner(*inputs, state=state, training=True)
    zeros = ops.convert_to_numpy(joint_tokens) == 0
    assert 0.2 < zeros.mean() < 0.8
    # No part of the memory itself is dropped.
    assert ops.convert_to_numpy(after["memory"]).all()


def test_half_precision_computes_what_single_precision_does(video, audio):
    options = dict(read="weighted_sum", write="erase_and_add")
    single, half = built(**options), built(**options, dtype="mixed_bfloat16")
    inputs = (video, audio, VIDEO_MASK, AUDIO_MASK)
    actual, state = compiled(half)(*inputs, state=half.empty_state(2))
    for x in (actual, state["memory"]):
        assert keras.backend.standardize_dtype(x.dtype) == "bfloat16"
    # Joint tokens are about 1 in size.
    assert_close(
        ops.cast(actual, "float32"), compiled(single)(*inputs), atol=0.1
    )


def test_exact_number_of_weights():
    def count(**changes):
        return built(**changes).count_params()

    projections = (6 * 8 + 8) + (4 * 8 + 8)
    norm = 2 * 8
    process = 4 * (8 * 8 + 8) + (8 * 32 + 32) + (32 * 8 + 8) + 3 * norm
    # Places: 3 of the memory, 2 outputs, 3 of video and 2 of audio.
    read_places, write_places = (3 + 5) * 8, (3 + 2 + 5) * 8
    attention = norm + 2 * 8 * 8 + (8 * 8 + 8)
    always = projections + process
    time = 1
    assert count() == (
        always
        + time
        + (2 * 8 + attention + read_places)
        + (3 * 8 + attention + write_places)
    )
    weighted = norm + (8 * 8 + 8)
    assert count(
        read="weighted_sum",
        write="weighted_sum",
        read_write_positions=False,
        time_stamps=False,
    ) == (always + (weighted + 8 * 2) + (weighted + 8 * 3))
    erase_and_add = 8 + 3 * 8 + 8 * 8 + 3 * (8 * 8 + 8)
    assert count(write="erase_and_add") == (
        always + time + (2 * 8 + attention + read_places) + erase_and_add
    )


def test_weights_and_answers_survive_saving(tmp_path, video, audio):
    combiner = built(write="erase_and_add", read="weighted_sum")
    copy = TokenTuringCombiner.from_config(
        json.loads(json.dumps(combiner.get_config()))
    )
    assert copy.get_config() == combiner.get_config()
    inputs = [
        keras.Input(shape, dtype=dtype)
        for shape, dtype in [
            ((None, 3, 6), "float32"),
            ((None, 2, 4), "float32"),
            ((None,), "bool"),
            ((None,), "bool"),
        ]
    ]
    keras.Model(inputs, combiner(*inputs)).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    values = (video, audio, VIDEO_MASK, AUDIO_MASK)
    assert_same_bits(
        compiled(lambda *x: loaded(list(x)))(*values),
        compiled(combiner)(*values),
    )


@pytest.mark.parametrize(
    "change, words",
    [
        ({"read": "erase_and_add"}, "`read`.*'weighted_sum'.*'erase_and_add'"),
        ({"write": "append"}, "`write`.*'erase_and_add'.*'append'"),
        ({"num_heads": 3}, "dim=8, num_heads=3"),
        (
            {"write": "erase_and_add", "read_write_positions": False},
            "needs `read_write_positions=True`",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        TokenTuringCombiner(**{**SETTINGS, **change})


def test_numbers_of_snippets_that_differ(video, audio):
    with pytest.raises(ValueError, match="'video': 4, 'audio': 2"):
        built()(video, audio[:, :2], VIDEO_MASK, AUDIO_MASK[:, :2])


def test_state_that_is_not_of_this_combiner(video, audio):
    combiner, inputs = built(), (video, audio, VIDEO_MASK, AUDIO_MASK)
    state = combiner.empty_state(2)
    for wrong in (
        combiner.empty_state(3),
        built(memory_size=4).empty_state(2),
        {"memory": state["memory"]},
        {**state, "snippets": state["snippets"][:, None]},
    ):
        with pytest.raises(ValueError, match="Begin with `empty_state"):
            combiner(*inputs, state=wrong)
