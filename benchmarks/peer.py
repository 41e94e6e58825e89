"""How fast is the model beside mirasol-pytorch, and how much memory is used?

    python -m venv build/peer
    build/peer/bin/pip install x-transformers==1.27.2 packaging numpy torch
    build/peer/bin/pip install mirasol-pytorch==0.0.16
    python benchmarks/peer.py --peer-python build/peer/bin/python

mirasol-pytorch is Phil Wang's partial implementation of Mirasol3B; it runs in
an environment of its own. Seconds of a training step (AdamW), of a forward pass
with all losses, of one that ends in logits, and of generation on a CPU, batch
1, float32, threads as each framework chooses them; and the peak memory of a
process that has only trained so far, of which part is what it imports. This
model runs on JAX, TensorFlow and PyTorch. Every contender is a process; they
take turns, as processors change their pace: the ratios count, medians of those
of each round. Times are those of the peer over ours, memory is ours over the
peer's. The machine should be idle: what runs beside slows PyTorch most, whose
threads wait for each other.

Both models have the sizes of the peer's README, and its defaults where that
names none: 512 everywhere, 8 heads of 64, encoders of 2 layers, Combiner of 2
with 3 joint tokens, latent model and text decoder of 6, snippets of 2 frames of
128x128 in tubes of (2, 64, 64) and of 32 spectrogram frames of 64 mels in
patches of (16, 32). They are given 32 snippets and a text of 256, and generate
64 tokens after a prompt of 16. The peer is measured as its README builds it,
"readme", and with "equal" work: without its 8 register tokens in each encoder,
and with frames reconstructed four times smaller, as ours are, not whole.

Where they differ still: the peer's layers that reconstruct have 12.6M
parameters then, ours 4.7M. Both sample from the likeliest tenth of tokens, as
the peer cannot be told another way. The peer masks some snippets at random in
every pass, generation included, and computes the keys and values of its
cross-attention anew for every token. Its `flash_attn` does not reach
x-transformers, which calls it `attn_flash`: it is off, as whoever follows the
README has it. The peer cuts a spectrogram into as many snippets as a snippet
should have frames, so that here there are 32 of both.

Prints tables and writes `benchmarks/results/peer.json`; `--quick` measures a
small model and writes nothing.
"""

import argparse
import contextlib
import json
import math
import statistics
import sys
from pathlib import Path

from measuring import peak_resident
from measuring import random_clips
from measuring import random_texts
from measuring import versions
from measuring import write_result
from workers import Worker
from workers import serve_timed

# Keras is imported by workers alone: what is in memory here is counted in the
# peak of the processes that it starts.

SET_UP = "\n".join(__doc__.splitlines()[2:5])
BACKENDS = ("jax", "tensorflow", "torch")
VARIANTS = ("readme", "equal")
# Training is first: the peak of memory after it is of nothing else.
OPERATIONS = ("train", "forward", "logits", "generate")
CALLS = 3
SIZES = dict(
    dim=512,
    heads=8,
    encoder_layers=2,
    combiner_layers=2,
    joint_tokens=3,
    latent_layers=6,
    text_layers=6,
    snippets=32,
    frames=2,
    image=128,
    image_patch=64,
    audio_frames=32,
    audio_patch=16,
    mels=64,
    audio_patch_mels=32,
    vocabulary=256,
    text=256,
    prompt=16,
    answer=64,
)
# The peer's heads have 64 units, and its positions want a width such as this.
QUICK_SIZES = dict(
    dim=128,
    heads=2,
    encoder_layers=1,
    combiner_layers=1,
    joint_tokens=2,
    latent_layers=1,
    text_layers=1,
    snippets=4,
    frames=2,
    image=16,
    image_patch=8,
    audio_frames=4,
    audio_patch=4,
    mels=16,
    audio_patch_mels=8,
    vocabulary=32,
    text=16,
    prompt=4,
    answer=4,
)


