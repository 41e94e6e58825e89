import concurrent.futures
import gc
import multiprocessing
import os
import time
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.preprocessing import graph
from keras_mirasol.preprocessing.graph import in_graph
from keras_mirasol.preprocessing.graph import is_symbolic


class Scaler:
    """Counts how often its method is traced."""

    def __init__(self, factor):
        self.factor = factor
        self.traces = 0

    @in_graph
    def scale(self, x, offset=None, repeats=1):
        self.traces += 1
        tf.debugging.Assert(
            tf.shape(x)[0] < 9, ["Of", tf.shape(x)[0], "steps, 8 fit."]
        )
        y = self.factor * tf.repeat(x, repeats)
        return {"y": y if offset is None else y + offset}

    @in_graph
    def join(self, texts):
        return tf.strings.reduce_join(texts)

    @in_graph
    def gather(self, x):
        return tf.gather(x, 10)


def test_eager_call_takes_and_returns_numpy():
    y = Scaler(2.0).scale(np.array([1.0, 3.0], "float32"))["y"]
    assert isinstance(y, np.ndarray)
    np.testing.assert_array_equal(y, [2.0, 6.0])


@pytest.mark.parametrize("kind", ["list", "tensor of the backend", "tf"])
def test_eager_call_takes_lists_and_tensors(kind):
    x = {
        "list": lambda x: x,
        "tensor of the backend": keras.ops.convert_to_tensor,
        "tf": tf.constant,
    }[kind]([1.0, 3.0])
    np.testing.assert_array_equal(Scaler(2.0).scale(x)["y"], [2.0, 6.0])


def test_eager_call_takes_strings():
    assert Scaler(1.0).join(["be", "ll"]) == b"bell"


def test_none_and_ints_are_arguments_of_the_trace():
    scaler = Scaler(2.0)
    x = np.ones(1, "float32")
    np.testing.assert_array_equal(scaler.scale(x, None, 3)["y"], [2, 2, 2])
    np.testing.assert_array_equal(scaler.scale(x, x, 2)["y"], [3, 3])


def test_all_lengths_share_a_trace():
    scaler = Scaler(2.0)
    for length in (1, 2, 3, 4, 5):
        scaler.scale(np.ones(length, "float32"))
    assert scaler.traces == 1


def test_threads_trace_one_after_the_other():
    inside, most = [], []

    class Slow:
        @in_graph
        def double(self, x):
            inside.append(self)
            most.append(len(inside))
            time.sleep(0.05)
            inside.pop()
            return 2 * x

    one, other, x = Slow(), Slow(), np.ones(2, "float32")
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda s: s.double(x), [one, other] * 4))
    assert most == [1, 1]
    np.testing.assert_array_equal(results, np.full((8, 2), 2.0))

    # Nor where pipelines are made of them.
    dataset = tf.data.Dataset.from_tensors(x)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda s: dataset.map(s.double), [one, other] * 2))
    assert set(most) == {1}


def test_many_objects_are_no_function_that_is_traced_too_often(caplog):
    for factor in range(12):
        Scaler(float(factor)).scale(np.ones(1, "float32"))
    assert "retracing" not in caplog.text


def test_each_object_has_graphs_of_its_own():
    x = np.ones(1, "float32")
    two, three = Scaler(2.0), Scaler(3.0)
    assert [two.scale(x)["y"], three.scale(x)["y"]] == [2.0, 3.0]


def test_a_changed_setting_takes_effect():
    class Configured(Scaler):
        def get_config(self):
            return {"factor": self.factor}

    scaler = Configured(2.0)
    x = np.ones(1, "float32")
    assert scaler.scale(x)["y"] == [2.0]
    scaler.factor = 3.0
    assert scaler.scale(x)["y"] == [3.0]
    scaler.scale(x)
    assert scaler.traces == 2


def test_graph_does_not_keep_its_object_alive():
    scaler = Scaler(2.0)
    scaler.scale(np.ones(1, "float32"))
    assert scaler in graph._GRAPHS
    reference = weakref.ref(scaler)
    del scaler
    gc.collect()
    assert reference() is None


def test_becomes_part_of_a_pipeline():
    scaler = Scaler(2.0)
    dataset = tf.data.Dataset.from_tensor_slices([[1.0], [3.0], [5.0]])
    values = [e["y"].numpy()[0] for e in dataset.map(scaler.scale)]
    assert values == [2.0, 6.0, 10.0]
    assert scaler.traces == 1


def test_failed_assertion_is_a_value_error_in_its_own_words():
    with pytest.raises(ValueError) as raised:
        Scaler(1.0).scale(np.ones(9, "float32"))
    assert str(raised.value) == "Of 9 steps, 8 fit."


def test_other_errors_of_the_graph_stay():
    with pytest.raises(tf.errors.InvalidArgumentError):
        Scaler(1.0).gather(np.ones(3, "float32"))


def test_only_tensors_of_a_graph_are_symbolic():
    seen = []

    def look(x):
        seen.append(is_symbolic(x))
        seen.append(is_symbolic(np.ones(1)))
        seen.append(is_symbolic(tf.RaggedTensor.from_row_lengths(x, [1, 2])))
        return x

    list(tf.data.Dataset.from_tensors([1, 2, 3]).map(look))
    assert seen == [True, False, True]
    assert not is_symbolic(tf.constant(1))
    assert not is_symbolic("text")


@pytest.mark.parametrize("repeats", [np.int64(2), np.int32(2), 2])
def test_ints_of_any_kind_are_static(repeats):
    scaler = Scaler(1.0)
    y = scaler.scale(np.ones(3, "float32"), None, repeats)["y"]
    assert y.shape == (6,)
    assert scaler.scale(np.ones(4, "float32"), None, 2)["y"].shape == (8,)
    assert scaler.traces == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_is_told_instead_of_left_hanging():
    scaler, x = Scaler(2.0), np.ones(3, "float32")
    scaler.scale(x)
    processes = multiprocessing.get_context("fork")
    receiver, sender = processes.Pipe(duplex=False)

    def work():
        try:
            sender.send(scaler.scale(x)["y"].sum())
        except RuntimeError as error:
            sender.send(str(error))

    worker = processes.Process(target=work)
    worker.start()
    assert receiver.poll(60)
    assert 'multiprocessing_context="spawn"' in receiver.recv()
    worker.join()
