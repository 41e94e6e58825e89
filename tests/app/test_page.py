"""The page's own parts, and the command that opens it."""

import socket
import sys

import pytest

pytest.importorskip("gradio", reason="needs Gradio")

import gradio as gr

from keras_mirasol.app import __main__ as command
from keras_mirasol.app import page

pytestmark = pytest.mark.any_backend


def test_value_errors_are_messages_and_others_are_not():
    with pytest.raises(gr.Error) as error:
        with page.errors_on_the_page():
            raise ValueError("'<b>.mp4' cannot be read")
    assert error.value.message == "'&lt;b&gt;.mp4' cannot be read"
    assert not error.value.print_exception
    with pytest.raises(KeyError):
        with page.errors_on_the_page():
            raise KeyError("a mistake of ours")


@pytest.mark.parametrize(
    "preset, words", [("mirasol_tiny", "Asked about a dog"), ("./mine", "mine")]
)
def test_it_tells_what_its_model_knows(preset, words):
    built = page.build_page(None, preset, [])
    told = [
        block.value
        for block in built.blocks.values()
        if isinstance(block, gr.Markdown)
    ]
    assert any(words in text for text in told)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--max-seconds", "0"], "--max-seconds must be positive"),
        (["mirasol_none"], "no preset 'mirasol_none'"),
        (["--port", "one"], "invalid int value"),
    ],
)
def test_wrong_arguments_are_told(capsys, arguments, words):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert words in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(capsys, monkeypatch):
    monkeypatch.setattr(
        "keras_mirasol.app.answerer.Answerer.warm_up", lambda *_: None
    )
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        with pytest.raises(SystemExit):
            command.main(["--port", port])
    assert port in capsys.readouterr().err


def test_without_gradio_it_says_what_to_install(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "keras_mirasol.app.page")
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(SystemExit):
        command.main([])
    assert ".[demo]" in capsys.readouterr().err
