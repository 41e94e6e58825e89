"""The default tokenizer: byte-level byte-pair encoding."""

import keras
import keras_hub

from keras_mirasol.data.byte_pair_training import learn_merges
from keras_mirasol.models.mirasol_backbone import MirasolBackbone
from keras_mirasol.models.shipped_presets import ShippedPresets
from keras_mirasol.preprocessing.byte_pairs import PAD
from keras_mirasol.preprocessing.byte_pairs import BytePairs
from keras_mirasol.preprocessing.byte_pairs import byte_symbols
from keras_mirasol.preprocessing.graph import is_symbolic

START_TOKEN, END_TOKEN = SPECIAL_TOKENS = ("<start>", "<end>")
BYTES = {symbol: byte for byte, symbol in enumerate(byte_symbols())}


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolTokenizer(ShippedPresets, keras_hub.tokenizers.BytePairTokenizer):
    """Text as subwords, made of its UTF-8 bytes by byte-pair encoding.

    Ids 0 to 255 are bytes, 256 starts a text and 257 ends it; then come the
    merged tokens, in the order of their merges. Any text of any language can
    be written, and comes back to the letter. Without merges, each byte is a
    token. `train()` learns merges from texts.

    With merges, a word is the same token wherever it stands: a text begins
    with a space within, which `detokenize()` takes away. A word may have an
    apostrophe; digits and punctuation are words of their own, and so is each
    white space but the one before a word. A run of letters is cut after 32 of
    them. A pipeline and a call outside of one give the same ids.

    `"<start>"` and `"<end>"` in a text are mere text. Padding has id 0, which
    no text has (the character NUL has id 192, a byte that UTF-8 never uses);
    models go by masks, never by this value. Any other KerasHub tokenizer with
    start and end ids may take this one's place.

    Args:
        vocabulary: dict from token to id, or the path of a JSON file with
            one. It must be the one that belongs to `merges`. Defaults to
            `None`, which makes it of these.
        merges: list of strings, or the path of a file with one per line: two
            tokens, in GPT-2's letters for bytes, with a space between. The
            first is merged first. Defaults to `None`, bytes alone.
        sequence_length: int. Tokens to cut or pad each text to. Defaults to
            `None`, as many as it has.
        **kwargs: see `keras_hub.tokenizers.Tokenizer`.

    Raises:
        ValueError: if a merge is not of two tokens that are known by then, or
            the vocabulary is not that of the merges.

    Example:
    ```python
    tokenizer = keras_mirasol.models.MirasolTokenizer()
    tokenizer("bell")  # [98, 101, 108, 108]
    tokenizer.detokenize([98, 101, 108, 108, 257])  # "bell"

    tokenizer = keras_mirasol.models.MirasolTokenizer.train(
        ["what rings?", "a bell"], vocabulary_size=300
    )
    tokenizer(["bell", "a bell"])  # The last token is the same.
    ```
    """

    backbone_cls = MirasolBackbone

    def __init__(
        self, vocabulary=None, merges=None, sequence_length=None, **kwargs
    ):
        self._add_special_token(START_TOKEN, "start_token")
        self._add_special_token(END_TOKEN, "end_token")
        super().__init__(
            vocabulary=vocabulary,
            merges=merges,
            sequence_length=sequence_length,
            **kwargs,
        )
        self.pad_token_id = PAD
        if "int" not in self.compute_dtype:
            raise ValueError(
                "Tokens are ints: `dtype` must be an integer type. Received: "
                f"{self.compute_dtype}"
            )

    @classmethod
    def train(cls, texts, vocabulary_size=None, **kwargs):
        """Learns a tokenizer from texts.

        Pairs that are frequent are merged first, so that the words of the
        texts become single tokens where there is room. The same texts give
        the same tokenizer.

        Args:
            texts: iterable of strings; or a manifest, as its path or as a
                list of its lines: then its prompts and responses.
            vocabulary_size: int. The most tokens to have, bytes, start and
                end among them, so at least 258. There are fewer if the texts
                have no more to merge. Must be given.
            **kwargs: further arguments of the tokenizer.

        Returns:
            A `MirasolTokenizer`.

        Raises:
            ValueError: if `vocabulary_size` is too small, there are no texts,
                or something else is given.

        Example:
        ```python
        tokenizer = keras_mirasol.models.MirasolTokenizer.train(
            ["what is red?", "a red ball"], vocabulary_size=512
        )
        tokenizer.vocabulary_size()
        ```
        """
        if isinstance(texts, bool):
            # PyTorch's `Module.train(mode)`, called for all parts of a task.
            return cls
        if vocabulary_size is None:
            raise ValueError(
                "`vocabulary_size` must be given, such as 8192. Received: None"
            )
        return cls(merges=learn_merges(texts, vocabulary_size), **kwargs)

    def set_vocabulary_and_merges(self, vocabulary=None, merges=None):
        """Sets what the arguments of these names say."""
        self._byte_pairs = None
        if vocabulary == {} and not merges:
            # That of a configuration, whose files are still to be loaded.
            super().set_vocabulary_and_merges(None, None)
        else:
            super().set_vocabulary_and_merges(
                {} if vocabulary is None else vocabulary,
                [] if merges is None else merges,
            )

    def _set_vocabulary_and_merges_tf(self, vocabulary, merges):
        # The base class has read files by now.
        merges = [m for m in merges if not m.startswith("#version:")]
        expected = _vocabulary_of(merges)
        if vocabulary and dict(vocabulary) != expected:
            wrong = dict(set(vocabulary.items()) ^ set(expected.items()))
            raise ValueError(
                "`vocabulary` must be the one that belongs to `merges`: bytes "
                "with ids 0 to 255, '<start>' 256, '<end>' 257, then what is "
                "merged, in order. Leave it out to have it made. Received one "
                f"that differs in {len(wrong)} tokens, such as "
                f"{min(wrong)!r}."
            )
        self.vocabulary, self.merges = expected, merges
        self._byte_pairs = BytePairs(
            [_bytes_of(token) for token in expected],
            [[expected[token] for token in m.split(" ")] for m in merges],
        )

    def _set_vocabulary_and_merges_tokenizers(self, vocabulary, merges):
        # There is one way to tokenize, in a pipeline and outside.
        pass

    def token_to_id(self, token):
        self._check_vocabulary()
        if token not in self.vocabulary:
            raise ValueError(
                f"The token {token!r} is not in the vocabulary. Tokens are "
                "written in GPT-2's letters for bytes: 'Ġ' is a space."
            )
        return self.vocabulary[token]

    def id_to_token(self, id):
        self._check_vocabulary()
        if not 0 <= id < self.vocabulary_size():
            raise ValueError(
                f"`id` must be in [0, {self.vocabulary_size()}). Received: {id}"
            )
        return list(self.vocabulary)[id]

    def tokenize(self, inputs):
        """Token ids of a text, or of a list of texts.

        Args:
            inputs: a string, a list of strings, or a string tensor of rank 0
                or 1.

        Returns:
            An int array `(tokens,)` for one text, a list of lists of ints for
            several, an array if `sequence_length` is set. In a pipeline
            tensors, ragged for several texts.

        Raises:
            ValueError: if `inputs` are not strings.
        """
        self._check_vocabulary()
        return self._byte_pairs.tokenize(
            inputs, self.sequence_length, self.compute_dtype
        )

    def detokenize(self, inputs):
        """Text of token ids; start, end and padding ids are left out.

        Args:
            inputs: ints, a list of lists of ints, or an int array or tensor
                of rank 1 or 2.

        Returns:
            A string, or a list of strings.
        """
        self._check_vocabulary()
        if keras.ops.is_tensor(inputs) and not (
            is_symbolic(inputs) or hasattr(inputs, "to_list")
        ):
            inputs = keras.ops.convert_to_numpy(inputs)
        return self._byte_pairs.detokenize(inputs)

    def get_config(self):
        config = super().get_config()
        # These follow from the rest.
        del config["add_prefix_space"], config["unsplittable_tokens"]
        # Merges are saved as files, as by all of KerasHub. An empty
        # vocabulary waits for these; none at all is bytes alone.
        is_bytes_alone = self.vocabulary is not None and not self.merges
        return {
            **config,
            "vocabulary": None if is_bytes_alone else {},
            "merges": None,
        }


def _vocabulary_of(merges):
    """The ids of all tokens, in order."""
    ids = {token: id for id, token in enumerate([*BYTES, *SPECIAL_TOKENS])}
    known = set(BYTES)
    for place, merge in enumerate(merges):
        pair = merge.split(" ")
        token = "".join(pair)
        if len(pair) != 2 or not set(pair) <= known or token in SPECIAL_TOKENS:
            raise ValueError(
                "Each of `merges` must be two tokens with a space between, "
                "both of them bytes or merged before, and give none of "
                f"{SPECIAL_TOKENS}. Received at {place}: {merge!r}"
            )
        known.add(token)
        ids.setdefault(token, len(ids))
    return ids


def _bytes_of(token):
    if token in SPECIAL_TOKENS:
        return b""
    return bytes(BYTES[symbol] for symbol in token)
