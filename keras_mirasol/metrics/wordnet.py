"""Words as WordNet has them, by NLTK."""

import functools

# What tags of the Penn Treebank begin with, and parts of speech in WordNet.
_PARTS_OF_SPEECH = {"NN": "n", "JJ": "a", "VB": "v", "RB": "r"}
_HOW = (
    "Get it once, by `pip install nltk` and `python -m nltk.downloader wordnet "
    "averaged_perceptron_tagger_eng`; without a network, put `corpora/wordnet` "
    "of WordNet 3.0 into a folder that the environment variable NLTK_DATA "
    "names."
)


def _needs_nltk(function):
    """Says how to get NLTK and its data where they are missing."""

    @functools.wraps(function)
    def call(*args):
        try:
            return function(*args)
        except ImportError as error:
            raise ImportError(f"WUPS needs NLTK. {_HOW}") from error
        except LookupError as error:
            raise ValueError(f"WUPS needs data of NLTK. {_HOW}") from error

    return call


@functools.cache
@_needs_nltk
def similarity(one, other):
    """Wu and Palmer's similarity of two words, in their first sense.

    Args:
        one, other: strings.

    Returns:
        A float, 1 for the same word and 0 for words that WordNet does not
        have or that have nothing in common.
    """
    from nltk.corpus import wordnet

    if one == other:
        return 1.0
    senses = wordnet.synsets(one), wordnet.synsets(other)
    if not all(senses):
        return 0.0
    first, second = (of_word[0] for of_word in senses)
    return first.wup_similarity(second) or 0.0


@_needs_nltk
def words_of(text):
    """Words and punctuation of a text, in order."""
    from nltk.tokenize import NLTKWordTokenizer

    return NLTKWordTokenizer().tokenize(text)


@functools.cache
@_needs_nltk
def lemmas_of(text):
    """The words of a text as a dictionary has them: *playing* as *play*.

    A word that WordNet has in no such form is cut to its stem if WordNet has
    that, and stays as it is otherwise.
    """
    from nltk import pos_tag

    tagged = pos_tag(words_of(text))
    return tuple(_lemma(word.lower(), tag) for word, tag in tagged)


def _lemma(word, tag):
    from nltk import pos_tag
    from nltk.corpus import wordnet
    from nltk.stem import PorterStemmer
    from nltk.stem import WordNetLemmatizer

    part = _PARTS_OF_SPEECH.get(tag[:2])
    if part is None:
        # What it is by itself, a noun if nothing else.
        part = _PARTS_OF_SPEECH.get(pos_tag([word])[0][1][:2], "n")
    candidates = (
        WordNetLemmatizer().lemmatize(word, part),
        PorterStemmer().stem(word),
    )
    known = (form for form in candidates if wordnet.synsets(form))
    return next(known, word)
