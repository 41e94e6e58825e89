"""What the script of pretraining makes of its scores."""

import functools

import numpy as np
import pytest
from scripts import load_script

pytestmark = pytest.mark.any_backend


@functools.cache
def script():
    return load_script("training/pretraining.py")


def test_recall_is_the_share_of_rows_whose_own_column_is_among_the_best():
    scores = np.full((8, 8), 0.1, "float32")
    scores += 0.01 * np.arange(8)
    # The first three are found at once; of row 3 one other is better, of the
    # rest all that stand behind them.
    scores[range(4), range(4)] = 1.0
    scores[3, 0] = 2.0
    found = script().recalls(scores)
    assert found["recall@1"] == pytest.approx(4 / 8)
    assert found["recall@5"] == pytest.approx(8 / 8)


@pytest.mark.parametrize(
    "accuracy, steps", [(0.2, 100), (0.5, 200), (0.6, 300), (0.9, None)]
)
def test_a_curve_takes_the_steps_of_the_first_epoch_that_gets_there(
    accuracy, steps
):
    curve = [
        {"epoch": epoch, "exact_match": match}
        for epoch, match in enumerate((0.2, 0.5, 0.6), start=1)
    ]
    assert script().steps_to(curve, accuracy, 100) == steps


def test_both_curves_are_drawn():
    curves = {
        name: [{"epoch": 1, "exact_match": 0.5}]
        for name in ("pretrained", "random")
    }
    (axes,) = script().draw(curves, 100).axes
    assert [line.get_xdata().tolist() for line in axes.lines] == [[100]] * 2
