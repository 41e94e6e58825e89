"""Writes the model card of each preset, its figures from recorded results.

`benchmarks/model_card.py` calls this when it has counted what presets are made
of. A card is `README.md` in the folder of its preset. Its first paragraph is
the description in `MirasolBackbone.presets`.
"""

import json
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
PRESETS = ROOT / "keras_mirasol" / "presets"
# From a preset's folder.
UP = "../../.."


def write_cards(report):
    """Writes the cards of all presets."""
    for name, text in cards(report).items():
        (PRESETS / name / "README.md").write_text(text, encoding="utf-8")


def cards(report):
    """The text of each card by its preset.

    Args:
        report: dict. What `benchmarks/model_card.py` counted.
    """
    return {
        name: "\n".join(
            [
                *front_matter(),
                f"# {name}\n",
                filled(description(name, counts)) + "\n",
                *sizes(name, counts),
                *loading(name, counts),
                *(trained() if counts["has_weights"] else untrained(name)),
                *LICENCE,
            ]
        )
        for name, counts in report["presets"].items()
    }


def front_matter():
    """What model hubs read."""
    return [
        "---",
        "library_name: keras-hub",
        "license: apache-2.0",
        "pipeline_tag: video-text-to-text",
        "---",
        "",
    ]


def description(name, counts):
    parameters = in_words(counts["parameters"])
    config = config_of(name)
    height, width = config["image_size"]
    tubes = "sparse tubes" if len(config["tubes"]) > 1 else "dense patches"
    seen = f"frames of {height}x{width} through {tubes}"
    if counts["has_weights"]:
        corpus = training_runs()[0]["settings"]
        return (
            f"Mirasol of {parameters} parameters that sees {seen}, trained on "
            f"{corpus['clips']:,} generated clips of two seconds, sounding "
            "shapes: it answers what is seen, what is heard, both at the same "
            "time, and in which order. It knows nothing of real videos."
        )
    size = ", the size of the paper's model," if name == "mirasol_3b" else ""
    return (
        f"Mirasol of {parameters} parameters{size} that sees {seen}. It has "
        "no weights: it is to be trained."
    )


def sizes(name, counts):
    config = config_of(name)
    seconds = config["snippet_seconds"]
    tokens = counts["tokens_per_snippet"]
    height, width = config["image_size"]
    rows = {
        "parameters": f"{counts['parameters']:,}",
        **{
            f"of the {part}": f"{number:,}"
            for part, number in counts["parameters_by_part"].items()
        },
        "with heads for training": (
            f"{counts['parameters_with_training_heads']:,}"
        ),
        "a snippet": (
            f"{seconds:g} s: {config['frames_per_snippet']} frames of "
            f"{height}x{width} and {config['audio_frames_per_snippet']} "
            f"spectrogram frames of {config['num_mels']} mel bins"
        ),
        "its tokens": (
            f"{tokens['video']} of video, {tokens['audio']} of audio, "
            f"{tokens['joint']} joint"
        ),
        "vocabulary": f"{config['vocabulary_size']:,} tokens",
        "operations": (
            f"{counts['flops_per_second'] / 1e9:,.3g} GFLOPs for a second of "
            "a clip"
        ),
    }
    return [
        "## Sizes\n",
        "| what | how much |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in rows.items()),
        "",
        *paragraph(
            "Counted by [`benchmarks/model_card.py`]"
            f"({UP}/benchmarks/model_card.py). Operations are those up to the "
            "snippet latents, as the mean over a clip of 128 frames."
        ),
    ]


def loading(name, counts):
    if counts["has_weights"]:
        code = f"""\
            import keras_mirasol

            task = keras_mirasol.models.MirasolCausalLM.from_preset("{name}")
            clip = keras_mirasol.data.load_clip(
                "clip.mp4", **task.preprocessor.clip_settings
            )
            task.generate({{**clip, "prompts": "what is heard first?"}})
        """
    else:
        code = f"""\
            import keras_mirasol

            task = keras_mirasol.models.MirasolCausalLM.from_preset(
                "{name}", load_weights=False
            )
        """
    return [
        "## How to load it\n",
        f"```python\n{textwrap.dedent(code).strip()}\n```\n",
    ]


