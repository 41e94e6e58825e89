import keras
import keras_hub
import numpy as np
import pytest
import small_models
from arrays import assert_close
from arrays import assert_same_bits
from arrays import differ
from keras import ops
from small_models import FRAMES
from small_models import SAMPLES

from keras_mirasol.layers import VideoEncoder


@pytest.fixture(scope="module")
def task():
    backbone = small_models.build_backbone(combiner="token_turing")
    return small_models.sharpen(small_models.build_task(backbone=backbone))


@pytest.fixture(scope="module")
def clip():
    return small_models.random_clip(6)


def span(clip, first, last):
    """Frames and samples of some snippets."""
    return (
        clip["videos"][first * FRAMES : last * FRAMES],
        clip["audio"][first * SAMPLES : last * SAMPLES],
    )


def whole(task, clip):
    """Latents of a whole clip, as the preprocessor cuts it."""
    x = task.preprocessor.generate_preprocess({**clip, "prompts": "?"})
    return task.backbone.predict_on_batch(x)["snippet_latents"][0]


def joined(*latents):
    return np.concatenate([ops.convert_to_numpy(part) for part in latents])


@pytest.fixture
def traced(task, monkeypatch):
    """A snippet for each time that the model is traced, or called on torch."""
    calls = []
    call = VideoEncoder.call

    def recorded(self, x, *args, **kwargs):
        calls.append(tuple(x.shape))
        return call(self, x, *args, **kwargs)

    monkeypatch.setattr(VideoEncoder, "call", recorded)
    monkeypatch.setattr(task, "_stream_functions", None)
    return calls


# Snippets


@pytest.mark.skipif(
    keras.backend.backend() == "torch", reason="torch compiles nothing"
)
def test_any_number_of_snippets_is_compiled_once(task, clip, traced):
    streams = (
        task.stream(window=2, num_sinks=1),
        task.stream(window=2, num_sinks=1),
    )
    for stream in streams:
        stream.observe(*span(clip, 0, 1))
        stream.observe(*span(clip, 1, 6))
        stream.observe(audio=clip["audio"][:700])
    assert traced == [(1, FRAMES, small_models.SIZE, small_models.SIZE, 3)]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only there XLA is a choice"
)
@pytest.mark.parametrize("settings", [{}, {"window": 2, "num_sinks": 1}])
def test_xla_compiles_what_streams_compute(clip, settings):
    task = small_models.build_task()
    task.compile(jit_compile=True)
    stream = task.stream(**{"max_snippets": 4, **settings})
    latents = stream.observe(*span(clip, 0, 3))
    assert_close(
        latents, whole(task, dict(zip(clip, span(clip, 0, 3), strict=True)))
    )
    assert "".join(stream.ask("?", token_by_token=True)) == stream.ask("?")


def test_nothing_new_is_no_snippet(task, clip):
    stream = task.stream(max_snippets=2)
    shape = (0, task.backbone.num_joint_tokens, task.backbone.hidden_dim)
    assert stream.observe().shape == shape
    assert stream.observe(clip["videos"][:1]).shape == shape
    assert stream.observe(audio=clip["audio"][:0]).shape == shape
    assert stream.num_snippets == 0


def test_what_comes_may_be_overwritten(task, clip):
    stream = task.stream(max_snippets=2)
    frames, audio = (array.copy() for array in span(clip, 0, 1))
    stream.observe(frames[:1])
    stream.observe(frames[1:], audio[:900])
    frames[:], audio[:900] = 0, 0
    latents = stream.observe(audio=audio[900:])
    assert_close(latents, whole(task, clip)[:1])


def test_streams_of_a_batch_go_each_at_their_own_pace(task):
    clips = [small_models.random_clip(3, seed=seed) for seed in range(3)]
    stream = task.stream(batch_size=3, max_snippets=1)
    first = stream.observe(
        [clips[0]["videos"], None, clips[2]["videos"][:2]],
        [clips[0]["audio"], None, clips[2]["audio"][:2100]],
    )
    assert stream.num_snippets == [3, 0, 1]
    second = stream.observe(
        [None, clips[1]["videos"], clips[2]["videos"][2:]],
        [None, clips[1]["audio"], clips[2]["audio"][2100:]],
    )
    assert stream.num_snippets == [3, 3, 3]
    for row in range(3):
        assert_close(joined(first[row], second[row]), whole(task, clips[row]))
    for row, other in enumerate(clips):
        expected = task.generate({**other, "prompts": "what?"})
        assert stream.ask(["what?"] * 3)[row] == expected
        asked = [None, None, None]
        asked[row] = "what?"
        answers = stream.ask(asked)
        assert answers.pop(row) == expected
        assert answers == [None, None]


