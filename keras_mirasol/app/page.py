"""The page itself: what is on it, and what happens when."""

import contextlib
import html
import io

import gradio as gr
from PIL import Image

TITLE = "Ask about a clip"
INTRODUCTION = (
    f"# {TITLE}\n"
    "A model watches and listens to it, snippet by snippet, and answers in "
    "text. Clips stay on the machine that runs this page."
)
SHIPPED = """\
**What this model knows.** `mirasol_tiny` has learned *sounding shapes* alone:
clips of two seconds, like the examples, in which coloured shapes appear while
bells, drums and buzzers are heard. Asked about a dog, it answers with a colour,
a shape or a sound. For real clips, train a model on your own, and give the
folder of its preset: `python -m keras_mirasol.app ./mine`."""
TRAINED = """\
**What this model knows.** `{preset}` can answer what it was trained on. The
examples are *sounding shapes*, which `mirasol_tiny` knows."""
AT_ITS_PACE = "at its own pace"
AT_ONCE = "as fast as it can be watched"
NOTHING_SEEN = "Nothing was seen or heard yet."

# Fonts of the system: none is fetched.
THEME = gr.themes.Default(
    font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
)
CSS = """
#answer textarea {font-size: 1.75rem; font-weight: 600; line-height: 1.3}
#picture img {padding-top: 2rem}
#clip video {max-height: 300px}
#seen {font-variant-numeric: tabular-nums}
"""
# What is watched at its own pace is shown at that pace.
PLAY = f"""(pace) => {{
  const player = document.querySelector("#clip video");
  if (player && pace === "{AT_ITS_PACE}") {{
    player.currentTime = 0;
    player.play();
  }}
}}"""
PAUSE = '() => document.querySelector("#clip video")?.pause()'


def build_page(answerer, preset, examples):
    """Builds the page.

    Args:
        answerer: an `Answerer`.
        preset: str. The name of its model.
        examples: list of lists, each of a clip's path and a question.

    Returns:
        A `gradio.Blocks`.
    """
    with gr.Blocks(
        title=TITLE,
        analytics_enabled=False,
        # Clips are removed an hour after they came.
        delete_cache=(600, 3600),
    ) as page:
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                clip = gr.Video(
                    label="Clip",
                    elem_id="clip",
                    sources=["upload", "webcam"],
                    include_audio=True,
                )
                # Shown below, filled here: an example has a question too.
                question = gr.Textbox(
                    label="Question",
                    placeholder="what is heard first?",
                    elem_id="question",
                    render=False,
                )
                gr.Examples(examples, [clip, question], label="Sounding shapes")
                gr.Markdown(
                    SHIPPED
                    if preset == "mirasol_tiny"
                    else TRAINED.format(preset=preset)
                )
            with gr.Column(scale=3, min_width=480):
                with gr.Tab("The whole clip"):
                    _ask_about_the_whole(answerer, clip, question)
                with gr.Tab("While it plays"):
                    _ask_while_it_plays(answerer, clip)
    return page


def open_page(page, host="127.0.0.1", port=None):
    """Serves a page until it is interrupted.

    Args:
        page: what `build_page()` returned.
        host: str. The address to listen at. Defaults to `"127.0.0.1"`, which
            this machine alone can reach.
        port: int. Defaults to `None`, the first free one from 7860 on.

    Raises:
        OSError: if the port is taken.
    """
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        ssr_mode=False,
        theme=THEME,
        css=CSS,
        footer_links=["gradio"],
    )


@contextlib.contextmanager
def errors_on_the_page():
    """Shows a `ValueError` as a message on the page."""
    try:
        yield
    except ValueError as error:
        raise gr.Error(
            html.escape(str(error), quote=False),
            title="This cannot be answered",
            print_exception=False,
        ) from error


