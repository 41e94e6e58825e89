import pytest

from keras_mirasol.metrics import MeanAUC

pytestmark = pytest.mark.any_backend


def test_auc_is_the_share_of_pairs_in_the_right_order():
    # Of class 0 one clip of two is above the other class's, of class 1 both
    # clips are above the others.
    labels = [0, 0, 1, 1]
    scores = [[0.9, 0.1], [0.2, 0.3], [0.4, 0.5], [0.3, 0.6]]
    assert MeanAUC()(labels, scores) == pytest.approx((2 / 4 + 1) / 2)


def test_auc_of_one_class_is_that_of_a_guess():
    assert MeanAUC()([1, 1], [[0.9, 0.1], [0.6, 0.4]]) == 0.5
