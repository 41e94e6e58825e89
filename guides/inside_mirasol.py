"""
Title: Inside Mirasol
Author: The keras_mirasol developers
Date created: 2026/11/26
Last modified: 2026/11/26
Description: Snippets, tubes, both Combiners, latents and attention of a trained model, each drawn.
Accelerator: None
"""  # noqa: E501

"""
Mirasol3B joins two autoregressive models. One goes through what is seen and
heard, snippet by snippet; the other writes text. This guide follows a single
clip through `mirasol_tiny`, a trained model of a million parameters, and draws
what each part makes of it. Nothing here needs a GPU.

You need `pip install -e '.[jax,guides]' -c constraints.txt` in a clone of the
repository.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "tensorflow" or "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
FAST = os.environ.get("FAST_GUIDES") == "1"  # a quick look: trains less

import json
from pathlib import Path

import keras
import numpy as np
from matplotlib.patches import Rectangle

import keras_mirasol
from keras_mirasol import layers
from keras_mirasol import visualization
from keras_mirasol.data import sounding_shapes

keras.utils.set_random_seed(0)
build = Path("build/inside_mirasol")
build.mkdir(parents=True, exist_ok=True)

task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
backbone, preprocessor = task.backbone, task.preprocessor

"""
## Snippets

A clip is cut into snippets of equal duration. Each holds some frames and the
spectrogram frames of the *same* span of time: picture and sound of a moment
stay together from here on. The length of a snippet is the grain of all that
follows: what happens within it is fused, what happens across it is ordered.
"""

manifest = sounding_shapes.write_corpus(build / "corpus", 8, seed=2024)
lines = keras_mirasol.data.read_manifest(manifest)
line = next(line for line in lines if line["kind"] == "fused")
clip = keras_mirasol.data.load_clip(line["media"], **preprocessor.clip_settings)
print(line["prompt"], "->", line["response"])
print({key: value.shape for key, value in clip.items()})
print(
    f"{preprocessor.snippet_seconds} s a snippet: "
    f"{preprocessor.frames_per_snippet} frames at "
    f"{preprocessor.frame_rate:g} per second, "
    f"{preprocessor.audio_frames_per_snippet} spectrogram frames at "
    f"{preprocessor.audio_converter.audio_frame_rate:g}"
)

figure = visualization.plot_clip(clip, preprocessor, title=line["prompt"])
figure.savefig(build / "clip.png")
figure

"""
## What the model reads

The preprocessor makes four arrays of a clip. A *mask* says of each snippet
whether it has video, and whether it has audio. The number of snippets, 8 here,
may be any: no weight depends on it.
"""

x = preprocessor.generate_preprocess({**clip, "prompts": line["prompt"]})
x = {key: keras.ops.convert_to_numpy(value) for key, value in x.items()}
for key, value in x.items():
    print(f"{key:<15}{str(value.shape):<20}{value.dtype}")

"""
## Tubes

A video encoder sees a snippet as a few *tubes*: boxes in time, height and
width, each projected to one token. `mirasol_tiny` has a plain grid: after a
convolutional stem, which sees eight pixels as one, 16 tubes through both
frames. The larger presets have TubeViT's sparse tubes: four families of
different shapes, far apart. Together they cover what dense patches would, in
fewer tokens. Below, on a frame of 224x224, the four families for snippets of 8
frames; boxes of one place and other times lie on top of each other.
"""

tubes = layers.sparse_tubes(frames_per_snippet=8)
sparse = layers.TubeEmbedding(64, tubes)
tokens = sparse(np.zeros((1, 8, 224, 224, 3), "float32"))
print("tokens of a snippet of 8 frames:", tokens.shape[1])
print("dense patches of 16x16 would be:", 8 * (224 // 16) ** 2)


def corners(tube, size=224, frames=8):
    """Time, row and column where each tube of a family begins."""
    starts = [
        range(offset, extent - kernel + 1, stride)
        for offset, extent, kernel, stride in zip(
            tube["offset"],
            (frames, size, size),
            tube["kernel"],
            tube["stride"],
            strict=True,
        )
    ]
    return [
        (t, row, column)
        for t in starts[0]
        for row in starts[1]
        for column in starts[2]
    ]


figure = visualization.Picture(3.2)
for axes, tube in zip(figure.subplots(1, 4), tubes, strict=True):
    places = corners(tube)
    for _, row, column in places:
        axes.add_patch(
            Rectangle(
                (column, row),
                tube["kernel"][2],
                tube["kernel"][1],
                facecolor="#56B4E9",
                edgecolor="black",
                linewidth=0.3,
            )
        )
    frames, height, width = tube["kernel"]
    axes.set_title(
        f"{frames} frames of {height}x{width}\n{len(places)} tokens",
        fontsize=10,
    )
    axes.set(xlim=(0, 224), ylim=(224, 0), aspect="equal")
    axes.set(xticks=[0, 112, 224], yticks=[0, 112, 224])
figure.savefig(build / "tubes.png")
figure

"""
## Spectrogram patches

