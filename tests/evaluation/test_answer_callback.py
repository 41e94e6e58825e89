import numpy as np
import pytest

from keras_mirasol.evaluation import AnswerCallback
from keras_mirasol.evaluation import answer_callback

LINES = [
    {"prompt": "what barks?", "response": "a dog", "kind": "heard"},
    {"prompt": "what rings?", "response": "a bell", "kind": "heard"},
    {"prompt": "what is red?", "response": "a ball", "kind": "seen"},
]
ANSWERS = {
    "what barks?": "a dog",
    "what rings?": "a dog",
    "what is red?": "a ball",
}


@pytest.fixture(autouse=True)
def answers(monkeypatch):
    """Answers without a model; `calls` lists the epochs' lines."""
    calls = []

    def answer_manifest(task, lines, *, batch_size):
        calls.append((task, batch_size))
        return [{**line, "answer": ANSWERS[line["prompt"]]} for line in lines]

    monkeypatch.setattr(answer_callback, "answer_manifest", answer_manifest)
    return calls


def _after_epochs(callback, epochs=1):
    callback.set_model("the task")
    all_logs = [{"loss": 1.0} for _ in range(epochs)]
    for epoch, logs in enumerate(all_logs):
        callback.on_epoch_end(epoch, logs)
    return all_logs


def test_shares_by_kind_are_logged_and_printed(answers, capsys):
    (logs,) = _after_epochs(AnswerCallback(LINES, batch_size=5))
    assert logs == {
        "loss": 1.0,
        "exact_match": 2 / 3,
        "exact_match_heard": 0.5,
        "exact_match_seen": 1.0,
    }
    assert answers == [("the task", 5)]
    printed = capsys.readouterr().out
    assert "exact_match 0.667" in printed
    assert "exact_match_heard 0.500" in printed


def test_samples_are_printed_with_their_truth(capsys):
    _after_epochs(AnswerCallback(LINES, num_samples=3))
    printed = capsys.readouterr().out
    assert "what rings?  ->  'a dog'  (truth: 'a bell')" in printed
    assert len(printed.strip().splitlines()) == 1 + 3


def test_lines_without_a_kind_are_one_group():
    (logs,) = _after_epochs(AnswerCallback([*LINES, {**LINES[0], "kind": "x"}]))
    assert "exact_match_x" in logs
    lines = [{k: v for k, v in line.items() if k != "kind"} for line in LINES]
    (logs,) = _after_epochs(AnswerCallback(lines))
    assert set(logs) == {"loss", "exact_match"}


def test_first_epoch_and_every_third_are_answered(answers):
    logs = _after_epochs(AnswerCallback(LINES, every=3), epochs=7)
    assert np.flatnonzero(["exact_match" in log for log in logs]).tolist() == [
        0,
        2,
        5,
    ]
    assert len(answers) == 3


def test_no_lines_to_answer():
    with pytest.raises(ValueError, match="at least one line"):
        AnswerCallback([])
