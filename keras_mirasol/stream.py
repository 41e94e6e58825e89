"""Plays a file and answers questions about it meanwhile.

```sh
python -m keras_mirasol.stream dog.mp4
```

Type a question and press return; the answer is about what was seen and heard
by then. `--help` lists the options.
"""

import argparse
import queue
import sys
import threading
import time

from keras_mirasol.data.media.load_clip import iter_clip

MODALITIES = {"videos": "video", "audio": "audio"}


def main(arguments=None, questions=sys.stdin):
    """Runs the command.

    Args:
        arguments: list of strings. Defaults to those of the command line.
        questions: iterable of strings, read beside what is played.
    """
    parser = argparse.ArgumentParser(
        prog="python -m keras_mirasol.stream",
        description="Plays a file and answers typed questions meanwhile.",
    )
    parser.add_argument("file", help="a video or audio file")
    parser.add_argument("--preset", default="mirasol_tiny")
    parser.add_argument(
        "--window",
        type=int,
        help="the last snippets that are remembered; by default all are",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        help="seconds of the file to play in a second; by default 1",
    )
    arguments = parser.parse_args(arguments)
    if not arguments.speed > 0:
        parser.error(f"--speed must be positive. Received: {arguments.speed}")
    # It takes seconds to load, which a wrong argument need not wait for.
    from keras_mirasol.models import MirasolCausalLM

    try:
        task = MirasolCausalLM.from_preset(arguments.preset)
        spans = iter_clip(
            arguments.file,
            seconds=task.preprocessor.snippet_seconds,
            **task.preprocessor.clip_settings,
        )
        stream = task.stream(window=arguments.window)
    except ValueError as error:
        parser.error(str(error))
    _compile(stream)
    _play(stream, spans, _read_in_background(questions), arguments.speed)


def _compile(stream):
    """Has what takes time behind it before the clock starts."""
    import numpy as np

    preprocessor = stream.task.preprocessor
    size = preprocessor.video_converter.image_size
    stream.observe(
        np.zeros((preprocessor.frames_per_snippet, *size, 3), "uint8"),
        np.zeros(preprocessor.samples_per_snippet, "float32"),
    )
    list(stream.ask("", token_by_token=True))
    stream.reset()


def _read_in_background(questions):
    """A queue of the questions, as they are asked."""
    asked = queue.SimpleQueue()

    def read():
        for question in questions:
            if question.strip():
                asked.put(question.strip())

    threading.Thread(target=read, daemon=True).start()
    return asked


def _play(stream, spans, asked, speed):
    begin = time.monotonic()
    seconds = stream.task.preprocessor.snippet_seconds
    for index, span in enumerate(spans, 1):
        # A span has been seen when its time is over.
        _answer_until(begin + index * seconds / speed, stream, asked)
        observe_span(stream, span)
    stream.finish()
    while not asked.empty():
        _answer(stream, asked.get())


def observe_span(stream, span):
    """Has a stream take in a span of `iter_clip()`.

    Args:
        stream: a `MirasolStream`.
        span: dict of `"videos"` and/or `"audio"`. What is absent has ended.
    """
    stream.observe(span.get("videos"), span.get("audio"))
    for key, modality in MODALITIES.items():
        if key not in span:
            stream.finish(modality)


def _answer_until(moment, stream, asked):
    """Answers what is asked until a moment comes."""
    while (left := moment - time.monotonic()) > 0:
        if not stream.num_snippets:
            # There is nothing to answer about yet.
            time.sleep(left)
            return
        try:
            question = asked.get(timeout=left)
        except queue.Empty:
            return
        _answer(stream, question)


def _answer(stream, question):
    seconds = stream.num_snippets * stream.task.preprocessor.snippet_seconds
    print(f"[{seconds:.2f} s] {question} ", end="", flush=True)
    try:
        for piece in stream.ask(question, token_by_token=True):
            print(piece, end="", flush=True)
        print()
    except ValueError as error:
        print(error)


if __name__ == "__main__":
    main()