Sound comes as a log-mel spectrogram, adapted to have a mean of 0 and a
deviation of 1 over the training clips. A snippet of it is cut into patches in
time and frequency; each is a token. Here are the two seconds again, and one
snippet with the borders of its four patches.
"""

t = 6  # a snippet with something in it
audio_frames = preprocessor.audio_frames_per_snippet
patch_frames, patch_mels = backbone.audio_patch_size
snippet = x["audio_features"][0, t * audio_frames : (t + 1) * audio_frames]

figure = visualization.Picture(2.6)
whole, part = figure.subplots(1, 2, width_ratios=(4, 1))
scale = dict(origin="lower", aspect="auto", cmap="magma", vmin=-2, vmax=4)
whole.imshow(x["audio_features"][0].T, **scale)
whole.set(xlabel="spectrogram frame", ylabel="mel bin", title="the clip")
image = part.imshow(snippet.T, **scale)
for start in range(0, backbone.num_mels, patch_mels):
    part.add_patch(
        Rectangle(
            (-0.5, start - 0.5),
            patch_frames,
            patch_mels,
            fill=False,
            edgecolor="white",
            linewidth=2,
        )
    )
part.set(xlabel="frame", title=f"snippet {t}: four patches")
figure.colorbar(image, ax=part, label="log-mel, deviations")
figure.savefig(build / "spectrogram.png")
figure

"""
## The Combiner

A Combiner fuses the tokens of a snippet, 16 of video and 4 of audio here, into
few *joint tokens*: a single one. That is where hours become short. The
`TransformerCombiner` appends learned queries to the tokens, and keeps what
becomes of the queries.

`record_attention()` shows what any layer attends to, while the model is
called itself. Below, what the joint token of each snippet attends to in the
last block: on the frames as brightness, and in total. Heads share the work:
some look, some listen.
"""

with layers.record_attention() as record:
    outputs = task(x)
of_combiner = [path for path in record if path.startswith("combiner")]
print(*(f"{path}  {record[path][0].shape}" for path in of_combiner), sep="\n")

# Snippets are in the batch; one query; 16 + 4 + 1 tokens.
heads = record[of_combiner[-1]][0][:, :, -1]
for head, share in enumerate(heads[:, :, :16].sum(axis=-1).mean(axis=0)):
    print(f"head {head}: {share:.2f} of its attention goes to the picture")
scores = heads.mean(axis=1)
on_frames, on_sound = scores[:, :16].reshape(-1, 4, 4), scores[:, 16:20]

frames = preprocessor.video_converter.unscaled(clip["videos"])
frames = keras.ops.convert_to_numpy(frames)[::2] / 255
figure = visualization.Picture(3.4)
grid = figure.add_gridspec(2, 8, height_ratios=(1, 1))
for t, frame in enumerate(frames):
    axes = figure.add_subplot(grid[0, t])
    weights = np.kron(on_frames[t] / on_frames.max(), np.ones((8, 8)))
    axes.imshow(
        np.clip(frame + 0.25, 0, 1) * (0.25 + 0.75 * weights[..., None])
    )
    axes.set(xticks=[], yticks=[], title=f"snippet {t}")
axes = figure.add_subplot(grid[1, :])
shares = {"picture": on_frames.sum(axis=(1, 2)), "sound": on_sound.sum(axis=1)}
for place, (name, share) in enumerate(shares.items()):
    axes.bar(
        np.arange(8) + 0.4 * place - 0.2,
        share,
        width=0.38,
        label=name,
        color=("#0072B2", "#E69F00")[place],
    )
axes.set(xlabel="snippet", ylabel="attention", xlim=(-0.5, 7.5), ylim=(0, 1))
axes.legend()
figure.savefig(build / "combiner.png")
figure

"""
## Masks

