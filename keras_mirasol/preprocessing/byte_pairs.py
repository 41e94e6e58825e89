"""Byte-level byte-pair encoding, in a TensorFlow graph.

A text is split into words, and the bytes of each word are merged pair by
pair, the pair that was learned first before all others. There is no other
way through: a call outside of a pipeline runs the same graph.
"""

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from keras_mirasol.preprocessing.graph import in_graph

PAD = 0
# What is merged comes after the bytes, start and end.
FIRST_MERGED = 258
# Id 0 is for padding alone. The character NUL has the id of a byte that UTF-8
# never uses.
NUL = 0xC0

# Classes are spelled out, for what is a letter to one engine of regular
# expressions may be none to another.
_SPACES = r" \t\n\r\f\v"
_DIGITS = "0-9"
_MARKS = (
    # ASCII.
    r"\x01-\x08\x0e-\x1f!-/:-@\[-`{-\x7f"
    # Latin-1 without its letters.
    "\x80-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7"
    # Arabic and Indic.
    "\u060c\u061b\u061f\u06d4\u0964\u0965"
    # Dashes, quotation marks and spaces, without the joiners of letters.
    "\u2000-\u200b\u200e-\u206f"
    # Currencies, arrows, mathematics and pictures.
    "\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f\U0001f000-\U0001faff"
    # Chinese, Japanese and Korean.
    "\u3000-\u3004\u3008-\u3020\u3030\ufe30-\ufe6f"
    "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_LETTER = rf"[^{_SPACES}{_DIGITS}{_MARKS}\x00]"
# The longest run of letters that can become one token. Texts without spaces
# would take long otherwise.
_RUN = "{1,32}"
_APOSTROPHES = "'\u2019"
# A word takes along one space before it, and an apostrophe within.
WORDS = (
    rf" ?{_LETTER}{_RUN}(?:[{_APOSTROPHES}]{_LETTER}{_RUN})?"
    rf"| ?[{_DIGITS}]{_RUN}"
    rf"| ?[{_MARKS}]{_RUN}"
    rf"|[{_SPACES}\x00]"
)
# Where a space is put before the first word: not before a line break, which
# no space precedes anyway.
BEGINNING = r"^([^\t\n\r\f\v])"


def byte_symbols():
    """GPT-2's printable characters for the bytes 0 to 255, in that order."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = [byte for byte in range(256) if byte not in printable]
    return [
        chr(byte if byte in printable else 256 + others.index(byte))
        for byte in range(256)
    ]


class BytePairs:
    """Texts to token ids and back.

    With merges, a space is put before the first word of a text, so that a
    word has the same tokens wherever it stands; the way back removes it.

    Args:
        tokens: list of bytes. The token of each id: bytes, then start and
            end, which are empty, then what is merged.
        merges: list of pairs of ids, the first to be merged first.
    """

    def __init__(self, tokens, merges):
        ids = {token: id for id, token in enumerate(tokens)}
        pairs = np.array(merges, "int64").reshape(-1, 2)
        self._size = len(tokens)
        self._merged = np.array(
            [ids[tokens[left] + tokens[right]] for left, right in pairs],
            "int32",
        )
        # Pairs are found by bisection: tables would be a state of the graph.
        keys = pairs[:, 0] * self._size + pairs[:, 1]
        self._keys, self._ranks = np.unique(keys, return_index=True)
        # The last is for ids that are none.
        self._tokens = np.array([*tokens, b""], object)
        self._tokens[PAD] = b""
        self._tokens[NUL] = b"\0"

    def tokenize(self, texts, length=None, dtype="int32"):
        """Token ids of one text, or of a list of texts.

        Args:
            texts: strings of rank 0 or 1: Python's, an array or a tensor.
            length: int. Tokens to cut or pad each text to. Defaults to
                `None`, as many as it has.
            dtype: str. An integer type. Defaults to `"int32"`.

        Returns:
            In a graph a tensor, ragged for several texts of their own
            lengths. Else an array, or a list of lists of ints.

        Raises:
            ValueError: if `texts` are no strings, or have a higher rank.
        """
        received = texts
        try:
            # An empty list has no type of its own.
            is_empty = isinstance(texts, list | tuple) and not texts
            texts = tf.convert_to_tensor(texts, tf.string if is_empty else None)
        except (TypeError, ValueError):
            texts = None
        if texts is None or texts.dtype != tf.string or texts.shape.rank > 1:
            raise ValueError(
                "Give a string, a list of strings, or a string tensor of rank "
                f"0 or 1 to tokenize. Received: {received!r}"
            )
        with tf.device("cpu"):
            ids, counts = self.encode(tf.reshape(texts, [-1]))
            rows = tf.RaggedTensor.from_row_lengths(
                tf.cast(ids, dtype), counts, validate=False
            )
            if length:
                rows = rows.to_tensor(PAD, shape=(None, length))
            if texts.shape.rank == 0:
                rows = rows[0]
        if not tf.executing_eagerly():
            return rows
        return (
            rows.to_list()
            if isinstance(rows, tf.RaggedTensor)
            else rows.numpy()
        )

    def detokenize(self, ids):
        """Text of token ids, or texts of a list of these.

        Args:
            ids: ints of rank 0 to 2: Python's, an array, or a tensor of
                TensorFlow, which may be ragged.

        Returns:
            A string, or a list of strings; in a graph a string tensor.
        """
        with tf.device("cpu"):
            if isinstance(ids, list | tuple):
                ids = tf.ragged.constant(ids, tf.int32)
            if not isinstance(ids, tf.RaggedTensor):
                ids = tf.convert_to_tensor(ids)
                rank = ids.shape.rank
                rows = tf.reshape(ids, [1, -1]) if rank < 2 else ids
                rows = tf.RaggedTensor.from_tensor(rows)
            else:
                rank, rows = 2, ids
            texts = self.decode(
                tf.cast(rows.flat_values, tf.int32), rows.row_lengths()
            )
        if not tf.executing_eagerly():
            return texts if rank == 2 else texts[0]
        texts = [text.decode("utf-8") for text in texts]
        return texts if rank == 2 else texts[0]

    @in_graph
    def encode(self, texts):
        """Token ids of texts, one after another, and how many each has.

        Args:
            texts: string tensor `(texts,)`.

        Returns:
            A tuple of int32 `(tokens,)` and int64 `(texts,)`.
        """
        if len(self._keys):
            texts = tf.strings.regex_replace(texts, BEGINNING, r" \1")
        # To `regex_split`, NUL would be the end.
        texts = tf.strings.regex_replace(texts, r"\x00", bytes([NUL]))
        words = tf_text.regex_split(texts, WORDS, WORDS)
        # Words that occur often are merged once.
        unique, places = tf.unique(words.flat_values)
        tokens = tf.gather(self._merge_words(unique), places)
        counts = tf.RaggedTensor.from_row_splits(
            tokens.row_lengths(), words.row_splits, validate=False
        )
        return tokens.flat_values, tf.reduce_sum(counts, axis=1)

    def _merge_words(self, words):
        """Ragged token ids `(words, tokens)` of words."""
        count = tf.size(words, tf.int64)
        text = tf.strings.reduce_join(words)
        ids = tf.cast(tf.io.decode_raw(text, tf.uint8), tf.int32)
        rows = tf.repeat(tf.range(count), tf.strings.length(words))
        if len(self._keys):
            ids, rows, _ = tf.while_loop(
                lambda ids, rows, is_merging: is_merging,
                self._merge_once,
                (ids, rows, tf.size(ids) > 1),
            )
        return tf.RaggedTensor.from_value_rowids(
            ids, rows, count, validate=False
        )

    def _merge_once(self, ids, rows, _):
        """Merges the best pair of each word, the first of equals."""
        size = tf.size(ids, tf.int64)
        places = tf.range(size)
        keys = tf.cast(ids, tf.int64) * self._size
        keys += tf.cast(tf.roll(ids, -1, 0), tf.int64)
        found = tf.searchsorted(self._keys, keys)
        found = tf.minimum(found, len(self._keys) - 1)
        is_pair = (
            (tf.gather(self._keys, found) == keys)
            & (tf.roll(rows, -1, 0) == rows)
            & (places < size - 1)
        )
        ranks = tf.gather(self._ranks, found)
        order = tf.where(is_pair, ranks * size + places, tf.int64.max)
        best = tf.gather(tf.math.segment_min(order, rows), rows)
        is_best = is_pair & (order == best)
        merged = tf.gather(self._merged, tf.where(is_best, ranks, 0))
        ids = tf.where(is_best, merged, ids)
        is_left = ~tf.roll(is_best, 1, 0)
        return ids[is_left], rows[is_left], tf.reduce_any(is_best)

    @in_graph
    def decode(self, ids, counts):
        """Texts of token ids, without those of start, end and padding.

        Args:
            ids: int tensor `(tokens,)`, the tokens of texts one after another.
            counts: int tensor `(texts,)`, how many each text has.

        Returns:
            A string tensor `(texts,)`, of valid UTF-8.
        """
        is_token = (ids >= 0) & (ids < self._size)
        tokens = tf.gather(self._tokens, tf.where(is_token, ids, self._size))
        texts = tf.strings.reduce_join(
            tf.RaggedTensor.from_row_lengths(tokens, counts), axis=1
        )
        # A text may stop in the middle of a character.
        texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
        if len(self._keys):
            texts = tf.strings.regex_replace(texts, "^ ", "")
        return texts
