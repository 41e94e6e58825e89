"""What each part of Mirasol is worth, one part at a time.

    python benchmarks/ablation.py

Trains models of one size in parameters, within a tenth, for the same number of
steps on the same clips of sounding shapes: 4 seconds in 16 snippets, with
questions whose answers lie up to three events apart (`ablation_corpus.py`).

- *flat*: the text decoder attends to all video and audio tokens of the clip.
- *latent model*: a snippet Transformer runs over all those tokens first.
- *Combiner*: the Combiner makes one joint token of each snippet; the decoder
  attends to them, without a snippet Transformer between.
- *both*: Mirasol. What other rows lack of it, they have in depth elsewhere.
- *both + ...*: Mirasol trained by more than text; *pretraining*: by all
  objectives on moments, then by all but contrast and matching.
- *Token Turing Machine*: another Combiner, with a memory across snippets.
- *2 joint tokens*, *4 snippets* and so on: Mirasol in other proportions.

All begin with the same encoders, and on half seconds with one event; then they
learn whole clips. Each row is trained from several seeds. Runs that are in
`benchmarks/results/ablation.json` are not made again, so that the script may
be stopped and started; two of it side by side share the work. `--measure` adds
what a training step of each row takes, all rows in turns. `--table` prints
what there is.
"""

import argparse
import contextlib
import fcntl
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np
from ablation_corpus import ASKED
from ablation_corpus import AUDIO_FRAME_RATE
from ablation_corpus import FRAME_RATE
from ablation_corpus import IMAGE_SIZE
from ablation_corpus import NUM_MELS
from ablation_corpus import SECONDS
from ablation_corpus import Corpus
from ablation_corpus import build_preprocessor
from ablation_corpus import in_snippets
from measuring import Program
from measuring import medians_in_turns
from measuring import read_result
from measuring import training_state
from measuring import versions
from measuring import write_result

from keras_mirasol import models
from keras_mirasol.layers.combiner import Combiner

BUILD = Path("build/ablation")
TRAIN_SEED, TEST_SEED = 1, 1001
TRAIN_CLIPS, TEST_CLIPS = 2000, 200
ENCODER_STEPS, MOMENT_STEPS, CLIP_STEPS = 500, 200, 1000
MOMENTS, CLIPS = 32, 8
# Learning rates against that of the text decoder and its tokens.
TEXT_PARTS, PACE_OF_CLIPS = ("text_decoder", "token_embedding"), 0.25
STEM = (32, 64)
# What video and audio have of tokens, a frame.
VIDEO_TOKENS, AUDIO_TOKENS = 36, 4
DIM = 64
BASE = dict(
    image_size=IMAGE_SIZE,
    num_mels=NUM_MELS,
    num_joint_tokens=1,
    tubes=[{"kernel": (1, 1, 1)}],
    stem_filters=STEM,
    audio_patch_size=(5, 8),
    video_hidden_dim=DIM,
    video_num_layers=1,
    video_num_heads=4,
    audio_hidden_dim=DIM,
    audio_num_layers=1,
    audio_num_heads=4,
    hidden_dim=DIM,
    num_heads=4,
    combiner_num_layers=1,
    latent_num_layers=1,
    text_hidden_dim=DIM,
    text_num_layers=3,
    text_num_heads=4,
    # From three snippets of the shortest to the longest clips.
    time_wavelengths=(0.75, 30.0),
)


class AllTokens(Combiner):
    """No Combiner: all video and audio tokens of a snippet, in one width."""

    def __init__(self, num_joint_tokens, dim, **kwargs):
        super().__init__(num_joint_tokens, dim, 0, 1, 0.0, False, **kwargs)

    def call(self, video_tokens, audio_tokens, video_mask, audio_mask):
        return self.join(video_tokens, audio_tokens, video_mask, audio_mask)[0]


# Objectives beside text, by their weights.
TEXT_ALONE = dict(latent_weight=0.0, frame_weight=0.0, spectrogram_weight=0.0)
ALL_OBJECTIVES = dict(
    latent_weight=0.05, frame_weight=0.5, spectrogram_weight=0.3
)
# One second earlier: another event, most of the time.
PAST = dict(past_weight=0.3, past_lag=4)

