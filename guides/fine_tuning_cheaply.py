"""
Title: Fine-tuning cheaply: LoRA, freezing by part, int8
Author: The keras_mirasol developers
Date created: 2026/11/26
Last modified: 2026/11/26
Description: Teach a trained model something new by 2 % of its weights, then round them all to a byte.
Accelerator: None
"""  # noqa: E501

"""
Fine-tuning all weights of a model takes, beside the weights, their gradients
and two moments of the optimizer: four times the memory of the model itself. A
model that is already good needs less. This guide teaches `mirasol_tiny` the
same new kind of question in four ways, and compares them: all weights, the
latent model and the text decoder alone, and low-rank updates (LoRA) of the text
decoder or of all attention. Then it rounds the weights to 8 bits.

You need `pip install -e '.[jax,guides]' -c constraints.txt` in a clone of the
repository. All of it takes about ten minutes on two CPU cores.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "tensorflow" or "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
FAST = os.environ.get("FAST_GUIDES") == "1"  # a quick look: few steps

import json
import math
import time
from pathlib import Path

import keras
import numpy as np

import keras_mirasol
from keras_mirasol import visualization
from keras_mirasol.data import sounding_shapes

build = Path("build/fine_tuning_cheaply")
build.mkdir(parents=True, exist_ok=True)

"""
## What is new to the model

*Relay* questions lead from one modality to the other and to the moment before
or after: "what colour is on screen right after the bell is heard?". The model
has met their words, but never such a question. Questions of the kinds that it
knows are mixed in, so that it does not forget them: each way of fine-tuning is
judged by what it learns *and* by what is left of the rest.
"""

train = sounding_shapes.write_corpus(
    build / "train",
    16 if FAST else 256,
    seed=2026,
    kinds=["relay", *sounding_shapes.KINDS],
    questions_per_kind=12,
)
relay_test = sounding_shapes.write_corpus(
    build / "relay_test",
    8 if FAST else 64,
    seed=2025,
    kinds=["relay"],
    questions_per_kind=8,
)
known_test = sounding_shapes.write_corpus(
    build / "known_test", 8 if FAST else 64, seed=2024, questions_per_kind=2
)
for name, manifest in (("relay", relay_test), ("known", known_test)):
    lines = keras_mirasol.data.read_manifest(manifest)
    print(f"{name}: {len(lines)} questions about held-out clips, such as")
    print(f"    {lines[0]['prompt']} -> {lines[0]['response']}")

"""
The model is loaded without the heads that predict the next snippet: they are
for learning to see and hear, and none of this needs it.
"""


def load():
    return keras_mirasol.models.MirasolCausalLM.from_preset(
        "mirasol_tiny",
        latent_weight=0.0,
        frame_weight=0.0,
        spectrogram_weight=0.0,
    )


def count(weights):
    return sum(math.prod(weight.shape) for weight in weights)


def exact_match(task, manifest):
    lines = keras_mirasol.evaluation.answer_manifest(task, manifest)
    return keras_mirasol.evaluation.share_by(lines)


task = load()
before = {
    "relay": exact_match(task, relay_test),
    "known": exact_match(task, known_test),
}
num_weights = count(task.weights)
print(f"{num_weights:,} weights; exact match before: {before}")

"""
## Four ways

- **All weights.** What everything else is measured by.
- **Frozen parts.** `trainable = False` on what should stay: here the encoders
  and the Combiner, so that what is seen and heard stays as it is, and the
  backward pass ends at the joint tokens. The cheapest change, by one line.
- **LoRA** adds to a frozen kernel `W` the product `A B` of two thin matrices,
  and trains these alone. `backbone.enable_lora(rank)` does so for queries and
  values of all attention; with `target_layer_names` for others.
- **LoRA in one part.** What is new here is how to answer, not what to see:
  updates of all matrices of the text decoder, of a lower rank, spare the
  backward pass through everything below.

Each gets the same steps on the same batches. LoRA wants a learning rate ten
times as large as full fine-tuning: its matrices start at zero.

