import json

import pytest

from keras_mirasol.evaluation.predictions import Predictions

pytestmark = pytest.mark.any_backend

RUN = {"benchmark": "B", "seed": 0}


def line(number):
    return {"id": f"q{number}", "answer": "é" * number}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "predictions.jsonl"


def test_predictions_are_there_again_when_the_file_is_opened_again(path):
    predictions = Predictions(path, RUN)
    assert predictions.by_id == {}
    predictions.append([line(1), line(2)])
    predictions.append([line(3)])
    again = Predictions(path, RUN)
    assert again.by_id == {f"q{n}": line(n) for n in (1, 2, 3)}
    assert again.by_id == predictions.by_id


def test_whatever_byte_a_kill_came_at_whole_lines_stay_and_no_others(path):
    predictions = Predictions(path, RUN)
    for number in (1, 2, 3):
        predictions.append([line(number)])
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        again = Predictions(path, RUN)
        count = max(whole[:size].count(b"\n") - 1, 0)
        assert list(again.by_id) == [f"q{n + 1}" for n in range(count)]
        rest = [line(n) for n in (1, 2, 3) if f"q{n}" not in again.by_id]
        again.append(rest)
        assert path.read_bytes() == whole


def test_refuses_predictions_of_another_run_and_leaves_them(path):
    Predictions(path, RUN).append([line(1)])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="seed was 0 and is 1"):
        Predictions(path, {**RUN, "seed": 1})
    with pytest.raises(ValueError, match="mode was None and is 'open'"):
        Predictions(path, {**RUN, "mode": "open"})
    assert path.read_bytes() == before


def test_what_a_run_hangs_on_may_be_what_json_makes_lists_of(path):
    Predictions(path, {"splits": ("a", "b")})
    run = json.loads(path.read_text())["run"]
    assert Predictions(path, run).by_id == {}