A snippet may lack a modality. Its tokens are then never attended to, whatever
they hold. That is not the same as silence: a silent track is heard, and its
spectrogram is that of silence. Guessing masks from zeros would mix up the two.
"""

no_audio = np.zeros_like(x["audio_mask"])
noise = np.random.default_rng(0).normal(size=x["audio_features"].shape)
noise = noise.astype("float32")


def joint_tokens(**changes):
    return keras.ops.convert_to_numpy(task({**x, **changes})["joint_tokens"])


masked = joint_tokens(audio_mask=no_audio)
masked_noise = joint_tokens(audio_mask=no_audio, audio_features=noise)
silent = preprocessor.preprocess_clip(
    clip["videos"], np.zeros_like(clip["audio"])
)
silent = joint_tokens(
    audio_features=keras.ops.convert_to_numpy(silent["audio_features"])[None]
)
of_mask = np.abs(masked - masked_noise).max()
of_silence = np.abs(masked - silent).max()
print(f"masked, and masked with noise below: they differ by {of_mask:g}")
print(f"masked, and silent: they differ by {of_silence:.2f}")

"""
## Snippet latents

A Transformer that is causal from snippet to snippet turns joint tokens into
*snippet latents*. All joint tokens of a snippet see each other and the
snippets before, and no later one. So a stream can be answered about while it
plays, and the model can learn by predicting what comes next.

Change a snippet, and see which latents change: none before it, to the bit.
"""

latents = keras.ops.convert_to_numpy(backbone(x)["snippet_latents"])
changed = dict(x, pixel_values=x["pixel_values"].copy())
changed["pixel_values"][:, 8:10] = 0  # the frames of snippet 4
differences = np.abs(
    keras.ops.convert_to_numpy(backbone(changed)["snippet_latents"]) - latents
).max(axis=(0, 2, 3))
print("change of each snippet's latents:", np.round(differences, 3))

figure = visualization.Picture(3.0)
panels = figure.subplots(1, 3)
of_latents = [path for path in record if path.startswith("snippet_tr")]
for axes, path in zip(panels, of_latents, strict=False):
    image = axes.imshow(
        record[path][0][0].mean(axis=0), cmap="Blues", vmin=0, vmax=1
    )
    axes.set_title(
        f"attention, block {path.split('block_')[1][0]}", fontsize=10
    )
    axes.set(xlabel="attends to snippet", ylabel="snippet")
    figure.colorbar(image, ax=axes)
panels[2].bar(range(8), differences, color="#0072B2")
panels[2].set_title("frames of snippet 4 changed", fontsize=10)
panels[2].set(xlabel="snippet", ylabel="change of latents")
figure.savefig(build / "latents.png")
figure

"""
## Predicting the next snippet

From the latents of snippet t the model predicts the joint tokens of snippet
t + 1, and draws small frames and a small spectrogram of it. These objectives
need no labels. Nothing tells which shape comes next: where it changes, the
best drawing is a mean of all that may come, and where a shape stays, it is
drawn.
"""

small = keras.ops.convert_to_numpy(outputs["frames"])[0, :, 0]
converter = preprocessor.video_converter
small = np.clip(
    (small - np.float32(converter.offset)) / np.float32(converter.scale) / 255,
    0,
    1,
)
target = keras.ops.convert_to_numpy(outputs["joint_tokens"])[0, 1:]
predicted = keras.ops.convert_to_numpy(outputs["predicted_joint_tokens"])
predicted = predicted[0, :-1]


def cosine(a, b):
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return (a * b).sum(axis=-1) / norms


figure = visualization.Picture(3.0)
rows = figure.subplots(2, 7)
for t in range(7):
    rows[0, t].imshow(frames[t + 1])
    rows[1, t].imshow(small[t])
    rows[0, t].set_title(f"snippet {t + 1}", fontsize=10)
    likeness = cosine(target[t], predicted[t]).mean()
    rows[1, t].set_xlabel(f"cosine {likeness:.2f}", fontsize=9)
for axes in rows.flat:
    axes.set(xticks=[], yticks=[])
rows[0, 0].set_ylabel("came")
rows[1, 0].set_ylabel("was drawn")
figure.savefig(build / "next_snippet.png")
figure

"""
## The answer

