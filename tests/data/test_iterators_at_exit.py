import weakref

import pytest
import tensorflow as tf

from keras_mirasol.data.iterators_at_exit import release_iterators

pytestmark = pytest.mark.any_backend


class Thing:
    pass


def test_iterators_let_go_of_their_pipelines():
    iterator = iter(tf.data.Dataset.range(3))
    assert next(iterator) == 0
    release_iterators()
    assert iterator._iterator_resource is None


def test_a_proxy_of_what_is_gone_is_passed_over():
    thing = Thing()
    proxy = weakref.proxy(thing)
    del thing
    iterator = iter(tf.data.Dataset.range(3))
    release_iterators()
    assert iterator._iterator_resource is None
    assert weakref.ProxyType is type(proxy)
