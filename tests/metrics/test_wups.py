import importlib.util
import json
import os
import subprocess
import sys

import pytest
import small_wordnet
from scripts import ROOT

from keras_mirasol.metrics import WUPS

pytestmark = pytest.mark.any_backend
needs_nltk = pytest.mark.skipif(
    importlib.util.find_spec("nltk") is None, reason="NLTK is not there."
)

# entity > animal > dog, cat; entity > artifact > ball. What two words have in
# common is as deep as it has words from the root on: entity 1, animal 2.
DOG_CAT = 2 * 2 / (3 + 3)
DOG_BALL = 2 * 1 / (3 + 3)


def run(code, folder):
    """What a fresh process prints that finds data of NLTK in a folder."""
    result = subprocess.run(
        [sys.executable, "-c", "import json, nltk\n" + code],
        env={
            **os.environ,
            "NLTK_DATA": str(folder),
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
        },
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def wordnet(tmp_path_factory):
    return small_wordnet.write(tmp_path_factory.mktemp("nltk"))


def scores(pairs, threshold, folder):
    return run(
        "from keras_mirasol.metrics import WUPS\n"
        f"metric = WUPS({threshold})\n"
        f"print(json.dumps([metric.of_answer(*p) for p in {pairs!r}]))",
        folder,
    )


@needs_nltk
def test_similarities_are_those_of_the_tree_of_words(wordnet):
    pairs = [("dog", "dog"), ("dog", "cat"), ("dog", "ball"), ("dog", "xyz")]
    expected = [1.0, DOG_CAT, DOG_BALL, 0.0]
    assert scores(pairs, 0.0, wordnet) == pytest.approx(expected)


@needs_nltk
def test_below_the_threshold_a_tenth_counts(wordnet):
    pairs = [("dog", "dog"), ("dog", "cat"), ("dog", "ball")]
    expected = [1.0, 0.1 * DOG_CAT, 0.1 * DOG_BALL]
    assert scores(pairs, 0.9, wordnet) == pytest.approx(expected)
    expected = [1.0, DOG_CAT, 0.1 * DOG_BALL]
    assert scores(pairs, 0.5, wordnet) == pytest.approx(expected)


@needs_nltk
def test_words_multiply_and_those_like_none_are_left_out(wordnet):
    pairs = [
        # Each word of the one is in the other, but not the other way round.
        ("dog ball", "dog"),
        # "xyz" is like nothing, and does not count.
        ("dog xyz", "dog"),
        # Both ways: a cat for a dog, and a ball.
        ("dog ball", "cat ball"),
        ("xyz", "dog"),
        ("", "dog"),
    ]
    expected = [DOG_BALL, 1.0, DOG_CAT, 0.0, 0.0]
    assert scores(pairs, 0.0, wordnet) == pytest.approx(expected)


@needs_nltk
def test_of_several_references_the_nearest_counts(wordnet):
    assert scores([(["ball", "cat"], "dog")], 0.0, wordnet) == pytest.approx(
        [DOG_CAT]
    )


@needs_nltk
def test_the_metric_is_the_mean_over_answers(wordnet):
    mean = run(
        "from keras_mirasol.metrics import WUPS\n"
        "metric = WUPS(0.0)\n"
        'metric.update_state(["dog", ["cat", "dog"]], ["dog", "ball"])\n'
        'metric.update_state(["dog"], ["cat"])\n'
        "print(json.dumps(float(metric.result())))",
        wordnet,
    )
    assert mean == pytest.approx((1 + DOG_BALL + DOG_CAT) / 3)


@needs_nltk
def test_lemmas_are_of_the_part_of_speech_or_stems_or_the_word(wordnet):
    code = (
        "tags = dict(dogs='NNS', the='DT', running='NN', xyz='JJ')\n"
        "nltk.pos_tag = lambda words: [(w, tags[w.lower()]) for w in words]\n"
        "from keras_mirasol.metrics import lemmas_of\n"
        'print(json.dumps(lemmas_of("the Dogs running xyz")))'
    )
    # "running" is no noun of this dictionary, and its stem "run" is.
    assert run(code, wordnet) == ["the", "dog", "run", "xyz"]


@needs_nltk
def test_says_how_to_get_wordnet_where_it_is_not(tmp_path):
    code = (
        "from keras_mirasol.metrics import WUPS\n"
        "try:\n"
        '    WUPS().of_answer("dog", "cat")\n'
        "except ValueError as error:\n"
        "    print(json.dumps(str(error)))"
    )
    assert "python -m nltk.downloader wordnet" in run(code, tmp_path)


def test_says_how_to_get_nltk_where_it_is_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "nltk.tokenize", None)
    with pytest.raises(ImportError, match="pip install nltk"):
        WUPS().of_answer("dog", "cat")


def test_has_a_name_for_its_threshold_and_comes_back_of_its_config():
    assert WUPS().name == "wups_0.9"
    assert WUPS(0).name == "wups_0"
    metric = WUPS(0.5, name="near")
    again = WUPS.from_config(metric.get_config())
    assert (again.threshold, again.name) == (0.5, "near")


def test_refuses_what_is_no_threshold_and_answers_that_do_not_pair():
    with pytest.raises(ValueError, match="from 0 to 1"):
        WUPS(1.5)
    with pytest.raises(ValueError, match="2 references and 1 answers"):
        WUPS().update_state(["a", "b"], ["a"])
