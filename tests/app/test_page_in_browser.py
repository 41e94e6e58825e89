"""The page, as whoever opens it meets it."""

import re
import shutil

import pytest

pytest.importorskip("gradio", reason="needs Gradio")
pytest.importorskip("selenium", reason="needs Selenium")

from page_in_browser import CHROMEDRIVER
from page_in_browser import CHROMIUM
from page_in_browser import Browser
from page_in_browser import ServedPage

from keras_mirasol.data import read_manifest
from keras_mirasol.data import sounding_shapes

pytestmark = [
    pytest.mark.any_backend,
    pytest.mark.skipif(
        not (CHROMIUM and CHROMEDRIVER),
        reason="needs Chromium: apt-get install chromium chromium-driver",
    ),
]


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """A question of each kind about a clip that the model has not met."""
    return read_manifest(
        sounding_shapes.write_corpus(
            tmp_path_factory.mktemp("clips"), 1, seed=8, questions_per_kind=1
        )
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with ServedPage(tmp_path_factory.mktemp("page"), "mirasol_tiny") as page:
        yield page


@pytest.fixture(scope="module")
def browser(page):
    with Browser(page.url, seconds=120) as browser:
        yield browser


def test_the_answer_and_its_picture_are_on_the_page(browser, lines):
    line = next(line for line in lines if line["kind"] == "fused")
    browser.upload(line["media"])
    assert browser.ask(line["prompt"]) == line["response"]
    picture = browser.find("#picture img")
    browser.wait(lambda: picture.get_property("naturalWidth") > 600)


def test_a_question_may_be_asked_after_another(browser, lines):
    for line in lines:
        browser.type("#question", line["prompt"])
        browser.click("#ask")
        browser.wait(
            lambda line=line: (
                browser.find("#answer textarea").get_property("value")
                == line["response"]
            )
        )


def test_what_cannot_be_answered_is_told_without_a_traceback(
    page, browser, lines, tmp_path
):
    browser.type("#question", " ")
    browser.click("#ask")
    browser.message("There is no question. Type one.")

    broken = tmp_path / "broken.mp4"
    shutil.copy(lines[0]["media"], broken)
    broken.write_bytes(broken.read_bytes()[:3000])
    browser.upload(broken)
    browser.type("#question", lines[0]["prompt"])
    browser.click("#ask")
    # The browser tells that it cannot play it, too.
    told = browser.message("Cannot load media file 'broken.mp4': ")
    assert "cut off" in told
    assert not browser.find("#answer textarea").get_property("value")
    assert "Traceback" not in page.log()


def test_a_clip_may_be_recorded(browser):
    browser.record(seconds=2)
    # The camera and the microphone are Chromium's own: it beeps.
    assert browser.ask("what is heard first?") in sounding_shapes.SOUNDS
    browser.find("#picture img")


def test_it_answers_while_a_film_plays(browser, lines):
    line = next(line for line in lines if line["kind"] == "heard")
    browser.upload(line["media"])
    browser.open_tab("While it plays")
    browser.type("#question_meanwhile", "what is heard first?")
    browser.click("#ask_meanwhile")
    browser.message("Nothing plays. Press Play, then ask.")
    browser.click("#play")
    browser.wait(lambda: "2.00 s. It has ended." in browser.find("#seen").text)
    browser.click("#ask_meanwhile")
    first = re.escape(line["events"][0][2])
    browser.wait(
        lambda: re.search(rf"{first} \(2\.00 s\)", browser.find("#talk").text)
    )


def test_no_other_host_is_asked(page, browser, lines):
    # Whatever was done in the tests before.
    browser.upload(lines[0]["media"])
    assert browser.hosts() == {"127.0.0.1"}
    assert page.hosts() == {"127.0.0.1"}
