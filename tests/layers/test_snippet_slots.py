import numpy as np
import pytest
from arrays import assert_same_bits
from keras import ops

from keras_mirasol.layers.snippet_slots import slot_of
from keras_mirasol.layers.snippet_slots import snippets_in_slots
from keras_mirasol.layers.snippet_slots import tokens_of


def test_the_first_snippets_stay_and_the_others_take_turns():
    snippets = ops.arange(9, dtype="int32")
    slots = slot_of(snippets, num_slots=5, num_sinks=2)
    assert_same_bits(slots, [0, 1, 2, 3, 4, 2, 3, 4, 2])


@pytest.mark.parametrize("num_sinks", [0, 1, 2])
def test_what_slots_hold_is_what_was_written(num_sinks):
    held, expected = np.full(5, -1), []
    for snippet in range(14):
        held[snippet if snippet < 5 else _oldest(held, num_sinks)] = snippet
        expected.append(held.copy())
    last = ops.arange(14, dtype="int32")
    assert_same_bits(_held(last, 5, num_sinks), expected)


def test_nothing_is_held_before_the_first_snippet():
    last = ops.full((1,), -1, "int32")
    for num_sinks in (0, 2):
        assert_same_bits(_held(last, 4, num_sinks), [[-1] * 4])


def test_tokens_of_a_slot_stand_together():
    slots = ops.array([[0, 3], [2, 1]], "int32")
    assert_same_bits(tokens_of(slots, 2), [[0, 1, 6, 7], [4, 5, 2, 3]])


def _oldest(held, num_sinks):
    return num_sinks + held[num_sinks:].argmin()


def _held(last, num_slots, num_sinks):
    held = snippets_in_slots(last, num_slots, num_sinks)
    # Any negative number stands for none.
    return ops.maximum(held, -1)
