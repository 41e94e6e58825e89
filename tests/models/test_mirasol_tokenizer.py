import json
import re
import unicodedata

import keras
import numpy as np
import pytest
import tensorflow as tf
import tokenizers

from keras_mirasol.data import write_manifest
from keras_mirasol.models import MirasolTokenizer
from keras_mirasol.preprocessing.byte_pairs import BEGINNING
from keras_mirasol.preprocessing.byte_pairs import WORDS

CORPUS = [
    "what is heard while the red ball is seen?",
    "a bell and a drum",
    "red",
    "which colour is heard first? red, green or blue",
    "Größe: 3 µm, don't",
    "何が聞こえますか",
    "12 bells, 12 drums",
]
TEXTS = [
    "",
    " ",
    "   ",
    "\n",
    "\n\n red\n",
    " red",
    "  red",
    "red ",
    "red\tball\r\n\x0b\x0c",
    "\tred",
    "a   b",
    "what is heard while the red ball is seen?",
    "unseen wörds, too: naïve façade",
    unicodedata.normalize("NFD", "Größe naïve が"),
    unicodedata.normalize("NFC", "Größe naïve が"),
    "何が聞こえますか。「鐘」です、はい！",
    "소리가 들리나요?",
    "ما الذي يُسمع؟ می\u200cخواهم",
    "घंटी बजती है। ६७ ६",
    "🔔 rings 🔔🔔 👩\u200d👩\u200d👧 ✌🏽",
    "12 bells, 1234567890 ½ ²",
    "don't can’t 'quoted' rock'n'roll ''",
    "a\u00a0b\u2009c\u202fd\u3000e\u2028f\u0085g",
    "\ufeffred",
    "\x00",
    "a\x00\x00b\x00",
    "\x01\x1f\x7f",
    "<start>red<end> <start> <pad>",
    "ĴA Ġred ĠĠ Ċ #version: 0.2",
    "-> (a+b)*c == {d}[e] \\1 \\0 $^ .*",
    "a" * 100,
    "漢" * 70 + " " + "!" * 70 + "9" * 70,
    "\U0010ffff\U000e0001\ud7ff",
    "ı İ ß ſ ǅ ﬁ",
]


@pytest.fixture(scope="module")
def bytes_alone():
    return MirasolTokenizer()


@pytest.fixture(scope="module")
def trained():
    return MirasolTokenizer.train(CORPUS, vocabulary_size=400)


@pytest.fixture(params=["bytes_alone", "trained"])
def either(request):
    return request.getfixturevalue(request.param)


def _ids(values):
    return [int(i) for i in values]


def _tokens(tokenizer, text):
    return [tokenizer.id_to_token(i) for i in _ids(tokenizer(text))]


# Ids


def test_ids_of_bytes_alone_are_utf8(bytes_alone):
    assert _ids(bytes_alone("bell")) == [98, 101, 108, 108]
    assert _ids(bytes_alone("é")) == [0xC3, 0xA9]
    assert bytes_alone.vocabulary_size() == 258
    assert bytes_alone.merges == []


def test_bytes_come_first_then_start_end_and_merges():
    tokenizer = MirasolTokenizer(merges=["e d", "r ed", "Ġ red"])
    assert tokenizer.vocabulary_size() == 261
    assert tokenizer.start_token_id == tokenizer.token_to_id("<start>") == 256
    assert tokenizer.end_token_id == tokenizer.token_to_id("<end>") == 257
    assert sorted(tokenizer.special_token_ids) == [256, 257]
    assert tokenizer.pad_token_id == 0
    ids = {"Ā": 0, "Ċ": 10, "Ġ": 32, "A": 65, "ÿ": 255}
    ids |= {"ed": 258, "red": 259, "Ġred": 260}
    for token, id in ids.items():
        assert tokenizer.token_to_id(token) == id
        assert tokenizer.id_to_token(id) == token
    assert list(tokenizer.get_vocabulary())[258:] == ["ed", "red", "Ġred"]


def test_pairs_are_merged_by_the_order_of_merges_then_from_the_left():
    # By hand. "ab" is merged before "bc", which takes its `b`.
    tokenizer = MirasolTokenizer(merges=["a b", "b c", "ab ab", "Ġ a"])
    assert _tokens(tokenizer, "xabc") == ["Ġ", "x", "ab", "c"]
    assert _tokens(tokenizer, "xbca") == ["Ġ", "x", "bc", "a"]
    assert _tokens(tokenizer, "xababab") == ["Ġ", "x", "abab", "ab"]
    assert _tokens(tokenizer, "ac") == ["Ġa", "c"]
    assert _tokens(MirasolTokenizer(merges=["a a"]), "aaaaa") == [
        "Ġ",
        "aa",
        "aa",
        "a",
    ]


