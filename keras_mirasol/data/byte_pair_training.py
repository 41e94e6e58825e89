"""Learns which byte pairs to merge from texts."""

import json
import os
import re

from keras_mirasol.data.manifest import read_manifest
from keras_mirasol.preprocessing.byte_pairs import BEGINNING
from keras_mirasol.preprocessing.byte_pairs import FIRST_MERGED
from keras_mirasol.preprocessing.byte_pairs import WORDS
from keras_mirasol.preprocessing.byte_pairs import byte_symbols


def learn_merges(texts, vocabulary_size):
    """Learns merges of byte pairs, the most frequent first.

    Args:
        texts: iterable of strings or of a manifest's lines, or the path of a
            manifest.
        vocabulary_size: int. Bytes, start, end and what is merged, at most.

    Returns:
        A list of strings, the two symbols of a pair with a space between.

    Raises:
        ValueError: if there are no texts, or something else is given.
    """
    from tokenizers import Regex
    from tokenizers import Tokenizer
    from tokenizers import models
    from tokenizers import pre_tokenizers
    from tokenizers import trainers

    if vocabulary_size < FIRST_MERGED:
        raise ValueError(
            f"`vocabulary_size` must be at least {FIRST_MERGED}: 256 bytes, "
            f"start and end. Received: {vocabulary_size}"
        )
    texts = [re.sub(BEGINNING, r" \1", text) for text in _read(texts)]
    if not texts:
        raise ValueError(
            "There are no texts to learn from. Give an iterable of at least "
            "one string, or a manifest."
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    trainer = trainers.BpeTrainer(
        # The trainer knows nothing of start and end.
        vocab_size=vocabulary_size - (FIRST_MERGED - 256),
        initial_alphabet=byte_symbols(),
        min_frequency=1,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [" ".join(pair) for pair in merges]


def _read(texts):
    """Strings of all that texts may come in."""
    if isinstance(texts, str | os.PathLike):
        texts = read_manifest(texts)
    for text in texts:
        if isinstance(text, dict) and {"prompt", "response"} <= set(text):
            yield from (text["prompt"], text["response"])
        elif isinstance(text, str):
            yield text
        else:
            raise ValueError(
                "Texts must be strings, or lines of a manifest with 'prompt' "
                f"and 'response'. Received: {text!r}"
            )