@pytest.mark.any_backend
def test_streams_that_share_a_window_do_not_share_snippets(task):
    clips = [small_models.random_clip(4, seed=seed) for seed in range(2)]
    settings = dict(window=2, num_sinks=1)
    both, alone = task.stream(batch_size=2, **settings), task.stream(**settings)
    both.observe(*zip(span(clips[0], 0, 2), (None, None), strict=True))
    latents = both.observe(
        *zip(span(clips[0], 2, 4), span(clips[1], 0, 4), strict=True)
    )
    alone.observe(*span(clips[0], 0, 2))
    assert_close(latents[0], alone.observe(*span(clips[0], 2, 4)))
    alone.reset()
    assert_close(latents[1], alone.observe(*span(clips[1], 0, 4)))


# The end


@pytest.mark.parametrize(
    "frames, samples",
    [
        (0, 1100),
        (0, 6100),
        (1, 0),
        (1, 900),
        (1, 7100),
        (5, 0),
        (5, 5900),
        (6, 900),
        (7, 5900),
        (7, 7100),
    ],
)
def test_what_is_left_over_is_as_the_preprocessor_has_it(
    task, clip, frames, samples
):
    clip = {"videos": clip["videos"][:frames], "audio": clip["audio"][:samples]}
    stream = task.stream(max_snippets=4)
    latents = stream.observe(clip["videos"], clip["audio"])
    latents = joined(latents, stream.finish())
    assert_close(latents, whole(task, clip))
    assert len(joined(stream.finish())) == 0


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_one_modality_may_end_while_the_other_goes_on(task, clip, modality):
    stream, whole_clip = task.stream(max_snippets=8), dict(clip)
    short = "videos" if modality == "video" else "audio"
    whole_clip[short] = clip[short][: int(2.6 * len(clip[short]) / 6)]
    parts = [
        stream.observe(*span(whole_clip, 0, 3)),
        stream.finish(modality),
    ]
    rest = "audio" if modality == "video" else "frames"
    frames, samples = span(clip, 3, 6)
    parts.append(
        stream.observe(**{rest: samples if rest == "audio" else frames})
    )
    # As long as snippets go on, none is left to the end.
    assert stream.num_snippets == 6
    assert_close(joined(*parts), whole(task, whole_clip))


def test_nothing_comes_after_the_end(task, clip):
    stream = task.stream(max_snippets=2, batch_size=2)
    stream.finish(index=0)
    with pytest.raises(ValueError, match="No more video.*nothing"):
        stream.observe([clip["videos"], None])
    stream.observe([None, clip["videos"]])
    stream.reset(0)
    stream.observe([clip["videos"], None])


def test_a_modality_that_was_not_to_come(task, clip):
    stream = task.stream(max_snippets=2, modalities="audio")
    with pytest.raises(ValueError, match=r"No more video.*\['audio'\]"):
        stream.observe(clip["videos"], clip["audio"])
    # Nothing of it was kept.
    assert len(stream.observe(audio=clip["audio"][:SAMPLES])) == 1
    assert stream.num_snippets == 1


def test_reset_forgets_one_stream_or_all(task, clip):
    stream = task.stream(batch_size=2, max_snippets=2)
    pair = [[x, x] for x in span(clip, 0, 1)]
    before = stream.observe(*pair)
    stream.reset(1)
    assert stream.num_snippets == [1, 0]
    after = stream.observe(*pair)
    assert differ(after[0], before[0])
    assert_close(after[1], before[1])
    stream.reset()
    assert_close(stream.observe(*pair)[0], before[0])


# Answers


def test_asking_changes_nothing(task, clip):
    asked, quiet = task.stream(max_snippets=4), task.stream(max_snippets=4)
    for stream in (asked, quiet):
        stream.observe(*span(clip, 0, 2))
    asked.ask("what?")
    list(asked.ask("what?", token_by_token=True))
    asked.ask(["a", "b"])
    rest = [stream.observe(*span(clip, 2, 4)) for stream in (asked, quiet)]
    assert_same_bits(*rest)
    assert asked.ask("what?") == quiet.ask("what?")


def test_several_prompts_are_answered_together(task, clip):
    stream = task.stream(max_snippets=2)
    stream.observe(*span(clip, 0, 2))
    one_by_one = [stream.ask("see?"), stream.ask("what is heard?")]
    assert len(set(one_by_one)) == 2
    assert stream.ask(["see?", "what is heard?"]) == one_by_one


