"""Are answers about clips eight times as long as those of training right?

    python benchmarks/long_answers.py

`mirasol_tiny` was trained on sounding shapes of 2 seconds. Here it is asked
the same questions about clips of 16 seconds with the same four events, so that
every question has the answer it had:

- *beginning*: the scene, then 14 seconds of its background and silence;
- *end*: 14 seconds of its background and silence, then the scene;
- *stretched*: every event lasts eight times as long, its sound too;
- *held*: every event lasts eight times as long; its sound keeps its length,
  and silence follows.

Each is answered whole, and as a stream: with everything remembered, and with
windows of 8 snippets (2 seconds) or 32, with and without the first 4 as sinks.
What a window has left behind cannot be told: with the scene at the beginning
and no sinks, no more than chance is to be expected.

Prints exact match by kind of question, with its ratio to that of clips of 2
seconds answered whole, and writes `benchmarks/results/long_answers.json`;
`--quick` asks about few clips and writes nothing.
"""

import argparse
import dataclasses
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from measuring import versions
from measuring import write_result

from keras_mirasol.data import sounding_shapes
from keras_mirasol.evaluation import share_by
from keras_mirasol.models import MirasolCausalLM

TIMES_AS_LONG = 8
# Of the video, per second, as scenes are rendered.
RENDERED_RATE = 16
BATCH = 16
TRAINED = "2 seconds"
LAYOUTS = (TRAINED, "beginning", "end", "stretched", "held")
WHOLE = "whole"
# Arguments of `MirasolCausalLM.stream()`.
STREAMS = {
    "stream": {},
    "window 8": {"window": 8, "num_sinks": 0},
    "window 8, sinks 4": {"window": 8, "num_sinks": 4},
    "window 32": {"window": 32, "num_sinks": 0},
    "window 32, sinks 4": {"window": 32, "num_sinks": 4},
}


