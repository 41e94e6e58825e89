import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.preprocessing.clip_inputs import check_symbolic_inputs
from keras_mirasol.preprocessing.clip_inputs import standardize_inputs

pytestmark = pytest.mark.any_backend

VIDEO = np.zeros((4, 6, 8, 3), "uint8")
AUDIO = np.zeros(100, "float32")


def _batch(**x):
    return standardize_inputs(x)


def test_one_clip():
    batch = _batch(videos=VIDEO, audio=AUDIO, prompts="a", responses="b")
    assert batch.is_single
    assert [v.shape for v in batch.videos] == [(4, 6, 8, 3)]
    assert [a.shape for a in batch.audio] == [(100,)]
    assert batch.prompts.tolist() == ["a"]
    assert batch.responses.tolist() == ["b"]


def test_one_clip_with_several_texts():
    batch = _batch(audio=AUDIO, prompts=["a", "b"], responses=("c", "d"))
    assert batch.is_single
    assert batch.prompts.tolist() == [["a", "b"]]
    assert batch.responses.tolist() == [["c", "d"]]


@pytest.mark.parametrize("as_list", [True, False])
def test_a_batch_as_an_array_or_as_a_list(as_list):
    videos = [VIDEO] * 2 if as_list else np.stack([VIDEO] * 2)
    audio = [AUDIO] * 2 if as_list else np.stack([AUDIO] * 2)
    batch = _batch(videos=videos, audio=audio, prompts=["a", "b"])
    assert not batch.is_single
    assert len(batch.videos) == len(batch.audio) == 2
    assert batch.prompts.tolist() == ["a", "b"]
    assert batch.responses is None


def test_clips_of_a_list_may_differ_in_length_and_size():
    other = np.ones((2, 3, 5, 3), "uint8")
    batch = _batch(
        videos=[VIDEO, other], audio=[AUDIO, AUDIO[:7]], prompts=["a", "b"]
    )
    assert [v.shape for v in batch.videos] == [(4, 6, 8, 3), (2, 3, 5, 3)]
    assert [len(a) for a in batch.audio] == [100, 7]


def test_a_ragged_batch():
    clips = [VIDEO, np.ones((2, 3, 5, 3), "uint8"), VIDEO[:0]]
    videos = tf.data.Dataset.from_generator(
        lambda: iter(clips),
        output_signature=tf.TensorSpec((None, None, None, 3), tf.uint8),
    ).ragged_batch(3)
    batch = _batch(
        videos=next(iter(videos)),
        audio=tf.ragged.constant([[0.5], [], [0.5, 0.5]]),
        prompts=tf.constant(["a", "b", "c"]),
    )
    assert [len(v) for v in batch.videos] == [4, 2, 0]
    np.testing.assert_array_equal(batch.videos[1], clips[1])
    assert [len(a) for a in batch.audio] == [1, 0, 2]
    assert batch.prompts.tolist() == [b"a", b"b", b"c"]


@pytest.mark.parametrize("missing", ["key", "None"])
def test_a_missing_modality_has_no_steps(missing):
    absent = {} if missing == "key" else {"videos": None}
    batch = standardize_inputs({"audio": AUDIO, "prompts": "a", **absent})
    assert [len(v) for v in batch.videos] == [0]
    batch = _batch(videos=VIDEO, prompts="a")
    assert [len(a) for a in batch.audio] == [0]


def test_a_clip_of_a_batch_may_lack_a_modality():
    batch = _batch(
        videos=[None, VIDEO], audio=[AUDIO, None], prompts=["a", "b"]
    )
    assert [len(v) for v in batch.videos] == [0, 4]
    assert [len(a) for a in batch.audio] == [100, 0]


def test_silence_is_not_a_missing_modality():
    assert len(_batch(audio=AUDIO, prompts="a").audio[0]) == 100


@pytest.mark.parametrize("text", ["what?", b"what?", np.array("what?")])
def test_a_text_without_a_clip(text):
    batch = _batch(prompts=text)
    assert batch.is_single
    assert len(batch.prompts) == len(batch.videos) == len(batch.audio) == 1
    batch = _batch(prompts=[text, text])
    assert not batch.is_single
    assert len(batch.prompts) == len(batch.videos) == len(batch.audio) == 2


