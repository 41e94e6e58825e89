import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mirasol.models import MirasolTokenizer

TEXTS = ["bell", "", "Größe: 3 µm", "何が聞こえますか", "🔔 rings\ntwice"]


@pytest.fixture(scope="module")
def tokenizer():
    return MirasolTokenizer()


def _ids(values):
    return [int(i) for i in values]


def test_ids_are_utf8_bytes(tokenizer):
    assert _ids(tokenizer("bell")) == [98, 101, 108, 108]
    assert _ids(tokenizer("é")) == [0xC3, 0xA9]


def test_special_ids_follow_the_bytes(tokenizer):
    assert tokenizer.start_token_id == 256
    assert tokenizer.end_token_id == 257
    assert tokenizer.special_token_ids == [256, 257]
    assert tokenizer.pad_token_id == 0
    assert tokenizer.vocabulary_size() == 258


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_comes_back(tokenizer, text):
    assert tokenizer.detokenize(_ids(tokenizer(text))) == text


def test_a_batch_comes_back(tokenizer):
    ids = tokenizer(TEXTS)
    assert [len(row) for row in ids] == [len(t.encode()) for t in TEXTS]
    assert tokenizer.detokenize([_ids(row) for row in ids]) == TEXTS


def test_case_is_kept_unless_asked(tokenizer):
    assert tokenizer.detokenize(_ids(tokenizer("BeLL"))) == "BeLL"
    lowercase = MirasolTokenizer(lowercase=True)
    assert lowercase.detokenize(_ids(lowercase("BeLL"))) == "bell"


def test_start_end_and_padding_are_left_out(tokenizer):
    assert tokenizer.detokenize([256, 98, 101, 257, 0, 0]) == "be"
    assert tokenizer.detokenize([[256, 98, 257], [257, 0, 0]]) == ["b", ""]
    assert tokenizer.detokenize([]) == ""


@pytest.mark.parametrize(
    "to_array",
    [np.array, keras.ops.convert_to_tensor, tf.constant, tf.ragged.constant],
)
def test_detokenizes_arrays_and_tensors(tokenizer, to_array):
    ids = to_array([[256, 98, 257, 0], [99, 100, 257, 0]])
    assert tokenizer.detokenize(ids) == ["b", "cd"]


def test_detokenizes_one_row_of_an_array(tokenizer):
    assert tokenizer.detokenize(np.array([98, 99, 257])) == "bc"


def test_works_in_a_pipeline(tokenizer):
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(5)
    ids = next(iter(dataset.map(tokenizer)))
    assert ids.to_list() == [list(text.encode()) for text in TEXTS]
    texts = next(iter(dataset.map(tokenizer).map(tokenizer.detokenize)))
    assert [text.decode() for text in texts.numpy()] == TEXTS


@pytest.mark.parametrize("texts", [[""], ["", ""]])
def test_texts_may_all_be_empty_in_a_pipeline(tokenizer, texts):
    dataset = tf.data.Dataset.from_tensors(texts).map(tokenizer)
    assert next(iter(dataset)).to_list() == [[] for _ in texts]
    dataset = tf.data.Dataset.from_tensors("").map(tokenizer)
    assert next(iter(dataset)).shape == (0,)


def test_leaves_out_special_ids_in_a_pipeline(tokenizer):
    dataset = tf.data.Dataset.from_tensors([[256, 98, 257], [99, 257, 0]])
    texts = next(iter(dataset.map(tokenizer.detokenize)))
    assert texts.numpy().tolist() == [b"b", b"c"]


def test_broken_characters_do_not_stop_it(tokenizer):
    # A model may stop in the middle of a character.
    assert tokenizer.detokenize([98, 0xC3]) == "b\N{REPLACEMENT CHARACTER}"


def test_tokens_and_ids_name_one_another(tokenizer):
    vocabulary = tokenizer.get_vocabulary()
    assert len(vocabulary) == 258
    for id in range(258):
        token = tokenizer.id_to_token(id)
        assert tokenizer.token_to_id(token) == vocabulary[token] == id
    assert tokenizer.id_to_token(98) == "b"
    assert tokenizer.id_to_token(257) == "<end>"


@pytest.mark.parametrize("id", [-1, 258])
def test_an_id_beyond_the_vocabulary_is_refused(tokenizer, id):
    with pytest.raises(ValueError, match=str(id)):
        tokenizer.id_to_token(id)


def test_config_round_trip():
    tokenizer = MirasolTokenizer(lowercase=True, name="words")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(tokenizer)
    )
    assert isinstance(copy, MirasolTokenizer)
    assert copy.get_config() == tokenizer.get_config()
    assert copy.lowercase
