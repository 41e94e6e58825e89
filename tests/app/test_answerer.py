"""What the page asks: a model, its clips and its films."""

import numpy as np
import pytest
import small_models

from keras_mirasol.app.answerer import Answerer
from keras_mirasol.app.examples import write_examples
from keras_mirasol.data import load_clip
from keras_mirasol.data import sounding_shapes
from keras_mirasol.data.media.write_clip import write_clip

pytestmark = pytest.mark.any_backend

QUESTION = "what?"
AT_ONCE = float("inf")


@pytest.fixture(scope="module")
def answerer():
    task = small_models.sharpen(small_models.build_task())
    return Answerer(task, max_seconds=2.0)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A clip of six snippets, a second and a half."""
    path = tmp_path_factory.mktemp("app") / "clip.mp4"
    clip = small_models.random_clip(6)
    _write(path, clip)
    return str(path)


def _write(path, clip):
    write_clip(
        path,
        np.repeat(np.repeat(clip["videos"], 2, axis=1), 2, axis=2),
        clip["audio"],
        frame_rate=8,
        sampling_rate=8000,
    )


def _expected(answerer, path, seconds=None):
    task = answerer.task
    clip = load_clip(path, end=seconds, **task.preprocessor.clip_settings)
    return task.generate({**clip, "prompts": QUESTION})


def test_it_answers_as_the_task_does(answerer, path):
    clip = answerer.load(path)
    expected = _expected(answerer, path)
    assert answerer.answer(clip, f" {QUESTION}\n") == expected


def test_a_picture_tells_what_an_answer_rests_on(answerer, path):
    clip = answerer.load(path)
    figure = answerer.draw(clip, QUESTION, "day")
    assert figure.axes[0].get_title() == "answer: day"
    assert "attention" in {axes.get_ylabel() for axes in figure.axes}


@pytest.mark.parametrize(
    "snippets, answer, title",
    [(6, "", ""), (65, "day", "clips of up to 16 seconds")],
)
def test_the_clip_alone_is_drawn_where_nothing_can_be_traced(
    answerer, snippets, answer, title
):
    clip = small_models.random_clip(snippets)
    figure = answerer.draw(clip, QUESTION, answer)
    assert [axes.get_ylabel() for axes in figure.axes] == ["frames", "mel bin"]
    assert figure.axes[0].get_title().endswith(title)


@pytest.mark.parametrize("read", ["load", "watch"])
def test_files_that_cannot_be_read_go_by_their_name(answerer, tmp_path, read):
    with pytest.raises(ValueError, match="There is no clip. Upload"):
        getattr(answerer, read)(None)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing to see")
    with pytest.raises(ValueError, match="'broken.mp4'") as error:
        getattr(answerer, read)(str(broken))
    assert str(tmp_path) not in str(error.value)


def test_clips_may_be_too_long(answerer, tmp_path):
    path = tmp_path / "long.mp4"
    _write(path, small_models.random_clip(8))
    assert len(answerer.load(str(path))["videos"]) == 16
    _write(path, small_models.random_clip(9))
    with pytest.raises(ValueError, match="'long.mp4' is longer than 2 sec"):
        answerer.load(str(path))


@pytest.mark.parametrize("question", [None, "", " \n"])
def test_a_question_is_needed(answerer, path, question):
    with pytest.raises(ValueError, match="There is no question"):
        answerer.answer(answerer.load(path), question)
    film = answerer.watch(path)
    next(film.play(AT_ONCE))
    with pytest.raises(ValueError, match="There is no question"):
        list(film.ask(question))


def test_a_film_answers_about_what_has_played(answerer, path):
    film = answerer.watch(path)
    with pytest.raises(ValueError, match="Nothing was seen or heard yet"):
        list(film.ask(QUESTION))
    playing = film.play(AT_ONCE)
    assert [next(playing) for _ in range(3)] == [0.25, 0.5, 0.75]
    assert "".join(film.ask(QUESTION)) == _expected(answerer, path, 0.75)
    assert list(playing)[-1] == film.seconds == 1.5
    assert "".join(film.ask(QUESTION)) == _expected(answerer, path)


def test_a_film_plays_at_its_pace(answerer, path, monkeypatch):
    now = 100.0
    moments = []

    def sleep(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr("keras_mirasol.app.film.time.sleep", sleep)
    monkeypatch.setattr("keras_mirasol.app.film.time.monotonic", lambda: now)
    for _ in answerer.watch(path).play(speed=2.0):
        moments.append(now - 100)
        now += 0.1  # what looking takes is made up for
    assert moments[:6] == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.625, 0.75])


def test_examples_ask_one_question_of_each_kind(tmp_path):
    examples = write_examples(tmp_path)
    assert len({path for path, _ in examples}) == len(sounding_shapes.KINDS)
    for index, (path, question) in enumerate(examples):
        assert load_clip(path)["videos"].shape[0] == 16
        scene = sounding_shapes.corpus_scene(index, seed=7860)
        kind = sounding_shapes.KINDS[index]
        asked = sounding_shapes.questions(scene, kind)
        assert question in {line["prompt"] for line in asked}