# Of each row: what differs of the backbone, frames of a snippet, objectives.
FLAT = dict(combiner="all", num_joint_tokens=VIDEO_TOKENS + AUDIO_TOKENS)
ROWS = {
    "flat": (dict(**FLAT, latent_num_layers=0, text_num_layers=4), 1, {}),
    "latent model": (dict(**FLAT, latent_num_layers=2), 1, {}),
    "Combiner": (dict(latent_num_layers=0, text_num_layers=4), 1, {}),
    "both": ({}, 1, {}),
    "both + next latent": ({}, 1, dict(latent_weight=0.3)),
    "both + past latent": ({}, 1, PAST),
    "both + objectives": ({}, 1, ALL_OBJECTIVES),
    "both + pretraining": ({}, 1, ALL_OBJECTIVES),
    "Token Turing Machine": (
        dict(combiner="token_turing", combiner_settings={"memory_size": 16}),
        1,
        {},
    ),
    "2 joint tokens": (dict(num_joint_tokens=2), 1, {}),
    "8 joint tokens": (dict(num_joint_tokens=8), 1, {}),
    "32 joint tokens": (dict(num_joint_tokens=32), 1, {}),
    # With as many joint tokens in all.
    "4 snippets": (dict(num_joint_tokens=4), 4, {}),
    "1 snippet": (dict(num_joint_tokens=16), 16, {}),
}
PRETRAINED = "both + pretraining"


def build_backbone(name, vocabulary_size):
    changes, frames, _ = ROWS[name]
    sizes = {**BASE, **changes}
    if sizes.get("combiner") == "all":
        sizes["combiner"] = AllTokens(
            sizes["num_joint_tokens"], sizes["hidden_dim"], name="combiner"
        )
    return models.MirasolBackbone(
        vocabulary_size,
        frames_per_snippet=frames,
        audio_frames_per_snippet=frames * AUDIO_FRAME_RATE // FRAME_RATE,
        snippet_seconds=frames / FRAME_RATE,
        **sizes,
    )


def build_task(name, backbone):
    return models.MirasolCausalLM(backbone, **{**TEXT_ALONE, **ROWS[name][2]})


def batches(draw, num_clips, batch_size, frames, seed):
    """Batches without end, from `draw(indices, rng)`, epoch after epoch."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(num_clips)
        for first in range(0, num_clips - batch_size + 1, batch_size):
            indices = order[first : first + batch_size]
            yield in_snippets(draw(indices, rng), frames)


class PacedAdamW(keras.optimizers.AdamW):
    """Text learns at the full rate, and what it reads, slowly, follows."""

    def update_step(self, gradient, variable, learning_rate):
        is_text = any(part in variable.path for part in TEXT_PARTS)
        pace = 1.0 if is_text else PACE_OF_CLIPS
        super().update_step(gradient, variable, pace * learning_rate)


def optimizer_of_clips():
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, CLIP_STEPS, warmup_target=2e-3, warmup_steps=100
    )
    return PacedAdamW(schedule, clipnorm=1.0)


def train(task, generator, steps):
    """Trains for some steps; the losses of each tenth of them."""
    logs = []
    for step in range(1, steps + 1):
        x, y, sample_weight = next(generator)
        log = task.train_on_batch(
            x, y, sample_weight=sample_weight, return_dict=True
        )
        if step % (steps // 10) == 0:
            log = {key: round(float(value), 4) for key, value in log.items()}
            logs.append({"step": step, **log})
            task.reset_metrics()
            print(logs[-1], flush=True)
    return logs


def answer(task, corpus, frames):
    """Exact match about held-out clips, in all and by kind of question.

    An answer is right where each of its tokens, and its end, is the likeliest
    after those before it: what greedy generation gives.
    """
    rng = np.random.default_rng(0)
    right = []
    for first in range(0, TEST_CLIPS, CLIPS):
        indices = np.arange(first, first + CLIPS)
        x, y, weight = in_snippets(corpus.clips(indices, rng), frames)
        likeliest = task.predict_on_batch(x)["logits"].argmax(-1)
        right.append(((likeliest == y) | (weight == 0)).all(-1))
    right = np.concatenate(right)
    parts = np.split(right, np.cumsum(list(ASKED.values()))[:-1], axis=1)
    return {
        "exact_match": round(float(right.mean()), 4),
        "by_kind": {
            kind: round(float(part.mean()), 4)
            for kind, part in zip(ASKED, parts, strict=True)
        },
    }


def learn_moments(
    learner, corpus, frames, steps, seed, clips=TRAIN_CLIPS, batch_size=MOMENTS
):
    learner.compile(learning_rate=1e-3, steps=steps)
    return train(
        learner,
        batches(corpus.moments, clips, batch_size, frames, seed),
        steps,
    )


def trained_encoders(seed, corpus, vocabulary_size):
    """Weights of the encoders that all rows of a seed begin with.

    They have learned moments in a flat model. In each row by itself, they
    would learn by what its Combiner lets through, at another pace.
    """
    path = BUILD / f"encoders {seed}.npz"
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            print("encoders", seed, flush=True)
            np.savez(
                path,
                *train_encoders(seed, corpus, vocabulary_size, ENCODER_STEPS),
            )
    with np.load(path) as arrays:
        return list(arrays.values())


def train_encoders(seed, corpus, vocabulary_size, steps, **sizes):
    """Arrays of encoders' weights, as a flat model learns them from moments."""
    keras.utils.set_random_seed(seed)
    donor = build_backbone("flat", vocabulary_size)
    learn_moments(build_task("flat", donor), corpus, 1, steps, seed, **sizes)
    return [
        keras.ops.convert_to_numpy(weight) for weight in encoder_weights(donor)
    ]