def build_task(sizes, **settings):
    """Our model of these sizes, compiled to be trained.

    Args:
        sizes: dict such as `SIZES`.
        **settings: of `compile()`.
    """
    import keras
    import keras_hub

    from keras_mirasol.models import MirasolBackbone
    from keras_mirasol.models import MirasolCausalLM

    dim, heads = sizes["dim"], sizes["heads"]
    # The peer adds a token that begins texts.
    vocabulary_size = sizes["vocabulary"] + 1
    backbone = MirasolBackbone(
        vocabulary_size=vocabulary_size,
        frames_per_snippet=sizes["frames"],
        audio_frames_per_snippet=sizes["audio_frames"],
        image_size=sizes["image"],
        num_mels=sizes["mels"],
        num_joint_tokens=sizes["joint_tokens"],
        tubes=[{"kernel": (sizes["frames"], *2 * [sizes["image_patch"]])}],
        audio_patch_size=(sizes["audio_patch"], sizes["audio_patch_mels"]),
        video_hidden_dim=dim,
        video_num_layers=sizes["encoder_layers"],
        video_num_heads=heads,
        audio_hidden_dim=dim,
        audio_num_layers=sizes["encoder_layers"],
        audio_num_heads=heads,
        hidden_dim=dim,
        num_heads=heads,
        combiner_num_layers=sizes["combiner_layers"],
        latent_num_layers=sizes["latent_layers"],
        text_hidden_dim=dim,
        text_num_layers=sizes["text_layers"],
        text_num_heads=heads,
    )
    # The peer reconstructs spectrograms whole.
    task = MirasolCausalLM(backbone, frame_downsampling=4, mel_downsampling=1)
    task.compile(
        keras.optimizers.AdamW(1e-4),
        sampler=keras_hub.samplers.TopKSampler(
            math.ceil(vocabulary_size / 10), seed=0
        ),
        **settings,
    )
    return task


def operations(task, sizes):
    """What is timed, by name; each waits for what it computes."""
    import keras

    from keras_mirasol.models.compiled_function import compiled_function

    clip = random_clips(task.backbone, 1, sizes["snippets"])
    text, y, sample_weight = random_texts(task.backbone, 1, sizes["text"])
    x = {**clip, **text}
    prompt, length = sizes["prompt"], sizes["prompt"] + sizes["answer"]
    asked = {**clip, **{key: of[:, :length].copy() for key, of in text.items()}}
    asked["padding_mask"][:, prompt:] = False

    def generate():
        answer = task.generate(asked, stop_token_ids=None)
        return keras.ops.convert_to_numpy(answer["token_ids"])

    backbone = task.backbone
    compiled = compiled_function(
        task,
        lambda x: backbone.token_embedding(
            backbone(x)["sequence_output"], reverse=True
        ),
    )
    return {
        "train": lambda: task.train_on_batch(x, y, sample_weight),
        "forward": lambda: task.test_on_batch(x, y, sample_weight),
        "logits": lambda: keras.ops.convert_to_numpy(compiled(x)),
        "generate": generate,
    }


def serve_ours(sizes):
    """The worker of our model, on the backend of its environment."""
    import keras

    import keras_mirasol.models  # noqa: F401  What it takes is of the imports.

    imported_mib = peak_resident()
    keras.utils.set_random_seed(0)
    task = build_task(sizes)
    about = {"parameters": task.count_params(), "imported_mib": imported_mib}
    serve_timed(about, operations(task, sizes))


def start_workers(peer_python, sizes, stack):
    """Workers of the peer's variants and of our backends, by these."""
    sizes = json.dumps(sizes)
    peer = Path(__file__).with_name("peer_mirasol_pytorch.py")
    commands = {variant: [peer_python, peer, variant] for variant in VARIANTS}
    for backend in BACKENDS:
        commands[backend] = [sys.executable, __file__, "--worker"]
    return {
        name: stack.enter_context(
            Worker(
                [*command, sizes],
                KERAS_BACKEND=name,  # The peer does not read it.
                CUDA_VISIBLE_DEVICES="",
            )
        )
        for name, command in commands.items()
    }