@pytest.mark.parametrize(
    "prompts, shape",
    [
        (np.array(["a", "b"]), (2,)),
        (np.array([["a"], ["b"]], object), (2, 1)),
        (tf.constant([["a", "b", "c"]] * 2), (2, 3)),
        ([("a", "b"), np.array(["c", "d"])], (2, 2)),
    ],
)
def test_texts_may_come_as_arrays_and_tensors(prompts, shape):
    batch = _batch(audio=[AUDIO, AUDIO], prompts=prompts)
    assert batch.prompts.shape == shape


def test_audio_becomes_float32():
    for dtype in ("float16", "float64"):
        batch = _batch(audio=AUDIO.astype(dtype), prompts="a")
        assert batch.audio[0].dtype == "float32"
    assert _batch(audio=[[0.5, 1.0]], prompts=["a"]).audio[0].tolist() == [
        0.5,
        1.0,
    ]


def test_inputs_are_left_as_they_are():
    x = {"videos": VIDEO, "prompts": "a"}
    standardize_inputs(x)
    assert list(x) == ["videos", "prompts"]
    assert x["prompts"] == "a" and x["videos"] is VIDEO


# What is wrong, and what the error must say: the input, what was expected,
# what came.
BAD = {
    "not a dict": ("what?", ["dict", "str"]),
    "unknown key": (
        {"video": VIDEO, "prompts": "a"},
        ["['video']", "'videos'", "'audio'", "'prompts'", "'responses'"],
    ),
    "no prompts": ({"audio": AUDIO}, ['"prompts"', "missing", "a string"]),
    "prompts of None": (
        {"audio": AUDIO, "prompts": None},
        ['"prompts"', "missing"],
    ),
    "float video": (
        {"videos": VIDEO / 255, "prompts": "a"},
        ['"videos"', "uint8", "float64", "0..255"],
    ),
    "int32 video": (
        {"videos": VIDEO.astype("int32"), "prompts": "a"},
        ['"videos"', "uint8", "int32"],
    ),
    "grey video": (
        {"videos": VIDEO[..., :1], "prompts": "a"},
        ['"videos"', "(frames, height, width, 3)", "(4, 6, 8, 1)"],
    ),
    "one frame": (
        {"videos": VIDEO[0], "prompts": "a"},
        ['"videos"', "(frames, height, width, 3)", "(6, 8, 3)"],
    ),
    "list of frames": (
        {"videos": list(VIDEO), "prompts": "a"},
        ['"videos"', "(frames, height, width, 3)", "(6, 8, 3)"],
    ),
    "video of too many axes": (
        {"videos": VIDEO[None, None], "prompts": "a"},
        ['"videos"', "(1, 1, 4, 6, 8, 3)"],
    ),
    "integer audio": (
        {"audio": AUDIO.astype("int16"), "prompts": "a"},
        ['"audio"', "floating point", "int16", "32768"],
    ),
    "stereo": (
        {"audio": np.zeros((100, 2), "float32"), "prompts": "a"},
        ['"audio"', "(100, 2)", "(samples,)", "channels"],
    ),
    "stereo in a list": (
        {"audio": [np.zeros((100, 2), "float32")], "prompts": ["a"]},
        ['"audio"', "(100, 2)", "(samples,)", "channels"],
    ),
    "audio of three axes": (
        {"audio": np.zeros((2, 100, 2), "float32"), "prompts": ["a", "b"]},
        ['"audio"', "(2, 100, 2)", "mono"],
    ),
    "list of samples": (
        {"audio": [0.1, 0.2], "prompts": "a"},
        ['"audio"', "array", "list of float"],
    ),
    "list of paths": (
        {"videos": ["a.mp4", "b.mp4"], "prompts": ["a", "b"]},
        ['"videos"', "array", "list of str"],
    ),
    "path": (
        {"videos": "a.mp4", "prompts": "a"},
        ['"videos"', "(frames, height, width, 3)"],
    ),
    "audio of strings": (
        {"audio": np.array(["a", "b"]), "prompts": "a"},
        ['"audio"', "floating point", "<U1"],
    ),
    "one clip and a batch": (
        {"videos": VIDEO, "audio": [AUDIO], "prompts": ["a"]},
        ['"videos"', '"audio"', "one clip", "batch"],
    ),
    "one prompt for a batch": (
        {"videos": [VIDEO, VIDEO], "prompts": "a"},
        ['"videos"', "batch", '"prompts"', "one string", "list of 2"],
    ),
    "one response for a batch": (
        {"audio": [AUDIO], "prompts": ["a"], "responses": "b"},
        ['"responses"', "a string per clip", "'b'"],
    ),
    "fewer prompts than clips": (
        {"videos": [VIDEO] * 2, "audio": [AUDIO] * 2, "prompts": ["a"]},
        ["'prompts': 1", "'videos': 2", "'audio': 2", "one prompt"],
    ),
    "fewer sounds than pictures": (
        {"videos": [VIDEO] * 2, "audio": [AUDIO], "prompts": ["a", "b"]},
        ["'videos': 2", "'audio': 1"],
    ),
    "fewer responses than prompts": (
        {"audio": AUDIO, "prompts": ["a", "b"], "responses": ["c"]},
        ["one response", "(1, 2)", "(1, 1)"],
    ),
    "responses of another nesting": (
        {"audio": [AUDIO], "prompts": ["a"], "responses": [["c", "d"]]},
        ["one response", "(1,)", "(1, 2)"],
    ),
    "prompts of different counts": (
        {"audio": [AUDIO] * 2, "prompts": [["a"], ["b", "c"]]},
        ['"prompts"', "equally long", "['b', 'c']"],
    ),
    "strings among lists": (
        {"audio": [AUDIO] * 2, "prompts": ["a", ["b"]]},
        ['"prompts"', "equally long"],
    ),
    "no text": (
        {"audio": AUDIO, "prompts": []},
        ['"prompts"', "Received: []"],
    ),
    "no clip": ({"audio": [], "prompts": []}, ['"prompts"', "Received: []"]),
    "prompt of a number": (
        {"audio": AUDIO, "prompts": 5},
        ['"prompts"', "a string per clip", "Received: 5"],
    ),
    "prompts of numbers": (
        {"audio": [AUDIO], "prompts": [5]},
        ['"prompts"', "a string per clip", "Received: [5]"],
    ),
    "prompts nested too deep": (
        {"audio": AUDIO, "prompts": [["a"]]},
        ['"prompts"', "Received: [['a']]"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_error_names_the_input_what_was_expected_and_what_came(case):
    x, words = BAD[case]
    with pytest.raises(ValueError) as raised:
        standardize_inputs(x)
    for word in words:
        assert word in str(raised.value)


def test_responses_are_asked_for_where_they_are_needed():
    x = {"audio": AUDIO, "prompts": "a"}
    standardize_inputs(x)
    with pytest.raises(ValueError, match='"responses"` is missing'):
        standardize_inputs(x, needs_responses=True)


def _check_in_graph(x):
    """`check_symbolic_inputs` of the tensors of a pipeline."""
    answers = []

    def check(element):
        answers.append(check_symbolic_inputs(element))
        return 0

    list(tf.data.Dataset.from_tensors(x).map(check))
    return answers[0]


def test_clip_and_batch_are_told_apart_in_a_graph():
    texts = {"prompts": "a", "responses": "b"}
    batch = {"prompts": ["a"], "responses": ["b"]}
    assert _check_in_graph({"videos": VIDEO, "audio": AUDIO, **texts})
    assert _check_in_graph({"audio": AUDIO, **batch})
    assert _check_in_graph(texts)
    assert not _check_in_graph({"videos": VIDEO[None], **batch})
    assert not _check_in_graph({"audio": AUDIO[None], **batch})
    assert not _check_in_graph(batch)


@pytest.mark.parametrize(
    "case",
    [
        "unknown key",
        "no prompts",
        "float video",
        "int32 video",
        "one frame",
        "video of too many axes",
        "integer audio",
        "audio of three axes",
    ],
)
def test_errors_in_a_graph_say_the_same(case):
    x, words = BAD[case]
    with pytest.raises(ValueError) as raised:
        _check_in_graph({**x, "responses": x.get("prompts", "b")})
    for word in words:
        assert word in str(raised.value)


def test_one_clip_and_a_batch_are_refused_in_a_graph():
    x = {"videos": VIDEO, "audio": AUDIO[None], "prompts": "a"}
    with pytest.raises(ValueError, match="both be one clip"):
        _check_in_graph({**x, "responses": "b"})


def test_responses_are_needed_in_a_graph():
    with pytest.raises(ValueError, match='"responses"` is missing'):
        _check_in_graph({"audio": AUDIO, "prompts": "a"})