def encoder_weights(backbone):
    return backbone.video_encoder.weights + backbone.audio_encoder.weights


def begin_with(backbone, encoders):
    """Gives the encoders of a backbone the weights that others learned."""
    for weight, value in zip(encoder_weights(backbone), encoders, strict=True):
        weight.assign(value)


def run(name, seed, train_corpus, test_corpus, vocabulary_size):
    """Trains and examines a row from a seed."""
    keras.utils.clear_session()
    encoders = trained_encoders(seed, train_corpus, vocabulary_size)
    begun = time.time()
    keras.utils.set_random_seed(seed)
    frames = ROWS[name][1]
    backbone = build_backbone(name, vocabulary_size)
    begin_with(backbone, encoders)
    task = build_task(name, backbone)
    learner = task
    if name == PRETRAINED:
        learner = models.MirasolPretrainer(
            task.backbone, embedding_dim=DIM, seed=seed, **ALL_OBJECTIVES
        )
    moments = learn_moments(learner, train_corpus, frames, MOMENT_STEPS, seed)
    task.compile(optimizer_of_clips())
    clips = train(
        task,
        batches(train_corpus.clips, TRAIN_CLIPS, CLIPS, frames, seed),
        CLIP_STEPS,
    )
    return {
        "row": name,
        "seed": seed,
        **answer(task, test_corpus, frames),
        "seconds": round(time.time() - begun),
        "moments": moments,
        "clips": clips,
    }


def report():
    """What there is of results, without any at first."""
    return read_result("ablation", runs=[], costs={})