def laid_out(scene, layout, frame_rate):
    """A clip of a scene, as a model with this frame rate takes it."""
    if layout in ("stretched", "held"):
        scene = stretched(scene, with_sound=layout == "stretched")
    frames = sounding_shapes.render_frames(scene)
    audio = sounding_shapes.render_audio(scene)
    every = RENDERED_RATE // frame_rate
    frames = frames[every // 2 :: every]
    if layout in ("beginning", "end"):
        frames = filled(frames, layout, scene.background)
        audio = filled(audio, layout, 0.0)
    return {"videos": frames, "audio": audio}


def stretched(scene, with_sound):
    """The scene with events that last longer, with or without their sounds."""
    return dataclasses.replace(
        scene,
        events=tuple(
            dataclasses.replace(
                event,
                seconds=TIMES_AS_LONG * event.seconds,
                sounding=event.sounding / (1 if with_sound else TIMES_AS_LONG),
            )
            for event in scene.events
        ),
    )


def filled(signal, layout, value):
    """A signal at one end of a longer one, the rest of which has one value."""
    missing = (TIMES_AS_LONG - 1) * len(signal)
    padding = np.full((missing, *signal.shape[1:]), value, signal.dtype)
    parts = (signal, padding) if layout == "beginning" else (padding, signal)
    return np.concatenate(parts)


def questions_about(scene, index, seed, per_kind):
    """Questions of each kind, drawn for a clip."""
    rng = np.random.default_rng([seed, index])
    for kind in sounding_shapes.KINDS:
        asked = sounding_shapes.questions(scene, kind)
        for choice in rng.permutation(len(asked))[:per_kind]:
            yield asked[choice]


def answer_whole(task, clips, prompts):
    """Answers about each clip at once: a list for each clip."""
    signals = {key: [clip[key] for clip in clips] for key in clips[0]}
    return task.generate({**signals, "prompts": prompts})


def answer_streamed(task, clips, prompts, settings):
    """Answers after clips were watched side by side, snippet by snippet."""
    stream = task.stream(
        batch_size=len(clips), max_snippets=snippets_of(task, clips), **settings
    )
    frames, samples = (
        task.preprocessor.frames_per_snippet,
        task.preprocessor.samples_per_snippet,
    )
    for t in range(snippets_of(task, clips)):
        stream.observe(
            [clip["videos"][t * frames :][:frames] for clip in clips],
            [clip["audio"][t * samples :][:samples] for clip in clips],
        )
    stream.finish()
    # A question for each stream at a time.
    answers = [stream.ask(list(asked)) for asked in zip(*prompts, strict=True)]
    return [list(row) for row in zip(*answers, strict=True)]


def snippets_of(task, clips):
    return len(clips[0]["videos"]) // task.preprocessor.frames_per_snippet


def answer(task, layout, mode, num_clips, seed, per_kind):
    """All questions of a layout with their answers, as manifest lines."""
    lines = []
    frame_rate = int(task.preprocessor.frame_rate)
    for first in range(0, num_clips, BATCH):
        # Batches are full, so that all have one shape.
        indices = range(first, first + BATCH)
        scenes = [sounding_shapes.corpus_scene(i, seed=seed) for i in indices]
        asked = [
            list(questions_about(scene, index, seed, per_kind))
            for scene, index in zip(scenes, indices, strict=True)
        ]
        clips = [laid_out(scene, layout, frame_rate) for scene in scenes]
        prompts = [[line["prompt"] for line in row] for row in asked]
        if mode == WHOLE:
            answers = answer_whole(task, clips, prompts)
        else:
            answers = answer_streamed(task, clips, prompts, STREAMS[mode])
        lines += [
            {**line, "answer": answer}
            for row, told in zip(asked, answers, strict=True)
            for line, answer in zip(row, told, strict=True)
        ]
    return lines


def with_ratios(rows):
    """Rows with their exact match over that of the clips of training."""
    trained = next(
        row["exact_match"]
        for row in rows
        if (row["layout"], row["mode"]) == (TRAINED, WHOLE)
    )
    return [
        {**row, "ratio_to_trained": round(row["exact_match"] / trained, 3)}
        for row in rows
    ]


def table(rows):
    lines = [
        f"{'clips':12}{'mode':20}{'all':>7}"
        + "".join(f"{kind:>8}" for kind in sounding_shapes.KINDS)
        + f"{'ratio':>8}"
    ]
    for row in rows:
        lines.append(
            f"{row['layout']:12}{row['mode']:20}{row['exact_match']:>7.3f}"
            + "".join(
                f"{row['by_kind'][kind]:>8.3f}"
                for kind in sounding_shapes.KINDS
            )
            + f"{row['ratio_to_trained']:>8.2f}"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--clips", type=int, default=64, help=f"a multiple of {BATCH}"
    )
    parser.add_argument("--per-kind", type=int, default=2)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--quick", action="store_true", help="write nothing")
    settings = parser.parse_args()
    if settings.clips < 1 or settings.clips % BATCH:
        parser.error(
            f"--clips must be a multiple of {BATCH}. Received: {settings.clips}"
        )
    num_clips = BATCH if settings.quick else settings.clips
    modes = (
        (WHOLE, "window 8, sinks 4") if settings.quick else (WHOLE, *STREAMS)
    )

    task = MirasolCausalLM.from_preset("mirasol_tiny")
    rows = []
    for layout in LAYOUTS:
        for mode in modes:
            lines = answer(
                task,
                layout,
                mode,
                num_clips,
                settings.seed,
                settings.per_kind,
            )
            by_kind = share_by(lines, "kind")
            rows.append(
                {
                    "layout": layout,
                    "mode": mode,
                    "exact_match": round(share_by(lines), 4),
                    "by_kind": {k: round(v, 4) for k, v in by_kind.items()},
                }
            )
            print(rows[-1], flush=True)
    rows = with_ratios(rows)
    print(table(rows))
    if settings.quick:
        print("No result is written: this was not all of it.")
        return
    write_result(
        "long_answers",
        {
            "command": "python benchmarks/long_answers.py",
            "clips": num_clips,
            "questions": len(lines),
            "seconds": {"trained": 2, "long": 2 * TIMES_AS_LONG},
            "streams": STREAMS,
            "rows": rows,
            "seed": settings.seed,
            "backend": keras.backend.backend(),
            "versions": versions(keras.backend.backend()),
        },
    )


if __name__ == "__main__":
    main()
