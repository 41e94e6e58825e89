"""
Title: Start from pretrained parts
Author: The keras_mirasol developers
Date created: 2026/11/27
Last modified: 2026/11/27
Description: Eyes, ears and language from KerasHub, and the Combiner between.
Accelerator: None
"""

"""
The paper's model learned to see, to hear and to write from millions of clips.
With a few thousand, let others have done that: KerasHub has models of images,
videos, sounds and texts, and `from_pretrained_parts` makes a Mirasol of them.
What it adds between them, the Combiner, the snippet Transformer and gates
through which text reads clips, is all that has to be learned at first.

```python
task = keras_mirasol.models.MirasolCausalLM.from_pretrained_parts(
    video="dinov2_small", audio="whisper_tiny_en", text="gpt2_base_en"
)
```

That line downloads three presets. So that this guide runs without, and in
minutes on two cores, small models of the same classes stand in for them: eyes
and ears with *random* weights, which shows what the Combiner can make even of
those, and a GPT-2 that learns the language of the questions below. With
`DOWNLOAD_PRESETS=1` all of it runs with the real ones; for these you want a
GPU.
"""

import json
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "tensorflow" or "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_hub
import numpy as np

import keras_mirasol
from keras_mirasol import visualization
from keras_mirasol.data import sounding_shapes

FAST = os.environ.get("FAST_GUIDES") == "1"  # a quick look
DOWNLOAD = os.environ.get("DOWNLOAD_PRESETS") == "1"
build = Path("build/pretrained_parts")
build.mkdir(parents=True, exist_ok=True)
keras.utils.set_random_seed(0)
report = {"backend": keras.backend.backend(), "fast": FAST}
print(f"keras_mirasol {keras_mirasol.__version__} on {report['backend']}")

"""
## Clips and questions

The corpus is generated: in each half second of a clip a shape is on screen
while a sound is heard. *fused* questions need both, *moment* lines are about
one half second alone. Yours is a manifest of the same form, as in the guide
*Your own videos*.
"""

KINDS = ("seen", "heard", "fused")
lines = {}
for seed, (name, count) in enumerate(
    {"train": 24 if FAST else 600, "test": 8 if FAST else 100}.items()
):
    manifest = sounding_shapes.write_corpus(
        build / name,
        count,
        seed=seed,
        kinds=(*KINDS, "moment"),
        questions_per_kind=None,
    )
    lines[name] = keras_mirasol.data.read_manifest(manifest)
moments, whole = (
    {
        name: [line for line in of if (line["kind"] == "moment") == is_moment]
        for name, of in lines.items()
    }
    for is_moment in (True, False)
)
print({name: len(of) for name, of in lines.items()}, "lines")

"""
## Parts

A part is the name of a preset, a folder with one, or a pair of a backbone and
what belongs to it: the image converter, the audio converter or the tokenizer.
Pairs are for models that you have trained or changed yourself, as here. The
converters matter as much as the weights: a model is right about frames that
are scaled as those it was trained on.
"""

DIM = 96


def small_eyes():
    return (
        keras_hub.models.ViTBackbone(
            image_shape=(32, 32, 3),
            patch_size=(8, 8),
            num_layers=2,
            num_heads=4,
            hidden_dim=DIM,
            mlp_dim=2 * DIM,
        ),
        keras_hub.layers.ImageConverter(
            (32, 32), scale=1 / 60, offset=-1.0, crop_to_aspect_ratio=False
        ),
    )


def small_ears():
    return (
        keras_hub.models.WhisperBackbone(
            vocabulary_size=8,
            num_layers=2,
            num_heads=4,
            hidden_dim=DIM,
            intermediate_dim=2 * DIM,
        ),
        keras_hub.layers.WhisperAudioConverter(),
    )


def small_language(texts):
    """An untrained GPT-2 whose tokens are the words of some texts."""
    words = keras_mirasol.models.MirasolTokenizer.train(texts, 512)
    tokens = [*words.get_vocabulary(), "<|endoftext|>"]
    tokenizer = keras_hub.tokenizers.GPT2Tokenizer(
        vocabulary={token: index for index, token in enumerate(tokens)},
        merges=words.merges,
    )
    return (
        keras_hub.models.GPT2Backbone(
            vocabulary_size=len(tokens),
            num_layers=3,
            num_heads=4,
            hidden_dim=DIM,
            intermediate_dim=4 * DIM,
            max_sequence_length=64,
            dropout=0.0,
        ),
        tokenizer,
    )


"""
GPT-2 knows English from the start. The one here learns how questions of the
corpus are put and answered, from their texts alone: it has seen no clip.
"""