@pytest.mark.parametrize("text", ["<start>", "a<end>", "<start><end>"])
def test_special_tokens_in_a_text_are_text(either, text):
    assert not {256, 257} & set(_ids(either(text)))
    assert either.detokenize(_ids(either(text))) == text


def test_unknown_ids_and_tokens_are_refused(trained):
    for id in (-1, trained.vocabulary_size()):
        with pytest.raises(ValueError, match=r"must be in \[0, "):
            trained.id_to_token(id)
    with pytest.raises(ValueError, match="'zzz' is not in the vocabulary"):
        trained.token_to_id("zzz")


# Words


def test_a_word_is_one_token_wherever_it_stands(trained):
    red = [trained.token_to_id("Ġred")]
    assert _ids(trained("red")) == red
    assert _ids(trained("a red"))[-1:] == red
    assert _ids(trained("red ball"))[:1] == red
    assert _tokens(trained, "red ball\n") == ["Ġred", "Ġball", "Ċ"]
    assert _tokens(trained, "seen?\n") == ["Ġseen", "?", "Ċ"]
    assert _tokens(trained, "red\n\n") == ["Ġred", "Ċ", "Ċ"]


@pytest.mark.parametrize(
    "text, words",
    [
        ("a  b", ["a", " ", " b"]),
        ("x12 34y", ["x", "12", " 34", "y"]),
        ("don't l’eau 'so'", ["don't", " l’eau", " '", "so", "'"]),
        ("e\u0301te\u0301, ok", ["e\u0301te\u0301", ",", " ok"]),
        ("鐘。はい！", ["鐘", "。", "はい", "！"]),
        ("“red”—blue", ["“", "red", "”—", "blue"]),
        ("a\n\t b\x00\x00", ["a", "\n", "\t", " b", "\x00", "\x00"]),
        ("🔔 🔔 x", ["🔔", " 🔔", " x"]),
        ("b" * 40, ["b" * 32, "b" * 8]),
    ],
)
def test_words_are_what_is_said(text, words):
    assert re.findall(WORDS, text) == words


def _reference(tokenizer):
    """The `tokenizers` library with the same merges and words."""
    vocabulary = {
        token: id for token, id in tokenizer.vocabulary.items() if id >= 258
    }
    vocabulary |= dict(list(tokenizer.vocabulary.items())[:256])
    reference = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            vocabulary, [tuple(m.split(" ")) for m in tokenizer.merges]
        )
    )
    reference.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(
                tokenizers.Regex(WORDS), "isolated"
            ),
            tokenizers.pre_tokenizers.ByteLevel(False, use_regex=False),
        ]
    )
    return reference


def _random_texts():
    """Strings of characters of all kinds, and any."""
    rng = np.random.default_rng(0)
    characters = [*"".join(TEXTS), *(chr(i) for i in range(0x3100))]
    for _ in range(200):
        text = "".join(rng.choice(characters, rng.integers(1, 30)))
        yield text


def test_ids_are_those_of_the_tokenizers_library(trained):
    reference = _reference(trained)
    texts = [*TEXTS, *CORPUS, *_random_texts()]
    for text, ids in zip(texts, trained(texts), strict=True):
        expected = reference.encode(re.sub(BEGINNING, r" \1", text)).ids
        # The library knows nothing of NUL's own id.
        assert [0 if i == 0xC0 else i for i in ids] == expected, repr(text)


# There and back


@pytest.mark.parametrize("text", TEXTS)
def test_any_text_comes_back(either, text):
    ids = _ids(either(text))
    assert either.detokenize(ids) == text
    assert 0 not in ids and not {256, 257} & set(ids)


def test_a_batch_comes_back(either):
    texts = [*TEXTS, *_random_texts()]
    ids = either(texts)
    assert [_ids(either(text)) for text in texts[:5]] == ids[:5]
    assert either.detokenize(ids) == texts


@pytest.mark.any_backend
def test_a_pipeline_gives_the_same_and_brings_it_back(either):
    texts = [*TEXTS, *_random_texts()]
    dataset = tf.data.Dataset.from_tensor_slices(texts)
    batched = dataset.batch(50).map(either)
    rows = [row for batch in batched for row in batch.to_list()]
    assert rows == either(texts)
    one_by_one = [_ids(ids) for ids in dataset.map(either)]
    assert one_by_one == rows
    for back in (
        batched.map(either.detokenize).unbatch(),
        dataset.map(either).map(either.detokenize),
    ):
        assert [text.numpy().decode() for text in back] == texts


def test_bytes_that_are_no_utf8_do_not_stop_a_pipeline(either):
    dataset = tf.data.Dataset.from_tensors([b"\xff\xfered", b"\xc3", b"a\xc3b"])
    texts = next(iter(dataset.map(either).map(either.detokenize)))
    assert [text.decode() for text in texts.numpy()] == [
        "\ufffd\ufffdred",
        "\ufffd",
        "a\ufffdb",
    ]