The text decoder writes token by token and attends to the latents of all
snippets. `answer_evidence` asks two questions of it: where does it look, and
what does the answer gain by the picture, and by the sound, of each snippet?
The second one is found by masking halves of the clip at random. For a *fused*
question, both the sound that is asked for and the picture at that moment
should count, and the rest should not.
"""

evidence = keras_mirasol.evaluation.answer_evidence(task, clip, line["prompt"])
title = f"{line['prompt']}   {evidence['answer']}"
figure = visualization.plot_evidence(evidence, clip, preprocessor, title)
figure.savefig(build / "evidence.png")
figure

"""
## The other Combiner: a memory

A `TokenTuringCombiner` goes through snippets one after another, with a memory
of those before: it *reads* few tokens from memory and snippet, *processes*
them to joint tokens, and *writes* the memory anew. Joint tokens then know the
past themselves, and each snippet costs the same.

`mirasol_tiny` has the other Combiner. Here its encoders, its latent model and
its decoder are kept, and a memory of 16 tokens is trained in the Combiner's
place: the encoders stand still, all else learns along.
"""

memory_backbone = keras_mirasol.models.MirasolBackbone.from_preset(
    "mirasol_tiny",
    load_weights=False,
    combiner="token_turing",
    combiner_settings={"memory_size": 16},
)
for part in (
    "video_encoder",
    "audio_encoder",
    "snippet_transformer",
    "token_embedding",
    "text_decoder",
):
    trained, new = getattr(backbone, part), getattr(memory_backbone, part)
    new.set_weights(trained.get_weights())
memory_backbone.video_encoder.trainable = False
memory_backbone.audio_encoder.trainable = False
memory_task = keras_mirasol.models.MirasolCausalLM(
    memory_backbone, preprocessor, frame_weight=0.0, spectrogram_weight=0.0
)
train = sounding_shapes.write_corpus(
    build / "train",
    32 if FAST else 256,
    seed=7,
    kinds=["seen", "heard", "fused", "moment"],
    questions_per_kind=4,
)
dataset = keras_mirasol.data.clip_dataset(
    train,
    preprocessor,
    batch_size=16,
    texts_per_clip=12,
    shuffle=True,
    seed=0,
    cache=True,
    drop_remainder=True,
)
epochs = 1 if FAST else 6
memory_task.compile(learning_rate=1e-3, steps=epochs * len(dataset))
history = memory_task.fit(
    dataset,
    epochs=epochs,
    verbose=2,
)

"""
What each snippet reads and writes, and what is remembered of it later. All
questions of this training are about single moments, and the latent model joins
these: nothing has to be remembered by the Combiner. It has learned that. Of
what it reads, memory has a small share, while the writes, of which nothing
depends, are still about what they were drawn as. Train on questions of *order*
without a latent model, and see memory come to use.
"""

figure = visualization.plot_memory(
    memory_backbone.combiner,
    memory_backbone.video_encoder(x["pixel_values"], x["video_mask"]),
    memory_backbone.audio_encoder(x["audio_features"], x["audio_mask"]),
    x["video_mask"],
    x["audio_mask"],
)
figure.savefig(build / "memory.png")
figure

"""
The curve of each loss by itself. An answer is right long before the latent loss
comes to rest.
"""

figure = visualization.plot_history(history)
figure.savefig(build / "memory_training.png")
figure

"""
## All of it

The whole model is a Keras functional model of these parts, each a layer of its
own that works on plain tensors: take one out, put another in.
"""

sizes = {
    part: getattr(backbone, part).count_params()
    for part in (
        "video_encoder",
        "audio_encoder",
        "combiner",
        "snippet_transformer",
        "token_embedding",
        "text_decoder",
    )
}
for part, size in sizes.items():
    print(f"{part:<22}{size:>9,} parameters")
print(f"{'together':<22}{sum(sizes.values()):>9,}")

report = {
    "backend": keras.backend.backend(),
    "fast": FAST,
    "change_by_noise_below_a_mask": float(of_mask),
    "change_by_silence": float(of_silence),
    "change_before_the_changed_snippet": float(differences[:4].max()),
    "answer": evidence["answer"],
    "response": line["response"],
    "memory_text_loss": history.history["text_loss"],
}
Path("build/inside_mirasol.json").write_text(json.dumps(report, indent=1))
print("wrote build/inside_mirasol.json and the pictures in", build)
