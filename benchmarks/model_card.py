"""How large and how costly are the presets?

    python benchmarks/model_card.py

Counts the parameters of each part of every preset, the tokens of a snippet
and the floating-point operations for a second of video, all from shapes: no
weights are allocated. Prints the table, writes
`benchmarks/results/model_card.json`, puts the table into the README and writes
the model cards in the folders of presets, with other results that are recorded
(`benchmarks/preset_cards.py`).

Operations are those of matrix products, two for each multiplication and
addition; what else there is (norms, activations, softmax) adds a few percent.
Latents attend to all that came before, so that a second costs more the longer
a clip is: it is taken as the mean over a clip of 128 frames. What a text costs
depends on its length and is not in it.
"""

import argparse
import json
import math
import re
from pathlib import Path

import keras
from preset_cards import write_cards

from keras_mirasol.layers import TransformerCombiner
from keras_mirasol.layers.tube_embedding import tube_grids
from keras_mirasol.models import MirasolBackbone
from keras_mirasol.models import MirasolCausalLM

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "model_card.json"
README = ROOT / "README.md"
MARKERS = (
    "<!-- sizes: written by benchmarks/model_card.py -->\n",
    "<!-- end of sizes -->",
)
FRAMES = 128
PARTS = {
    "video encoder": ("video_encoder",),
    "audio encoder": ("audio_encoder",),
    "Combiner": ("combiner",),
    "latent model": ("snippet_transformer",),
    "text decoder": ("token_embedding", "text_decoder"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print the counts as JSON, and write nothing",
    )
    settings = parser.parse_args()
    presets = MirasolBackbone.presets
    counts = {
        name: {"has_weights": presets[name]["has_weights"], **count(name)}
        for name in presets
    }
    report = {
        "command": "python benchmarks/model_card.py",
        "frames_of_the_clip": FRAMES,
        "presets": dict(
            sorted(counts.items(), key=lambda item: item[1]["parameters"])
        ),
    }
    if settings.dry_run:
        print(json.dumps(report))
        return
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(report, indent=1) + "\n")
    README.write_text(with_table(README.read_text(), table(report)))
    write_cards(report)
    print(table(report))


def count(preset):
    """All counts of a preset."""
    # The scope puts off the values of weights: until for ever, here.
    with keras.StatelessScope(initialize_variables=False):
        task = MirasolCausalLM.from_preset(
            preset, load_weights=False, compile=False
        )
    backbone = task.backbone
    num_snippets = FRAMES // backbone.frames_per_snippet
    flops = clip_flops(backbone, num_snippets)
    seconds = num_snippets * backbone.snippet_seconds
    return {
        "parameters": backbone.count_params(),
        "parameters_with_training_heads": task.count_params(),
        "parameters_by_part": {
            part: sum(getattr(backbone, name).count_params() for name in names)
            for part, names in PARTS.items()
        },
        "snippet_seconds": backbone.snippet_seconds,
        "tokens_per_snippet": tokens_per_snippet(backbone),
        "flops_per_second": round(sum(flops.values()) / seconds),
        "flops_per_second_by_part": {
            part: round(value / seconds) for part, value in flops.items()
        },
    }


def tokens_per_snippet(backbone):
    video, audio = video_and_audio_tokens(backbone)
    return {"video": video, "audio": audio, "joint": backbone.num_joint_tokens}


def video_and_audio_tokens(backbone):
    frames = (None, *backbone.input["pixel_values"].shape[1:])
    audio_frames = (None, *backbone.input["audio_features"].shape[1:])
    return (
        backbone.video_encoder.compute_output_shape(frames)[2],
        backbone.audio_encoder.compute_output_shape(audio_frames)[2],
    )