def test_broken_characters_do_not_stop_it(either):
    # A model may stop in the middle of a character.
    assert either.detokenize([98, 0xC3]) == "b\N{REPLACEMENT CHARACTER}"


def test_start_end_and_padding_are_left_out(either):
    assert either.detokenize([256, 98, 101, 257, 0, 0]) == "be"
    assert either.detokenize([[256, 98, 257], [257, 0, 0]]) == ["b", ""]
    assert either.detokenize([]) == ""
    assert either.detokenize([[], [98]]) == ["", "b"]


def test_ids_that_are_none_are_left_out(either):
    assert either.detokenize([98, -1, 10**6, 99]) == "bc"


@pytest.mark.parametrize(
    "to_array",
    [np.array, keras.ops.convert_to_tensor, tf.constant, tf.ragged.constant],
)
def test_detokenizes_arrays_and_tensors(either, to_array):
    ids = to_array([[256, 98, 257, 0], [99, 100, 257, 0]])
    assert either.detokenize(ids) == ["b", "cd"]


def test_detokenizes_one_row_of_an_array(either):
    assert either.detokenize(np.array([98, 99, 257])) == "bc"


@pytest.mark.any_backend
@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_texts_may_be_none_or_empty(either, texts):
    assert either(texts) == [[] for _ in texts]
    dataset = tf.data.Dataset.from_tensors(tf.constant(texts, tf.string))
    ids = next(iter(dataset.map(either)))
    assert ids.to_list() == [[] for _ in texts]


def test_one_text_gives_an_array(either):
    assert either("").shape == (0,)
    assert either("b").dtype == "int32"
    dataset = tf.data.Dataset.from_tensors("").map(either)
    assert next(iter(dataset)).shape == (0,)


def test_a_length_may_be_set():
    tokenizer = MirasolTokenizer(sequence_length=3)
    expected = [[97, 98, 99], [97, 0, 0]]
    np.testing.assert_array_equal(tokenizer(["abcd", "a"]), expected)
    np.testing.assert_array_equal(tokenizer("a"), expected[1])
    dataset = tf.data.Dataset.from_tensors(["abcd", "a"]).map(tokenizer)
    assert dataset.element_spec.shape[-1] == 3
    np.testing.assert_array_equal(next(iter(dataset)), expected)


@pytest.mark.parametrize("inputs", [1, [1, 2], ["a", 1], [["a"], ["b"]], None])
def test_what_is_no_text_is_refused(either, inputs):
    with pytest.raises(ValueError, match="Give a string, a list of strings"):
        either.tokenize(inputs)


@pytest.mark.any_backend
def test_many_graphs_share_a_tokenizer(trained):
    first = tf.function(trained.tokenize)(tf.constant(["red"])).to_list()
    second = tf.function(trained.tokenize)(tf.constant(["red"])).to_list()
    assert first == second == trained(["red"])


# Training


def test_frequent_words_become_single_tokens(trained):
    for word in (
        "what",
        "is",
        "heard",
        "red",
        "bell",
        "何が聞こえますか",
        "12",
    ):
        assert len(trained(word)) == 1, word


def test_training_is_deterministic_and_takes_any_iterable(trained):
    again = MirasolTokenizer.train(iter(CORPUS), vocabulary_size=400)
    assert again.merges == trained.merges
    assert again.vocabulary == trained.vocabulary


def test_the_vocabulary_is_as_large_as_asked_or_as_the_texts():
    sizes = [
        MirasolTokenizer.train(CORPUS, vocabulary_size=n).vocabulary_size()
        for n in (258, 259, 300)
    ]
    assert sizes == [258, 259, 300]
    # " red" has three pairs to merge.
    small = MirasolTokenizer.train(["red", "a red"], vocabulary_size=9000)
    assert small.vocabulary_size() == 258 + 3 + 1
    assert _ids(small("red")) == [small.token_to_id("Ġred")]


def test_merges_are_counted_by_hand():
    # "ab" occurs thrice, "Ġab" twice and "cab" once, in the end.
    tokenizer = MirasolTokenizer.train(["ab ab", "\ncab"], vocabulary_size=400)
    assert tokenizer.merges == ["a b", "Ġ ab", "c ab"]


def test_learns_prompts_and_responses_of_a_manifest(tmp_path):
    lines = [
        {"media": "a.mp4", "prompt": "what rings?", "response": "a bell"},
        {"media": "b.mp4", "prompt": "what else?", "response": "a drum"},
    ]
    texts = ["what rings?", "a bell", "what else?", "a drum"]
    path = write_manifest(tmp_path / "train.jsonl", lines)
    expected = MirasolTokenizer.train(texts, vocabulary_size=290).merges
    for given in (path, str(path), lines):
        tokenizer = MirasolTokenizer.train(given, vocabulary_size=290)
        assert tokenizer.merges == expected
    assert {"Ġ a", "r i"} & set(expected)