def _ask_about_the_whole(answerer, clip, question):
    question.render()
    button = gr.Button("Ask", variant="primary", elem_id="ask")
    answer = gr.Textbox(label="Answer", elem_id="answer", interactive=False)
    # `gr.Plot` takes no subclasses of Matplotlib's figures.
    picture = gr.Image(
        label="Where it came from",
        elem_id="picture",
        format="png",
        buttons=["download", "fullscreen"],
        interactive=False,
        visible=False,
    )
    # The clip, the question and the answer.
    said = gr.State()
    nothing = "", gr.Image(visible=False), None

    def ask(path, text):
        # An answer to what was asked before is none to this.
        yield nothing
        with errors_on_the_page():
            loaded = answerer.load(path)
            answered = answerer.answer(loaded, text)
        yield answered, gr.skip(), (loaded, text, answered)

    def draw(said):
        return gr.Image(_image_of(answerer.draw(*said)), visible=True)

    asked = gr.on(
        [button.click, question.submit],
        ask,
        [clip, question],
        [answer, picture, said],
        api_name="ask",
        show_progress_on=answer,
    )
    # A step of its own: while one is drawn, the next may be asked.
    asked.success(draw, said, picture, api_visibility="private")
    clip.change(lambda: nothing, None, [answer, picture, said], queue=False)


def _ask_while_it_plays(answerer, clip):
    film = gr.State()
    with gr.Row():
        pace = gr.Radio(
            [AT_ITS_PACE, AT_ONCE],
            value=AT_ITS_PACE,
            label="Play",
            elem_id="pace",
        )
        with gr.Column(min_width=120):
            play = gr.Button("Play", variant="primary", elem_id="play")
            stop = gr.Button("Stop", elem_id="stop")
    seen = gr.Markdown(NOTHING_SEEN, elem_id="seen")
    talk = gr.Chatbot(
        label="Questions and answers",
        elem_id="talk",
        height=320,
        buttons=[],
        feedback_options=None,
    )
    question = gr.Textbox(
        label="Question about what was seen and heard so far",
        placeholder="what is heard first?",
        elem_id="question_meanwhile",
    )
    ask_button = gr.Button("Ask", variant="primary", elem_id="ask_meanwhile")

    def watch(path, pace):
        yield None, NOTHING_SEEN, []
        with errors_on_the_page():
            watched = answerer.watch(path)
        yield watched, gr.skip(), gr.skip()
        speed = 1.0 if pace == AT_ITS_PACE else float("inf")
        with errors_on_the_page():
            for seconds in watched.play(speed):
                yield watched, _told_seen(seconds), gr.skip()
        yield watched, f"{_told_seen(watched.seconds)} It has ended.", gr.skip()

    def ask(watched, text, talk):
        with errors_on_the_page():
            if watched is None:
                raise ValueError("Nothing plays. Press Play, then ask.")
            pieces = watched.ask(text)
            answered = next(pieces, "")
            talk = [
                *talk,
                {"role": "user", "content": text.strip()},
                {"role": "assistant", "content": ""},
            ]
            moment = f"{watched.seconds:.2f} s"
            for piece in ("", *pieces):
                answered += piece
                talk[-1]["content"] = f"{answered} ({moment})"
                yield talk, ""

    playing = play.click(
        watch,
        [clip, pace],
        [film, seen, talk],
        concurrency_limit=8,
        show_progress="hidden",
        api_visibility="private",
    )
    play.click(None, pace, None, js=PLAY)
    stop.click(None, None, None, cancels=playing, js=PAUSE)
    gr.on(
        [ask_button.click, question.submit],
        ask,
        [film, question, talk],
        [talk, question],
        api_visibility="private",
    )
    clip.change(
        lambda: (None, NOTHING_SEEN, []),
        None,
        [film, seen, talk],
        cancels=playing,
        queue=False,
    )


def _image_of(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150)
    return Image.open(file)


def _told_seen(seconds):
    return f"Seen and heard so far: **{seconds:.2f} s**."
