"""The command that plays a file and answers meanwhile."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_models

from keras_mirasol import stream
from keras_mirasol.data import load_clip
from keras_mirasol.data import write_clip

pytestmark = pytest.mark.any_backend

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def task():
    return small_models.sharpen(small_models.build_task())


@pytest.fixture(scope="module")
def folder(task, tmp_path_factory):
    """A film whose sound ends sooner, and a preset."""
    folder = tmp_path_factory.mktemp("stream")
    clip = small_models.random_clip(6)
    write_clip(
        folder / "film.mp4",
        np.repeat(np.repeat(clip["videos"], 2, axis=1), 2, axis=2),
        clip["audio"][: 3 * small_models.SAMPLES],
        frame_rate=8,
        sampling_rate=8000,
    )
    task.save_to_preset(folder / "preset")
    return folder


def _answers(printed):
    """Pairs of times and answers to the question `what?`."""
    lines = re.findall(r"^\[(.*?) s\] what\? (.*)$", printed, re.MULTILINE)
    return [(float(seconds), answer) for seconds, answer in lines]


def _expected(task, folder, seconds):
    clip = load_clip(
        folder / "film.mp4", end=seconds, **task.preprocessor.clip_settings
    )
    return task.generate({**clip, "prompts": "what?"})


def test_it_answers_about_what_was_played_by_then(task, folder, capsys):
    def questions():
        yield "what?\n"
        yield "\n"
        yield "what?\n"

    arguments = [str(folder / "film.mp4"), "--preset", str(folder / "preset")]
    stream.main([*arguments, "--speed", "3"], questions())
    answers = _answers(capsys.readouterr().out)
    assert len(answers) == 2
    for seconds, answer in answers:
        assert seconds > 0
        assert answer == _expected(task, folder, seconds)


def test_it_reads_what_is_typed(task, folder):
    command = [sys.executable, "-m", "keras_mirasol.stream"]
    arguments = ["film.mp4", "--preset", "preset", "--window", "8"]
    result = subprocess.run(
        [*command, str(folder / arguments[0]), "--preset", folder / "preset"]
        + arguments[3:],
        input="what?\n" + "too long to be asked, " * 9 + "\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    ((seconds, answer),) = _answers(result.stdout)
    assert answer == _expected(task, folder, seconds)
    assert "A text has" in result.stdout


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["film.mp4", "--speed", "0"], "--speed must be positive"),
        (["missing.mp4"], "missing.mp4"),
        (["film.mp4", "--preset", "mirasol_none"], "no preset 'mirasol_none'"),
    ],
)
def test_what_it_cannot_play(folder, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(folder)
    if "--preset" not in arguments:
        arguments = [*arguments, "--preset", "preset"]
    with pytest.raises(SystemExit):
        stream.main(arguments, [])
    assert words in capsys.readouterr().err