Keras leaves the bias of a layer with LoRA trainable, but saves the two
matrices alone. Freeze the biases, and the small file is the whole update.
"""

DECODER_MATRICES = [
    "query",
    "key",
    "value",
    "output",
    "mlp_hidden",
    "mlp_output",
]


def all_weights(task):
    return 1e-3


def frozen_parts(task):
    for part in ("video_encoder", "audio_encoder", "combiner"):
        getattr(task.backbone, part).trainable = False
    return 1e-3


def lora(task):
    task.backbone.enable_lora(rank=4)
    for weight in task.trainable_weights:
        if weight.name == "bias":
            weight.trainable = False
    return 1e-2


def lora_of_the_decoder(task):
    task.backbone.enable_lora(rank=3, target_layer_names=DECODER_MATRICES)
    for weight in task.trainable_weights:
        in_decoder = weight.path.startswith("text_decoder/")
        if weight.name == "bias" or not in_decoder:
            weight.trainable = False
    return 1e-2


WAYS = {
    "all weights": all_weights,
    "frozen parts": frozen_parts,
    "LoRA": lora,
    "LoRA, decoder": lora_of_the_decoder,
}
if FAST:
    del WAYS["frozen parts"], WAYS["LoRA"]

"""
## Train each

Time is that of a step, the median after compiling. What the optimizer holds
beside the model is a gradient and two moments for each weight that is trained.
"""


class StepTimes(keras.callbacks.Callback):
    """When each step ended."""

    def on_train_begin(self, logs=None):
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())


def fine_tune(choose_weights):
    keras.utils.set_random_seed(0)
    task = load()
    learning_rate = choose_weights(task)
    dataset = keras_mirasol.data.clip_dataset(
        train,
        task.preprocessor,
        batch_size=16,
        texts_per_clip=12,
        shuffle=True,
        seed=0,
        cache=True,
        drop_remainder=True,
        modality_dropout={"audio": 0.2, "video": 0.05},
    )
    epochs = 1 if FAST else 3
    task.compile(learning_rate=learning_rate, steps=epochs * len(dataset))
    times = StepTimes()
    task.fit(dataset, epochs=epochs, verbose=0, callbacks=[times])
    trained = count(task.trainable_weights)
    return task, {
        "trained": trained,
        "share": trained / num_weights,
        "optimizer_mib": 3 * 4 * trained / 2**20,
        "step_seconds": float(np.median(np.diff(times.ends))),
        "relay": exact_match(task, relay_test),
        "known": exact_match(task, known_test),
    }


tasks, results = {}, {}
print(
    f"{'':<16}{'trained':>10}{'share':>8}{'optimizer':>12}{'step':>9}"
    f"{'relay':>8}{'known':>8}"
)
for name, choose_weights in WAYS.items():
    tasks[name], found = fine_tune(choose_weights)
    results[name] = found
    print(
        f"{name:<16}{found['trained']:>10,}{found['share']:>8.2%}"
        f"{found['optimizer_mib']:>8.2f} MiB{found['step_seconds']:>7.2f} s"
        f"{found['relay']:>8.3f}{found['known']:>8.3f}",
        flush=True,
    )

figure = visualization.Picture(3.2)
left, right = figure.subplots(1, 2)
colours = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")
for (name, found), colour in zip(results.items(), colours, strict=False):
    left.semilogx(
        found["trained"], found["relay"], "o", color=colour, label=name
    )
    right.barh(
        name,
        found["step_seconds"] / results["all weights"]["step_seconds"],
        color=colour,
    )
left.axhline(before["relay"], color="#999999", linestyle="--", label="before")
left.set(
    xlabel="weights that are trained",
    ylabel="exact match, relay",
    ylim=(0, 1.03),
)
left.legend(fontsize=8, loc="center left")
right.set(xlabel="time of a step, to that of all weights")
right.invert_yaxis()
figure.savefig(build / "ways.png")
figure

"""
## What is saved

