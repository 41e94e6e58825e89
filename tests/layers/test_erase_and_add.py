import numpy as np
from arrays import assert_close
from arrays import differ
from arrays import randomize
from compiled import compiled
from numpy_token_turing import erase_and_add

from keras_mirasol.layers.erase_and_add import EraseAndAdd


def built():
    layer = EraseAndAdd(4)
    layer.build((None, 3, 4), (None, 2, 4))
    return layer


def test_equals_the_formula(normal):
    layer = randomize(built())
    memory, outputs = normal(2, 3, 4), normal(2, 2, 4)
    expected = [
        erase_and_add(layer, *clip)
        for clip in zip(memory, outputs, strict=True)
    ]
    assert_close(compiled(layer)(memory, outputs), expected)


def test_what_is_selected_is_erased_and_written_anew(normal):
    layer = built()
    identity, zeros = np.eye(4), np.zeros((4, 4))
    # Slot j is known by axis j, and outputs ask for slots by their axes.
    layer.norm.gamma.assign(np.zeros(4))
    layer.positions.assign(100 * identity[:3])
    layer.key.kernel.assign(identity)
    layer.query.kernel.assign(identity)
    # Axes 0 to 2 are erased, axis 3 is kept; 7 is added everywhere.
    layer.erase.kernel.assign(zeros)
    layer.erase.bias.assign([100, 100, 100, -100])
    layer.add.kernel.assign(zeros)
    layer.add.bias.assign([7, 7, 7, 7])
    memory = normal(1, 3, 4)
    write = compiled(layer)

    # One output asks for slot 1, the other for slot 2.
    outputs = identity[None, 1:3].astype("float32")
    expected = memory.copy()
    expected[0, 1:, :3] = 7
    expected[0, 1:, 3] += 7
    assert_close(write(memory, outputs), expected)

    # Both ask for slot 0: it is erased twice and added to twice.
    expected = memory.copy()
    expected[0, 0, :3] = 14
    expected[0, 0, 3] += 14
    outputs = np.stack([identity[:1], identity[:1]], 1).astype("float32")
    assert_close(write(memory, outputs), expected)


def test_slots_of_an_empty_memory_are_told_apart(normal):
    write = compiled(built())
    memory = write(np.zeros((1, 3, 4), "float32"), 10 * normal(1, 2, 4))
    assert differ(memory[0, 0], memory[0, 1])


def test_exact_number_of_weights():
    gamma, positions = 4, 3 * 4
    assert built().count_params() == (
        gamma + positions + 4 * 4 + 3 * (4 * 4 + 4)
    )
