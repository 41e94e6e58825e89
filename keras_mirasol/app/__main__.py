"""The command that opens the page."""

import argparse
import os
import tempfile
import threading


def main(arguments=None):
    """Runs the command, until it is interrupted.

    Args:
        arguments: list of strings. Defaults to those of the command line.
    """
    parser = argparse.ArgumentParser(
        prog="python -m keras_mirasol.app",
        description="Opens a page that asks a model about clips.",
    )
    parser.add_argument(
        "preset",
        nargs="?",
        default="mirasol_tiny",
        help="a preset or the folder of one; by default mirasol_tiny",
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument(
        "--port", type=int, help="by default the first free one from 7860 on"
    )
    parser.add_argument(
        "--max-seconds",
        type=float,
        default=60.0,
        help="the longest clip to ask about; films that are watched may have "
        "any length; by default 60",
    )
    arguments = parser.parse_args(arguments)
    if not arguments.max_seconds > 0:
        parser.error(
            f"--max-seconds must be positive. Received: {arguments.max_seconds}"
        )
    # Before they are imported: Gradio reports to nobody, and figures are drawn
    # without a display.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["MPLBACKEND"] = "agg"
    try:
        from keras_mirasol.app.page import build_page
        from keras_mirasol.app.page import open_page
    except ModuleNotFoundError as error:
        if error.name not in ("gradio", "matplotlib"):
            raise
        parser.error(
            f"The page needs {error.name}: "
            "pip install -e '.[demo]' -c constraints.txt"
        )
    # It takes seconds to load, which a wrong argument need not wait for.
    from keras_mirasol.app.answerer import Answerer
    from keras_mirasol.app.examples import write_examples
    from keras_mirasol.models import MirasolCausalLM

    try:
        task = MirasolCausalLM.from_preset(arguments.preset)
    except ValueError as error:
        parser.error(str(error))
    answerer = Answerer(task, max_seconds=arguments.max_seconds)
    with tempfile.TemporaryDirectory() as folder:
        examples = write_examples(folder)
        page = build_page(answerer, arguments.preset, examples)
        threading.Thread(
            target=answerer.warm_up, args=examples[0], daemon=True
        ).start()
        try:
            open_page(page, arguments.host, arguments.port)
        except OSError as error:
            parser.error(str(error))


if __name__ == "__main__":
    main()