def test_answers_among_choices_are_those_about_the_whole_clip(task, clip):
    stream = task.stream()
    stream.observe(clip["videos"], clip["audio"])
    stream.finish()
    choices = ["red", "a bell", "green"]
    for prompt in ("what?", ["what?", "who?"]):
        answers = stream.ask(prompt, choices=choices)
        assert set(np.ravel(answers)) <= set(choices)
        assert answers == task.generate(
            {**clip, "prompts": prompt}, choices=choices
        )
    with pytest.raises(ValueError, match="are given whole"):
        stream.ask("what?", choices=choices, token_by_token=True)


@pytest.mark.any_backend
def test_streams_have_choices_of_their_own(task, clip):
    stream = task.stream(batch_size=2)
    stream.observe([clip["videos"]] * 2, [clip["audio"]] * 2)
    answers = stream.ask(["what?", "who?"], choices=[["one"], ["two", "2"]])
    assert answers[0] == "one" and answers[1] in ("two", "2")
    assert stream.ask([None, "who?"], choices=["a"]) == [None, "a"]


def test_pieces_are_the_answer(task, clip):
    stream = task.stream(max_snippets=2)
    stream.observe(*span(clip, 0, 2))
    pieces = list(stream.ask("what?", token_by_token=True))
    assert len(pieces) > 1
    assert "".join(pieces) == stream.ask("what?")
    prompts = ["see?", "what is heard?"]
    pieces = list(stream.ask(prompts, token_by_token=True))
    assert [*map("".join, zip(*pieces, strict=True))] == stream.ask(prompts)


def test_an_answer_is_about_the_moment_when_it_was_asked(task, clip):
    stream = task.stream(max_snippets=4)
    stream.observe(*span(clip, 0, 1))
    expected = stream.ask("what?")
    pieces = stream.ask("what?", token_by_token=True)
    beginning = next(pieces)
    stream.observe(*span(clip, 1, 4))
    assert stream.ask("what?") != expected
    assert beginning + "".join(pieces) == expected


def test_a_character_waits_until_its_bytes_are_there(task, monkeypatch):
    tokens = [*"h€".encode(), 0xE2, 0x82]
    functions = task.stream_functions

    def next_tokens(token_ids, padding_mask, memory, caches, index):
        place = int(index) - int(padding_mask.sum())
        token = tokens[place] if place < len(tokens) else 257
        return np.array([token]), token_ids, caches

    monkeypatch.setattr(functions, "next_tokens", next_tokens)
    stream = task.stream(max_snippets=2)
    pieces = list(stream.ask("what?", token_by_token=True))
    assert pieces == ["h", "€", "\N{REPLACEMENT CHARACTER}"]


def test_length_and_stops_are_those_asked_for(task, clip):
    stream = task.stream(max_snippets=2)
    stream.observe(*span(clip, 0, 2))
    answer = stream.ask("what?", stop_token_ids=None)
    # A token is a byte.
    letter = next(c for c in answer if c.isascii())
    prompt = len("what?\n") + 1
    for by_token in (False, True):
        first = stream.ask(
            "what?", max_length=prompt + 1, token_by_token=by_token
        )
        assert "".join(first) == answer[0]
        to_letter = stream.ask(
            "what?", stop_token_ids=[ord(letter)], token_by_token=by_token
        )
        assert "".join(to_letter) == answer[: answer.index(letter) + 1]


def test_samplers_that_do_not_settle_tokens_are_refused(clip):
    task = small_models.build_task()
    task.compile(sampler=keras_hub.samplers.BeamSampler(2))
    stream = task.stream(max_snippets=2)
    with pytest.raises(ValueError, match="`BeamSampler`.*token by token"):
        stream.ask("what?", token_by_token=True)


def test_samplers_draw_anew():
    task = small_models.build_task()
    sampler = keras_hub.samplers.RandomSampler(seed=0)
    task.compile(sampler=sampler, **small_models.QUICKLY)
    stream = task.stream(max_snippets=2)
    answers = ["".join(stream.ask("?", token_by_token=True)) for _ in range(2)]
    assert answers[0] != answers[1]


# Saving


def test_what_was_saved_goes_on(task, clip, tmp_path):
    path = tmp_path / "stream.npz"
    settings = dict(window=2, num_sinks=1)
    stream, other = task.stream(**settings), task.stream(**settings)
    stream.observe(*span(clip, 0, 4))
    stream.observe(clip["videos"][8:9], clip["audio"][8000:8700])
    stream.save(path)
    other.restore(path)
    assert [file.name for file in tmp_path.iterdir()] == ["stream.npz"]
    assert other.num_snippets == 4
    assert other.ask("what?") == stream.ask("what?")
    for watched in (stream, other, task.stream(**settings)):
        latents = watched.observe(clip["videos"][9:], clip["audio"][8700:])
        if watched is stream:
            expected = latents
        elif watched is other:
            assert_same_bits(latents, expected)
        else:
            assert len(latents) < 2 or differ(latents[:2], expected)