def trained():
    """How `mirasol_tiny` was trained, and how well it answers."""
    run, *others = training_runs()
    settings, results = run["settings"], run["exact_match_on_256_clips"]
    measured = recorded("benchmarks/results/without_modality.json")
    shares = measured["by_kind"]
    best = measured["best_possible"]
    columns = {
        "both": shares["both"],
        "without audio": shares["without audio"],
        "best possible without audio": best["without audio"],
        "without video": shares["without video"],
        "best possible without video": best["without video"],
    }
    long = recorded("benchmarks/results/long_answers.json")
    ratios = {
        row["layout"]: row["exact_match"]
        for row in long["rows"]
        if row["mode"] == "whole" and row["layout"] != "2 seconds"
    }
    seeds = {json.dumps(r["exact_match_on_256_clips"]) for r in others}
    alike = (
        " A second training with another seed has the same shares."
        if seeds == {json.dumps(results)}
        else ""
    )
    return [
        "## How it was trained\n",
        *paragraph(
            f"By `{run['command']}`, with Keras {run['versions']['keras']} on "
            f"{run['versions']['backend'].upper()}, in "
            f"{run['seconds'] / 60:.0f} minutes on a machine with "
            f"{run['machine']}: {settings['moments_epochs']} epochs of "
            f"moments (single events, with all that is seen and heard "
            f"there), then {settings['clips_epochs']} of whole clips, of "
            f"{settings['clips']:,} clips. Settings and curves are in "
            "[`training/results/mirasol_tiny.json`]"
            f"({UP}/training/results/mirasol_tiny.json)."
        ),
        *paragraph(
            "All clips and texts come from "
            "`keras_mirasol.data.sounding_shapes`, style "
            f"`{settings['style']}`: nothing was recorded of anybody."
        ),
        "## How well it answers\n",
        *paragraph(
            f"Share of exactly right answers to {measured['questions']} "
            f"questions about {measured['clips']} held-out clips, by "
            f"`{measured['command']}` "
            f"([recorded]({UP}/benchmarks/results/without_modality.json)). "
            "*Best possible* is what could be right by guessing what is "
            "missing."
        ),
        f"| kind | {' | '.join(columns)} |",
        f"|---|{'---|' * len(columns)}",
        *(
            f"| `{kind}` | "
            + " | ".join(f"{column[kind]:.3f}" for column in columns.values())
            + " |"
            for kind in ("seen", "heard", "fused", "order")
        ),
        "",
        *paragraph(
            "On 256 held-out clips at the end of training: "
            + ", ".join(f"{kind} {v:.3f}" for kind, v in results.items())
            + f".{alike}"
        ),
        "## What it cannot do\n",
        *paragraph(
            "- **Real videos**: asked about your dog, it answers with a "
            "colour, a shape or a sound."
        ),
        *paragraph(
            "- **Longer clips**: of the same questions about the same scenes "
            f"in clips of {long['seconds']['long']} seconds it answers "
            f"{min(ratios.values()):.3f} to {max(ratios.values()):.3f}, as "
            "they are laid out ([recorded]"
            f"({UP}/benchmarks/results/long_answers.json))."
        ),
        *paragraph(
            "- **Other questions**: it has met those of "
            "`sounding_shapes` alone. For others, train it on them."
        ),
    ]


def untrained(name):
    forward = recorded("benchmarks/results/forward_3b.json")
    memory = (
        paragraph(
            f"A forward pass of {forward['pixel_values'][1]} frames with their "
            f"sound took {forward['peak_memory_gib']:.1f} GiB of memory in "
            f"{forward['dtype']}, by `{forward['command']}` ([recorded]"
            f"({UP}/benchmarks/results/forward_3b.json))."
        )
        if forward["preset"] == name
        else []
    )
    return [
        "## How to train it\n",
        *paragraph(
            "It was not trained: what it answers is noise. First train its "
            "tokenizer on your texts and adapt its converters to your clips; "
            f"the [README]({UP}/README.md#train-a-model-on-them) shows how. "
            "It has a tokenizer of bytes alone, and room for more tokens."
        ),
        *memory,
    ]


LICENCE = [
    "## Licence\n",
    *textwrap.wrap(
        "Apache 2.0. An independent implementation of the architecture of "
        '"Mirasol3B" (Piergiovanni et al., arXiv 2311.05698), with no ties '
        "to its authors.",
        80,
    ),
    "",
]


def training_runs():
    return recorded("training/results/mirasol_tiny.json")


def recorded(path):
    return json.loads((ROOT / path).read_text())


def config_of(name):
    return recorded(f"keras_mirasol/presets/{name}/config.json")["config"]


def in_words(number):
    """A large number in three digits: 3.01 billion."""
    for unit, word in ((1e9, "billion"), (1e6, "million")):
        if number >= unit:
            return f"{number / unit:#.3g}".rstrip(".") + f" {word}"
    return f"{number:,}"


def filled(text):
    indent = "  " if text.startswith("- ") else ""
    return textwrap.fill(
        text,
        80,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def paragraph(text):
    return [filled(text) + "\n"]