@contextlib.contextmanager
def locked(path, wait=True):
    """Whether this process alone has a file, which others leave to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def update(change):
    """Changes the results, one process at a time."""
    with locked(BUILD / "results.lock"):
        result = report()
        change(result)
        result["runs"].sort(
            key=lambda run: (list(ROWS).index(run["row"]), run["seed"])
        )
        write_result(
            "ablation",
            {
                "command": "python benchmarks/ablation.py",
                "settings": {
                    "clips": {"train": TRAIN_CLIPS, "test": TEST_CLIPS},
                    "seconds_of_a_clip": SECONDS,
                    "steps": {
                        "encoders": ENCODER_STEPS,
                        "moments": MOMENT_STEPS,
                        "clips": CLIP_STEPS,
                    },
                    "batch": {"moments": MOMENTS, "clips": CLIPS},
                    "questions_of_a_clip": ASKED,
                    "learning_rates": {
                        "moments": 1e-3,
                        "clips": {"text": 2e-3, "others": 2e-3 * PACE_OF_CLIPS},
                    },
                },
                "backend": keras.backend.backend(),
                "versions": versions(keras.backend.backend()),
                **result,
            },
        )


def run_all(rows, seeds):
    """Makes what is missing, and leaves to others what they are at."""
    preprocessor = build_preprocessor(TRAIN_SEED)
    train_corpus, test_corpus = (
        Corpus(preprocessor, count, seed)
        for count, seed in ((TRAIN_CLIPS, TRAIN_SEED), (TEST_CLIPS, TEST_SEED))
    )
    for seed in seeds:
        for name in rows:
            with locked(BUILD / f"{name} {seed}.lock", wait=False) as is_ours:
                done = [(run["row"], run["seed"]) for run in report()["runs"]]
                if not is_ours or (name, seed) in done:
                    continue
                print(name, seed, flush=True)
                made = run(
                    name,
                    seed,
                    train_corpus,
                    test_corpus,
                    preprocessor.tokenizer.vocabulary_size(),
                )
                print({k: made[k] for k in ("exact_match", "by_kind")})
                update(lambda result, made=made: result["runs"].append(made))


def measure(rows, rounds):
    """What a training step of each row takes, all of them in turns."""
    preprocessor = build_preprocessor(TRAIN_SEED, num_clips=2 * CLIPS)
    corpus = Corpus(preprocessor, 2 * CLIPS, TRAIN_SEED)
    vocabulary_size = preprocessor.tokenizer.vocabulary_size()
    costs, steps = {}, {}
    for name in rows:
        keras.utils.clear_session()
        frames = ROWS[name][1]
        task = build_task(name, build_backbone(name, vocabulary_size))
        task.compile()
        batch = next(batches(corpus.clips, 2 * CLIPS, CLIPS, frames, 0))
        batch = keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
        steps[name] = TrainingStep(task, batch)
        backbone = task.backbone
        snippets = SECONDS * FRAME_RATE // frames
        costs[name] = {
            "parameters": backbone.count_params(),
            "attended_tokens": snippets * backbone.num_joint_tokens,
            "peak_mib": round(steps[name].program.mib, 1),
            "activation_mib": round(steps[name].program.temporary_mib, 1),
        }
        print(name, costs[name], flush=True)
    seconds = medians_in_turns(steps, rounds)
    for name, cost in costs.items():
        cost["step_seconds"] = round(seconds[name], 4)
    update(lambda result: result["costs"].update(costs))


class TrainingStep:
    """A compiled step of a task, called again and again on one batch."""

    def __init__(self, task, batch):
        self.state, self.batch = training_state(task), batch
        self.program = Program(task.train_step, self.state, batch, donate=True)

    def __call__(self):
        _, self.state = self.program(self.state, self.batch)


def table(result):
    """The results as a table in Markdown."""
    lines = [
        "| | exact match | " + " | ".join(ASKED) + " | runs | parameters | "
        "tokens attended to | step | activations |",
        "|---|" + "---:|" * (len(ASKED) + 6),
    ]
    flat = result["costs"].get("flat")
    for name in ROWS:
        runs = [run for run in result["runs"] if run["row"] == name]
        cost = result["costs"].get(name)
        if not runs:
            continue
        cells = [spread([run["exact_match"] for run in runs])]
        for kind in ASKED:
            mean = statistics.mean(run["by_kind"][kind] for run in runs)
            cells.append(f"{mean:.2f}")
        cells.append(f"{len(runs)}")
        if cost and flat:
            cells += [
                f"{cost['parameters']:,}",
                f"{cost['attended_tokens']}",
                f"{cost['step_seconds'] / flat['step_seconds']:.2f}",
                f"{cost['activation_mib'] / flat['activation_mib']:.2f}",
            ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(values):
    """The mean, and how far the values lie from it at most."""
    mean = statistics.mean(values)
    if len(values) == 1:
        return f"{mean:.3f}"
    return f"{mean:.3f} ± {max(abs(value - mean) for value in values):.3f}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--rounds", type=int, default=10, help="of measuring")
    parser.add_argument("--table", action="store_true")
    settings = parser.parse_args()
    if settings.measure:
        measure(settings.rows, settings.rounds)
    elif not settings.table:
        run_all(settings.rows, settings.seeds)
    print(table(report()))


if __name__ == "__main__":
    main()