def measure(workers, rounds, calls):
    """Rows of the contenders, which take turns at each operation.

    Args:
        workers: dict of `Worker`s.
        rounds: int. Turns of each at an operation.
        calls: int. Of an operation in a turn; their median counts.
    """
    about = {name: worker.ask("about") for name, worker in workers.items()}
    rows = {
        name: {
            "contender": name,
            "parameters": of["parameters"],
            "imported_mib": round(of["imported_mib"]),
            "rounds": {operation: [] for operation in OPERATIONS},
        }
        for name, of in about.items()
    }
    for operation in OPERATIONS:
        for name, worker in workers.items():
            # The first call compiles, and another may be slow still.
            (first,) = worker.ask(operation, 1)["seconds"]
            worker.ask(operation, 1)
            rows[name][f"first_{operation}"] = round(first, 2)
        for _ in range(rounds):
            for name, worker in workers.items():
                answer = worker.ask(operation, calls)
                rows[name]["rounds"][operation].append(
                    round(statistics.median(answer["seconds"]), 5)
                )
                if operation == "train":
                    rows[name]["peak_mib"] = round(answer["peak_mib"])
    return list(rows.values())


def medians(row):
    """Seconds of a contender's operations."""
    return {name: statistics.median(of) for name, of in row["rounds"].items()}


def ratios(rows):
    """Times of each variant of the peer over ours, our memory over its.

    Args:
        rows: list of what `measure()` returned.
    """
    rows = {row["contender"]: row for row in rows}
    return [
        {
            "backend": backend,
            "peer": variant,
            **{
                operation: round(
                    statistics.median(
                        theirs / ours
                        for theirs, ours in zip(
                            rows[variant]["rounds"][operation],
                            rows[backend]["rounds"][operation],
                            strict=True,
                        )
                    ),
                    2,
                )
                for operation in OPERATIONS
            },
            "memory": round(
                rows[backend]["peak_mib"] / rows[variant]["peak_mib"], 2
            ),
        }
        for backend in BACKENDS
        for variant in VARIANTS
    ]


def seconds_table(rows):
    lines = [
        "| | parameters | train, s | forward, s | logits, s | generate, s "
        "| first step, s | peak, MiB | imported, MiB |",
        "|---|" + 8 * "---:|",
    ]
    for row in rows:
        seconds = medians(row)
        cells = (
            row["contender"],
            f"{row['parameters'] / 1e6:.1f}M",
            *(f"{seconds[operation]:.3f}" for operation in OPERATIONS),
            f"{row['first_train']:.1f}",
            f"{row['peak_mib']}",
            f"{row['imported_mib']}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def ratio_table(ratios):
    lines = [
        "| ours on | peer | train, peer/ours | forward, peer/ours "
        "| logits, peer/ours | generate, peer/ours | memory, ours/peer |",
        "|---|---|" + 5 * "---:|",
    ]
    for row in ratios:
        cells = (
            row["backend"],
            row["peer"],
            *(f"{row[key]:.2f}" for key in (*OPERATIONS, "memory")),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--peer-python",
        default="build/peer/bin/python",
        help="the Python of an environment with mirasol-pytorch",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="write nothing")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.worker:
        serve_ours(json.loads(settings.worker))
        return
    if not Path(settings.peer_python).is_file():
        parser.error(
            "--peer-python must be the Python of an environment with "
            f"mirasol-pytorch. There is none at {settings.peer_python}. To "
            f"make it:\n{SET_UP}"
        )
    sizes, rounds, calls = SIZES, settings.rounds, CALLS
    if settings.quick:
        sizes, rounds, calls = QUICK_SIZES, 1, 1

    with contextlib.ExitStack() as stack:
        workers = start_workers(settings.peer_python, sizes, stack)
        rows = measure(workers, rounds, calls)
        peer_versions = workers["equal"].ask("about")["versions"]
    print(seconds_table(rows))
    print()
    print(ratio_table(ratios(rows)))
    if settings.quick:
        print("No result is written: this was not all of it.")
        return
    write_result(
        "peer",
        {
            "command": "python benchmarks/peer.py",
            "sizes": sizes,
            "rounds": rounds,
            "calls": calls,
            "rows": [{**row, "seconds": medians(row)} for row in rows],
            "ratios": ratios(rows),
            "versions": versions(*BACKENDS),
            "peer_versions": peer_versions,
        },
    )


if __name__ == "__main__":
    main()