def clip_flops(backbone, num_snippets):
    """Operations for a clip, by part."""
    video, audio = video_and_audio_tokens(backbone)
    joint = backbone.num_joint_tokens
    encoder, combiner = backbone.video_encoder, backbone.combiner
    if not isinstance(combiner, TransformerCombiner):
        raise ValueError(
            "Only the operations of a `TransformerCombiner` are known. "
            f"Received: {combiner}. Say how many its products take."
        )
    patch = backbone.audio_encoder.embedding.patch_size
    combined = (
        product(video, encoder.dim, combiner.dim)
        + product(audio, backbone.audio_encoder.dim, combiner.dim)
        + transformer_flops(
            combiner.transformer, video + audio + joint, kept=joint
        )
    )
    return {
        "video encoder": num_snippets
        * (
            embedding_flops(backbone)
            + transformer_flops(encoder.transformer, video)
        ),
        "audio encoder": num_snippets
        * (
            product(audio, math.prod(patch), backbone.audio_encoder.dim)
            + transformer_flops(backbone.audio_encoder.transformer, audio)
        ),
        "Combiner": num_snippets * combined,
        "latent model": transformer_flops(
            backbone.snippet_transformer.transformer, num_snippets * joint
        ),
    }


def embedding_flops(backbone):
    """Operations of the stem and the tubes, for a snippet."""
    encoder = backbone.video_encoder
    frames = encoder.span
    height, width = backbone.image_size
    channels, flops = 3, 0
    for filters in encoder.stem_filters:
        height, width = height // 2, width // 2
        flops += product(frames * height * width, 9 * channels, filters)
        channels = filters
    tubes = encoder.embedding.tubes
    grids = tube_grids(tubes, (frames, height, width))
    for tube, grid in zip(tubes, grids, strict=True):
        voxels = math.prod(tube["kernel"]) * channels
        flops += product(math.prod(grid), voxels, encoder.dim)
    return flops


def transformer_flops(transformer, length, kept=None):
    """Operations of blocks of self attention and MLP over `length` tokens.

    The last block transforms `kept` of them, if not all.
    """
    dim, mlp_dim = transformer.dim, transformer.mlp_dim

    def block(rows):
        keys_and_values = 2 * product(length, dim, dim)
        queries_and_outputs = 2 * product(rows, dim, dim)
        attention = 2 * product(rows, dim, length)
        mlp = 2 * product(rows, dim, mlp_dim)
        return keys_and_values + queries_and_outputs + attention + mlp

    last = block(length if kept is None else kept)
    return (transformer.num_layers - 1) * block(length) + last


def product(rows, inner, columns):
    """Operations of a matrix product."""
    return 2 * rows * inner * columns


def table(report):
    """The README's table, in Markdown."""
    lines = [
        [
            "preset",
            "weights",
            "parameters",
            *PARTS,
            "tokens per snippet",
            "FLOPs per second",
        ]
    ]
    lines.append(["---"] * len(lines[0]))
    for name, preset in report["presets"].items():
        tokens = preset["tokens_per_snippet"]
        lines.append(
            [
                f"`{name}`",
                "yes" if preset["has_weights"] else "no",
                three_digits(preset["parameters"], "KMB"),
                *(
                    three_digits(number, "KMB")
                    for number in preset["parameters_by_part"].values()
                ),
                f"{tokens['video']} + {tokens['audio']} → {tokens['joint']}",
                three_digits(preset["flops_per_second"], "KMGT"),
            ]
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def three_digits(number, units):
    """A number of at least 1,000 in the greatest unit: 3.01B, 632M."""
    number = float(f"{number:.3g}")
    power = min(int(math.log10(number)) // 3, len(units))
    digits = f"{number / 1000**power:#.3g}".rstrip(".")
    return digits + units[power - 1]


def with_table(text, table):
    """A text with what stands between the markers replaced."""
    start, end = map(re.escape, MARKERS)
    pattern = re.compile(f"({start}).*?({end})", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(
            f"The README must have the markers {MARKERS[0].strip()} and "
            f"{MARKERS[1]} once."
        )
    return pattern.sub(lambda match: match[1] + table + match[2], text)


if __name__ == "__main__":
    main()
