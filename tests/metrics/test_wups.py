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


PAIRS = [
    # Words of the dictionary, and one that it lacks.
    ("dog", "dog"),
    ("dog", "cat"),
    ("dog", "ball"),
    ("dog", "xyz"),
    # Each word of the one is in the other, but not the other way round.
    ("dog ball", "dog"),
    # What is like nothing does not count.
    ("dog xyz", "dog"),
    # A cat for a dog, and a ball for a ball.
    ("dog ball", "cat ball"),
    ("xyz", "dog"),
    ("", "dog"),
    # The nearest of two references.
    (["ball", "cat"], "dog"),
]
THRESHOLDS = [0.0, 0.5, 0.9]
CODE = f"""
from keras_mirasol.metrics import WUPS

pairs = {PAIRS!r}
scores = {{
    threshold: [WUPS(threshold).of_answer(*pair) for pair in pairs]
    for threshold in {THRESHOLDS}
}}
metric = WUPS(0.0)
metric.update_state(["dog", ["cat", "dog"]], ["dog", "ball"])
metric.update_state(["dog"], ["cat"])
tags = dict(dogs="NNS", the="DT", running="NN", xyz="JJ")
nltk.pos_tag = lambda words: [(word, tags[word.lower()]) for word in words]
lemmas = WUPS(stop_words=["the"]).words("the Dogs running xyz")
print(json.dumps([scores, float(metric.result()), lemmas]))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Scores by threshold and pair, the mean of three, and lemmas."""
    return run(CODE, small_wordnet.write(tmp_path_factory.mktemp("nltk")))


def scores_of(found, threshold, first, count):
    return found[0][str(threshold)][first : first + count]


@needs_nltk
def test_similarities_are_those_of_the_tree_of_words(found):
    expected = [1.0, DOG_CAT, DOG_BALL, 0.0]
    assert scores_of(found, 0.0, 0, 4) == pytest.approx(expected)


@needs_nltk
def test_below_the_threshold_a_tenth_counts(found):
    expected = [1.0, 0.1 * DOG_CAT, 0.1 * DOG_BALL]
    assert scores_of(found, 0.9, 0, 3) == pytest.approx(expected)
    expected = [1.0, DOG_CAT, 0.1 * DOG_BALL]
    assert scores_of(found, 0.5, 0, 3) == pytest.approx(expected)


@needs_nltk
def test_words_multiply_and_those_like_none_are_left_out(found):
    expected = [DOG_BALL, 1.0, DOG_CAT, 0.0, 0.0]
    assert scores_of(found, 0.0, 4, 5) == pytest.approx(expected)


@needs_nltk
def test_of_several_references_the_nearest_counts(found):
    assert scores_of(found, 0.0, 9, 1) == pytest.approx([DOG_CAT])


@needs_nltk
def test_the_metric_is_the_mean_over_answers(found):
    assert found[1] == pytest.approx((1 + DOG_BALL + DOG_CAT) / 3)


@needs_nltk
def test_words_are_in_their_dictionary_form_without_stop_words(found):
    # "running" is no noun of this dictionary, and its stem "run" is; "xyz" is
    # in no form there.
    assert found[2] == ["dog", "run", "xyz"]


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
    metric = WUPS(0.5, ["the", "a"], name="near")
    again = WUPS.from_config(metric.get_config())
    assert (again.threshold, again.name) == (0.5, "near")
    assert again.stop_words == {"a", "the"}


def test_refuses_what_is_no_threshold_and_answers_that_do_not_pair():
    with pytest.raises(ValueError, match="from 0 to 1"):
        WUPS(1.5)
    with pytest.raises(ValueError, match="2 references and 1 answers"):
        WUPS().update_state(["a", "b"], ["a"])