def test_learning_from_nothing_or_from_too_little_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least 258.*Received: 257"):
        MirasolTokenizer.train(CORPUS, vocabulary_size=257)
    with pytest.raises(ValueError, match="no texts to learn from"):
        MirasolTokenizer.train([], vocabulary_size=300)
    with pytest.raises(ValueError, match="must be strings.*Received: 3"):
        MirasolTokenizer.train(["a", 3], vocabulary_size=300)
    with pytest.raises(ValueError, match="no file is there"):
        MirasolTokenizer.train(tmp_path / "none", vocabulary_size=300)


# Vocabularies and files


@pytest.mark.parametrize("merge", ["ab", "a b c", "a zz", "a ", "< start>"])
def test_a_merge_of_what_is_not_known_is_refused(merge):
    merges = ["s t", "a r", "st ar", "star t", "start >", merge]
    with pytest.raises(ValueError, match="two tokens.*Received at 5"):
        MirasolTokenizer(merges=merges)


def test_a_vocabulary_of_other_merges_is_refused(trained):
    vocabulary = dict(trained.vocabulary)
    copy = MirasolTokenizer(vocabulary, trained.merges)
    assert copy("red ball").tolist() == trained("red ball").tolist()
    vocabulary["Ġred"], vocabulary["a"] = 97, vocabulary["Ġred"]
    with pytest.raises(ValueError, match="differs in 2 tokens, such as"):
        MirasolTokenizer(vocabulary, trained.merges)
    with pytest.raises(ValueError, match="belongs to `merges`"):
        MirasolTokenizer(vocabulary)


def test_tokens_are_ints():
    assert MirasolTokenizer(dtype="int64")("a").dtype == "int64"
    with pytest.raises(ValueError, match="integer type. Received: string"):
        MirasolTokenizer(dtype="string")


def test_comes_back_from_its_files(either, tmp_path):
    either.save_assets(tmp_path)
    files = [tmp_path / name for name in ("vocabulary.json", "merges.txt")]
    assert json.loads(files[0].read_text())["<end>"] == 257
    for copy in (MirasolTokenizer(*map(str, files)), MirasolTokenizer()):
        copy.load_assets(str(tmp_path))
        assert copy.vocabulary == either.vocabulary
        assert copy.merges == either.merges
        assert copy(CORPUS) == either(CORPUS)


def test_other_files_change_what_it_does(trained, tmp_path):
    tokenizer = MirasolTokenizer()
    assert len(tokenizer("red")) == 3
    trained.save_assets(tmp_path)
    tokenizer.load_assets(str(tmp_path))
    assert len(tokenizer("red")) == 1


def test_config_round_trip(bytes_alone):
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(bytes_alone)
    )
    assert copy.get_config() == bytes_alone.get_config()
    assert copy(TEXTS) == bytes_alone(TEXTS)


def test_a_configuration_with_merges_waits_for_its_files(trained, tmp_path):
    copy = MirasolTokenizer.from_config(trained.get_config())
    assert copy.get_config() == trained.get_config()
    # Else it would quietly write bytes.
    for use in (copy, copy.detokenize):
        with pytest.raises(ValueError, match="No vocabulary has been set"):
            use(["red"])
    trained.save_assets(tmp_path)
    copy.load_assets(str(tmp_path))
    assert copy(CORPUS) == trained(CORPUS)
    assert copy.start_token_id == 256


def test_mirasol_tiny_has_the_words_of_its_corpus():
    tokenizer = MirasolTokenizer.from_preset("mirasol_tiny")
    text = "what colour is on screen while the bell is heard?"
    # Ten words and a question mark.
    assert len(tokenizer(text)) == 11
    words = ["red", "purple", "circle", "triangle", "chirp", "buzz"]
    assert all(len(tokens) == 1 for tokens in tokenizer(words))
    assert [tokenizer.detokenize(ids) for ids in tokenizer(TEXTS)] == TEXTS


def test_larger_presets_have_bytes(bytes_alone):
    tokenizer = MirasolTokenizer.from_preset("mirasol_small")
    assert tokenizer(TEXTS) == bytes_alone(TEXTS)


def test_training_learns_nothing_without_a_size():
    with pytest.raises(ValueError, match="`vocabulary_size` must be given"):
        MirasolTokenizer.train(["red"])


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="PyTorch's modules alone"
)
def test_pytorch_may_switch_modes(bytes_alone):
    for mode in (True, False):
        bytes_alone.train(mode)
    assert bytes_alone("a").tolist() == [97]