def trained_on(texts, backbone, tokenizer):
    """The pair, after some epochs of KerasHub's own training."""
    language = keras_hub.models.GPT2CausalLM(
        backbone,
        keras_hub.models.GPT2CausalLMPreprocessor(
            tokenizer, sequence_length=32
        ),
    )
    language.compile(
        keras.optimizers.AdamW(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        weighted_metrics=[],
    )
    language.fit(texts, batch_size=128, epochs=2, verbose=2)
    return backbone, tokenizer


if DOWNLOAD:
    parts = {
        "video": "dinov2_small",
        "audio": "whisper_tiny_en",
        "text": "gpt2_base_en",
    }
else:
    # As the task will put them: a line break between prompt and response.
    texts = [f"{line['prompt']}\n{line['response']}" for line in lines["train"]]
    np.random.default_rng(0).shuffle(texts)
    parts = {
        "video": small_eyes(),
        "audio": small_ears(),
        "text": trained_on(texts, *small_language(texts)),
    }

"""
## One call

A snippet is half a second, the shortest event of these clips. Of its frames a
model of images sees each by itself; `PretrainedVideoEncoder` averages them
over the snippet, token by token. `video_settings={"pooling": None}` keeps the
tokens of all frames instead, and `"attention"` learns how to sum them up. The
Combiner makes one joint token of a snippet, which what is seen and what is
heard must share: that binds them, and of a clip as short it is enough. The
report lists both sides: what is taken, what is new and trained, and which
layers of the models are left behind, as nothing here asks them for anything.
"""

task = keras_mirasol.models.MirasolCausalLM.from_pretrained_parts(
    **parts,
    snippet_seconds=0.5,
    frames_per_snippet=2,
    image_size=224 if DOWNLOAD else None,
    num_joint_tokens=1,
    hidden_dim=384 if DOWNLOAD else DIM,
    num_heads=4,
    combiner_num_layers=1,
    latent_num_layers=1,
    sequence_length=32,
    # The text loss alone.
    task_settings=dict(
        latent_weight=0.0, frame_weight=0.0, spectrogram_weight=0.0
    ),
)
print(task.backbone.parts_report)

"""
## Before training

The task now writes what the language model writes, whatever the clip: gates are
closed until they are trained. So its answer is one guess for all clips.
"""

examples = {
    line["media"]: line for line in whole["test"] if line["kind"] == "fused"
}
examples = list(examples.values())[:6]
clips = [
    keras_mirasol.data.load_clip(
        line["media"], **task.preprocessor.clip_settings
    )
    for line in examples
]
prompt = "what colour is on screen while the bell is heard?"
guesses = task.generate([{**clip, "prompts": prompt} for clip in clips])
print(guesses)
report["same_guess"] = len(set(guesses)) == 1

"""
## Train what is new

Only the Combiner, the snippet Transformer and the gates are trained; eyes, ears
and language stay as they are. They have no gradients, so a step is cheaper, and
the optimizer holds little. A learning rate of 1e-3 suits new weights of this
size, a few times less those of large models.

As in the guide *Your own videos*, moments of one event come first: there is
nothing to search for in them.
"""


def exact_match(lines, without=None):
    answered = keras_mirasol.evaluation.answer_manifest(
        task, lines, without=without
    )
    return keras_mirasol.evaluation.share_by(answered, "kind")


class Watch(keras.callbacks.Callback):
    """Prints the text loss of each epoch, and how long it took."""

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.begun
        print(f"epoch {epoch + 1}: {logs['text_loss']:.3f}, {seconds:.0f} s")


def train(lines, epochs, batch_size, texts_per_clip, learning_rate=1e-3):
    dataset = keras_mirasol.data.clip_dataset(
        lines,
        task.preprocessor,
        batch_size=batch_size,
        texts_per_clip=texts_per_clip,
        shuffle=True,
        seed=0,
        cache=True,
        drop_remainder=True,
    )
    task.compile(learning_rate=learning_rate, steps=epochs * len(dataset))
    return task.fit(
        dataset, epochs=epochs, verbose=0, callbacks=[Watch()]
    ).history


def num_trained():
    return sum(int(np.prod(w.shape)) for w in task.trainable_weights)


print(f"{num_trained():,} of {task.count_params():,} numbers are trained")
train(moments["train"], 1 if FAST else 10, 32, 4)
report["moments"] = exact_match(moments["test"])
print(report["moments"])

"""
Then whole clips, with all questions about each. *fused* ones name a moment by
its sound and ask for its picture, or the other way round. What is in a half
second the Combiner knows by now, and stays as it is; when it was, and which of
all is asked for, is up to the snippet Transformer and the text decoder. The
latter takes attention from an answer back to the word that it hangs on. GPT-2
has such. The stand-in, which could guess without, has not, and is trained from
here on.
"""

task.backbone.combiner.trainable = False
task.backbone.text_decoder.frozen = DOWNLOAD
print(f"{num_trained():,} of {task.count_params():,} numbers are trained")
history = train(whole["train"], 1 if FAST else 12, 8, 14, learning_rate=2e-3)

"""
## Does it use both?

Without audio or without video, an answer to *fused* can be no better than one
of the four things that are still perceived, in half of the questions, and a
mere guess in the others.
"""

report["by_kind"] = {
    "both": exact_match(whole["test"]),
    "without audio": exact_match(whole["test"], without="audio"),
    "without video": exact_match(whole["test"], without="video"),
}
report["best_without"] = {
    "audio": sounding_shapes.BEST_WITHOUT_AUDIO["fused"],
    "video": sounding_shapes.BEST_WITHOUT_VIDEO["fused"],
}
print(f"{'kind':<8}" + "".join(f"{name:>16}" for name in report["by_kind"]))
for kind in KINDS:
    shares = (f"{of[kind]:>16.3f}" for of in report["by_kind"].values())
    print(f"{kind:<8}" + "".join(shares))
print("fused, at best without:", report["best_without"])

figure = visualization.Picture(2.8)
axes = figure.subplots()
for place, (name, shares) in enumerate(report["by_kind"].items()):
    positions = np.arange(len(KINDS)) + (place - 1) * 0.27
    axes.bar(positions, [shares[kind] for kind in KINDS], 0.25, label=name)
axes.set_xticks(range(len(KINDS)), KINDS)
axes.set(ylabel="exact match", ylim=(0, 1))
axes.legend(loc="upper right")
figure.savefig(build / "by_kind.png")
figure

"""
What is *heard* first or last is known, and *fused* is right twice as often as
with either modality alone: it always says what is heard while a colour is on
screen. Which colour is on screen while something is heard, and what has to do
with shapes, are still guesses among the four of a clip. Forms of a question are
learned one after the other, as the guide *Your own videos* shows; this training
stops after the first.

## Then let the parts adapt

`enable_lora_of_parts` adds matrices of a low rank to the attention of eyes,
ears and language, beside which all that is new goes on learning. A lower
learning rate keeps what the parts know. What was frozen stays as it was to the
bit; the matrices are all that a fine-tuned model differs by.
"""

task.backbone.enable_lora_of_parts(rank=8)
print(f"{num_trained():,} of {task.count_params():,} numbers are trained")
train(whole["train"], 1 if FAST else 4, 8, 28, learning_rate=2e-4)
report["adapted"] = exact_match(whole["test"])
print({kind: round(share, 3) for kind, share in report["adapted"].items()})

"""
Where there is memory for all gradients, `task.backbone.video_encoder.frozen =
False` trains a part as a whole; `video_settings={"rematerialize": True}` then
computes its features again in the backward pass instead of keeping them.

## One preset

A saved task holds its parts. Loading it downloads nothing, and any backend
does.
"""

folder = build / "preset"
task.save_to_preset(str(folder))
again = keras_mirasol.models.MirasolCausalLM.from_preset(str(folder))
asked = [
    {**clip, "prompts": line["prompt"]}
    for clip, line in zip(clips, examples, strict=True)
]
answers = again.generate(asked)
report["same_answers"] = answers == task.generate(asked)
for line, answer in zip(examples, answers, strict=True):
    print(f"{line['prompt']:<58}{answer:<10}{line['response']}")
print({path.name: path.stat().st_size for path in sorted(folder.iterdir())})

"""
## Other ways

- **One part alone.** A part is a layer, and goes into any backbone:
  `MirasolBackbone(video_encoder=keras_mirasol.layers.PretrainedVideoEncoder(
  backbone, frames_per_snippet=4), ...)` has eyes of others, and ears and
  language of its own. `benchmarks/pretrained_parts.py` does so with a network
  that was trained on ImageNet.
- **Videos.** VideoPrism sees snippets instead of frames: give
  `frames_per_snippet` as many as its preset takes.
- **Tubes.** The paper makes tubes of the patches of an image model: a
  `TubeEmbedding` of any shape is filled from its kernel by
  `embedding.inflate(kernel, bias)`, and sees of a still what the model saw.
- **Speech.** Whisper and Moonshine hear each snippet by itself. Words that are
  longer than it fall apart: for speech, take snippets of two seconds or more.
- **Large models.** `dtype="bfloat16"` halves all of them, and
  `text_settings={"gate_every": 4}` reads the clip before every fourth block.
"""

Path("build/pretrained_parts.json").write_text(json.dumps(report, indent=1))
print("wrote build/pretrained_parts.json and the pictures in", build)