`save_lora_weights` writes the two matrices of each layer: a new skill in a
twelfth of the model's size, most of it zeros of the layers outside the decoder,
which were enabled and not trained. A fresh model of the same preset takes it,
once LoRA is enabled for the same layers. `save_to_preset` adds `A B` to `W`
instead, and makes a model like any other, which needs to know nothing of LoRA.
"""

tuned = tasks["LoRA, decoder"]
tuned.backbone.save_lora_weights(str(build / "relay.lora.h5"))
again = load()
lora_of_the_decoder(again)
again.backbone.load_lora_weights(str(build / "relay.lora.h5"))

tuned.save_to_preset(str(build / "tuned"))
merged = keras_mirasol.models.MirasolCausalLM.from_preset(build / "tuned")

line = keras_mirasol.data.read_manifest(relay_test)[0]
clip = keras_mirasol.data.load_clip(
    line["media"], **tuned.preprocessor.clip_settings
)
question = {**clip, "prompts": line["prompt"]}
answers = [model.generate(question) for model in (tuned, again, merged)]
print(line["prompt"], "->", answers, "truth:", line["response"])
assert len(set(answers)) == 1


def kilobytes(*paths):
    return sum(path.stat().st_size for path in paths) / 1000


sizes = {
    "update": kilobytes(build / "relay.lora.h5"),
    "model": kilobytes(*(build / "tuned").glob("*.weights.h5")),
}
print(f"the update: {sizes['update']:.0f} kB")
print(f"the whole model: {sizes['model']:.0f} kB")

"""
## Weights of a byte

`quantize("int8")` rounds each column of each matrix to 255 levels, with a scale
of its own; tokens are rounded alike as they come. It needs no data and no
training. What is compared below is the model that was just saved, before and
after, on both sets of questions.
"""

exact = {
    "relay": exact_match(merged, relay_test),
    "known": exact_match(merged, known_test),
}
merged.quantize("int8")
rounded = {
    "relay": exact_match(merged, relay_test),
    "known": exact_match(merged, known_test),
}
merged.save_to_preset(str(build / "int8"))
sizes["int8"] = kilobytes(*(build / "int8").glob("*.weights.h5"))
kernels = [w for w in merged.weights if w.name in ("kernel", "embeddings")]
in_int8 = count(w for w in kernels if w.dtype == "int8") / count(kernels)
for name in exact:
    print(f"{name}: {exact[name]:.4f} in float32, {rounded[name]:.4f} in int8")
print(f"{in_int8:.1%} of matrices are int8")
print(f"on disk: {sizes['int8']:.0f} kB instead of {sizes['model']:.0f} kB")

"""
Saved, it stays as it is: every backend loads it, and answers alike.

Does it answer faster? Not on a CPU: products of whole numbers, and the rounding
of tokens before them, cost about what is gained. Memory is what is saved.
"""

loaded = keras_mirasol.models.MirasolCausalLM.from_preset(build / "int8")
assert loaded.generate(question) == merged.generate(question)


def answer_seconds(model, rounds=2 if FAST else 10):
    times = []
    for _ in range(rounds + 1):  # the first one compiles
        began = time.perf_counter()
        model.generate(question)
        times.append(time.perf_counter() - began)
    return float(np.median(times[1:]))


seconds = {"float32": answer_seconds(tuned), "int8": answer_seconds(loaded)}
print(
    {
        name: f"{1000 * value:.1f} ms an answer"
        for name, value in seconds.items()
    }
)

"""
## What to choose

- Memory for training is short: LoRA, or frozen parts.
- A new kind of question or other words, of things that it sees and hears
  already: LoRA of the text decoder.
- Other pictures and other sounds: the encoders must learn, too; all weights, or
  LoRA everywhere.
- Memory for answering is short: int8, after fine-tuning. Measure what it costs
  on your own questions, as above.
- LoRA falls short: first a larger learning rate and more steps, then a higher
  rank, then more matrices.
"""

report = {
    "backend": keras.backend.backend(),
    "fast": FAST,
    "before": before,
    "ways": results,
    "kilobytes": sizes,
    "float32": exact,
    "int8": rounded,
    "share_of_matrices_in_int8": in_int8,
    "answer_seconds": seconds,
}
Path("build/fine_tuning_cheaply.json").write_text(json.dumps(report, indent=1))
print("wrote build/fine_tuning_cheaply.json and the pictures in", build)