def test_the_room_that_was_made_is_saved(task, clip, tmp_path):
    stream, other = task.stream(max_snippets=1), task.stream(max_snippets=2)
    stream.observe(*span(clip, 0, 3))
    stream.save(tmp_path / "stream.npz")
    other.restore(tmp_path / "stream.npz")
    for watched in (stream, other):
        latents = watched.observe(*span(clip, 3, 6))
        assert_close(latents, whole(task, clip)[3:])


@pytest.mark.parametrize(
    "settings", [{"window": 3}, {"batch_size": 1}, {"modalities": "video"}]
)
def test_other_settings_are_refused(task, tmp_path, settings):
    task.stream(window=2).save(tmp_path / "stream.npz")
    stream = task.stream(**{"window": 2, **settings})
    ((name, value),) = settings.items()
    with pytest.raises(ValueError, match=f"'{name}'.*'{name}'.*{value}"):
        stream.restore(tmp_path / "stream.npz")


def test_another_model_is_refused(task, tmp_path):
    task.stream(window=2).save(tmp_path / "stream.npz")
    others = [
        small_models.build_task(),
        small_models.build_task(
            backbone=task.backbone,
            preprocessor=small_models.build_preprocessor(
                video_converter=task.preprocessor.video_converter.from_config(
                    {
                        **task.preprocessor.video_converter.get_config(),
                        "scale": 1.0,
                    }
                )
            ),
        ),
    ]
    for other in others:
        with pytest.raises(ValueError, match="'model'.*'model'"):
            other.stream(window=2).restore(tmp_path / "stream.npz")


# Arguments


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"window": 0}, "`window` must be a positive int. Received: 0"),
        ({"max_snippets": None}, "`max_snippets` must be a positive int"),
        ({"batch_size": "2"}, "`batch_size` must be a positive int"),
        ({"num_sinks": -1}, "`num_sinks` must be an int, not negative"),
        ({"modalities": ()}, "`modalities` must be of"),
        ({"modalities": ("videos",)}, "`modalities` must be of"),
    ],
)
def test_settings_that_make_no_stream(settings, words):
    with pytest.raises(ValueError, match=words):
        small_models.shared_task().stream(**settings)


def test_a_task_without_a_preprocessor():
    with pytest.raises(ValueError, match="needs a preprocessor"):
        small_models.build_task(None).stream()


def test_what_cannot_be_observed(clip):
    task = small_models.shared_task()
    stream = task.stream(max_snippets=2)
    with pytest.raises(ValueError, match="Expected one stream.*1 clips"):
        stream.observe([clip["videos"]])
    with pytest.raises(ValueError, match="must be uint8"):
        stream.observe(clip["videos"].astype("float32"))
    with pytest.raises(ValueError, match="must be mono"):
        stream.observe(audio=np.zeros((2, 3, 4), "float32"))
    stream.observe(clip["videos"][:1])
    with pytest.raises(ValueError, match=r"one size.*\(1, 9, 9, 3\)"):
        stream.observe(np.zeros((1, 9, 9, 3), "uint8"))
    batch = task.stream(max_snippets=2, batch_size=2)
    with pytest.raises(ValueError, match="Expected 2 streams.*one clip"):
        batch.observe(clip["videos"])
    with pytest.raises(ValueError, match="Expected 2 streams.*3 clips"):
        batch.observe([clip["videos"], None, None])


@pytest.mark.parametrize(
    "batch_size, prompt",
    [(None, 3), (None, []), (None, [None]), (2, "a"), (2, ["a"])],
)
def test_what_cannot_be_asked(batch_size, prompt):
    stream = small_models.shared_task().stream(
        max_snippets=2, batch_size=batch_size
    )
    with pytest.raises(ValueError, match="`prompt` must be a"):
        stream.ask(prompt)


def test_streams_that_are_not_there():
    stream = small_models.shared_task().stream(max_snippets=2, batch_size=2)
    for call in (stream.reset, lambda index: stream.finish(index=index)):
        with pytest.raises(ValueError, match=r"must be in \[0, 2\)"):
            call(2)
    with pytest.raises(ValueError, match='must be "video" or "audio"'):
        stream.finish("videos")
