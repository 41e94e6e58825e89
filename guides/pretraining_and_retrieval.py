"""
Title: Pretraining and retrieval
Author: The keras_mirasol developers
Date created: 2026/11/26
Last modified: 2026/11/26
Description: Pretrain on captions, search by text, then answer questions.
Accelerator: None
"""

"""
## What this guide is about

You have many clips with captions, and few or no questions about them. This
guide pretrains a model from random weights on clips and captions, finds clips
by texts and texts by clips with it, and then teaches it to answer questions,
beside a twin that was not pretrained. It takes minutes on two CPU cores.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # or "tensorflow" or "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_mirasol
from keras_mirasol.data import sounding_shapes

FAST = os.environ.get("FAST_GUIDES") == "1"  # a quick look
build = Path("build/pretraining_and_retrieval")
build.mkdir(parents=True, exist_ok=True)
report = {"backend": keras.backend.backend(), "fast": FAST}
keras.utils.set_random_seed(0)
print(keras.backend.backend(), "fast" if FAST else "in full")

"""
## Clips and captions

The corpus is *sounding shapes*: generated mp4 files in which coloured shapes
appear while sounds are heard. Lines of the kind `moment` are about half a
second each, by their `start` and `end`: a caption of all that is seen and
heard, and questions about it. Short clips whose captions tell all that is in
them are the densest signal there is: nothing has to be searched for. We
pretrain on the captions alone, and keep the questions for later.
"""


def moments(name, num_clips, seed):
    """Lines of captions, and lines of questions."""
    manifest = sounding_shapes.write_corpus(
        build / name,
        num_clips,
        seed=seed,
        kinds=["moment"],
        questions_per_kind=None,
    )
    lines = keras_mirasol.data.read_manifest(manifest)
    captions = [line for line in lines if line["prompt"] == "what happens?"]
    questions = [line for line in lines if line["prompt"] != "what happens?"]
    return captions, questions


captions, questions = moments("train", 64 if FAST else 1000, seed=11)
held_captions, held_questions = moments(
    "held_out", 32 if FAST else 128, seed=12
)
print(f"{len(captions)} captions to learn from, {len(held_captions)} held out")
for line in (*captions[:2], *questions[:2]):
    print(
        f"{line['start']:.1f} to {line['end']:.1f} s  {line['prompt']:<22}"
        f"{line['response']}"
    )

"""
A caption is a line like any other: its text is the response. The prompt says
what kind of text it is. It may be empty, or the same all over, as here.

## A model with random weights

We take the sizes of `mirasol_tiny`, about a million parameters, not its
weights. Its preprocessor fits: the tokenizer knows the words, and the
converters bring pixels and spectrograms of such clips to a mean of 0 and a
deviation of 1. For clips of your own do both first, or little is learned:

```python
preprocessor.tokenizer = keras_mirasol.models.MirasolTokenizer.train(
    captions, vocabulary_size=backbone.vocabulary_size
)
preprocessor.adapt(captions)
```
"""

# A quick look is for the steps, not for what is learned: fewer layers compile
# faster.
sizes = {}
if FAST:
    sizes = {
        "combiner_num_layers": 1,
        "latent_num_layers": 1,
        "text_num_layers": 1,
    }


def new_backbone():
    return keras_mirasol.models.MirasolBackbone.from_preset(
        "mirasol_tiny", load_weights=False, **sizes
    )


preprocessor = keras_mirasol.models.MirasolCausalLMPreprocessor.from_preset(
    "mirasol_tiny"
)
clip = keras_mirasol.data.load_clip(captions[0], **preprocessor.clip_settings)
print({key: value.shape for key, value in clip.items()})
figure = keras_mirasol.visualization.plot_clip(
    clip, preprocessor, title=captions[0]["response"]
)
figure.savefig(build / "clip.png")
figure

"""
## Six objectives

`MirasolPretrainer` puts six heads on one backbone. Each has a weight, an
argument of its own; a weight of 0 leaves it and its layers out.

- **`text`**: tells the caption token by token, attending to the snippet
  latents. It teaches what is there, in words.
- **`latent`**: predicts the joint tokens of the next snippet. It teaches what
  goes on, in the model's own terms.
- **`frame`**: draws small frames of the next snippet, from the latents up to
  now. It teaches to keep what is seen.
- **`spectrogram`**: draws a small spectrogram of the next snippet. It teaches
  to keep what is heard.
- **`contrastive`**: finds which clip of the batch a text is about, and which
  text a clip, by one vector each. It teaches vectors to search by.
- **`matching`**: reads a text beside a clip and tells whether they belong
  together; the wrong ones it meets are those that the vectors find most alike.
  It teaches details that vectors miss.

How to choose the weights:

- **`text` and `contrastive`** tell the most about a clip with a caption. Leave
  `contrastive` out if you never search, and it costs nothing.
- **`latent`** is the easiest to cheat on: joint tokens that are all alike are
  easily predicted. Keep it small; `joint_token_spread` shows whether it wins.
- **`frame` and `spectrogram`** need no text. For clips without captions they
  and `latent` are all there is. They need a next snippet: clips of one snippet
  teach them nothing.
- **`mask_rate`** hides that share of the joint tokens from the snippet
  Transformer while it trains, so that the snippets around have to tell what
  was there. What is to be predicted is never hidden. These moments have two
  snippets, of one joint token each: there is nothing around, and we leave it
  at 0. Clips of many snippets can do with 0.1 or more.

Negatives of the last two come from the batch, so that these like it large: 64
clips here. Texts that are equal, token for token, are no negatives of each
other's clips.
"""

pretrainer = keras_mirasol.models.MirasolPretrainer(
    new_backbone(),
    preprocessor,
    latent_weight=0.05,
    frame_weight=0.5,
    spectrogram_weight=0.3,
    embedding_dim=64,
    mask_rate=0.0,
    seed=0,
)
print(f"{pretrainer.count_params():,} parameters")
print(f"{pretrainer.backbone.count_params():,} of them in the backbone")

"""
## Before: search by chance

`MirasolEmbedder` makes a vector of length 1 of a clip, and one of a text; the
larger their product, the better they fit. It shares the pretrainer's layers,
so that it can be asked before, while and after they learn. `prompt` is the one
that the captions had.

We search held-out clips that have captions of their own, none twice, and look
at the place of the right clip in the ranking of all: *recall@1* is the share
that comes first, *recall@5* that among the first five. Chance is a ranking at
random.
"""

embedder = keras_mirasol.models.MirasolEmbedder.from_pretrainer(
    pretrainer, prompt="what happens?"
)
by_text = {line["response"]: line for line in reversed(held_captions)}
gallery = list(by_text.values())[: 32 if FAST else 100]
texts = [line["response"] for line in gallery]
clips = [
    keras_mirasol.data.load_clip(line, **preprocessor.clip_settings)
    for line in gallery
]
batch = {key: [clip[key] for clip in clips] for key in ("videos", "audio")}


def recalls(scores):
    """Of a matrix whose right pairs are on its diagonal, row by row."""
    places = 1 + (scores > np.diag(scores)[:, None]).sum(axis=1)
    return {
        "recall@1": float(np.mean(places <= 1)),
        "recall@5": float(np.mean(places <= 5)),
        "median rank": float(np.median(places)),
    }


def search(embedder):
    """How alike texts and clips are, and how well each finds the other."""
    scores = embedder.embed_texts(texts) @ embedder.embed_clips(batch).T
    found = {
        "clips by text": recalls(scores),
        "texts by clip": recalls(scores.T),
    }
    return scores, found


def table(rows):
    names = ("recall@1", "recall@5", "median rank")
    print(f"{'':28}" + "".join(f"{name:>13}" for name in names))
    for title, row in rows.items():
        print(f"{title:28}" + "".join(f"{row[name]:>13.2f}" for name in names))


count = len(texts)
chance = {
    "recall@1": 1 / count,
    "recall@5": 5 / count,
    "median rank": (count + 1) / 2,
}
_, untrained = search(embedder)
table(
    {"chance": chance, **{f"{k}, untrained": v for k, v in untrained.items()}}
)
report["clips_searched"] = count
report["retrieval_untrained"] = untrained

"""
## Pretrain

`compile()` without an optimizer takes AdamW with a warm-up and, given `steps`,
a learning rate that falls along a cosine. `cache=True` decodes each clip once.
"""

train = keras_mirasol.data.clip_dataset(
    captions,
    preprocessor,
    batch_size=64,
    shuffle=True,
    seed=0,
    cache=True,
    drop_remainder=True,
)
passes = 1 if FAST else 4
# Two looks at the losses in each pass.
epochs, steps_per_epoch = 2 * passes, len(train) // 2
pretrainer.compile(learning_rate=1e-3, steps=epochs * steps_per_epoch)
history = pretrainer.fit(
    train.repeat(), epochs=epochs, steps_per_epoch=steps_per_epoch, verbose=2
)
report["pretraining"] = {
    "steps": epochs * steps_per_epoch,
    "history": {
        name: [round(float(value), 4) for value in values]
        for name, values in history.history.items()
    },
}

"""
What to watch, by name:

- `contrastive_loss` begins near the logarithm of the batch size, here 4.2:
  any of 64 clips is as likely. It should leave that within the first epoch.
- `matching_loss` begins near 0.69, the logarithm of 2, and stays there the
  longest: its negatives are the hardest of the batch, and the better the
  vectors get, the harder they are.
- `text_loss` is in nats per token. More than half of a caption's tokens are
  the same in all, so a low loss comes before right captions.
- `joint_token_spread` is 0 where all snippets have the same joint tokens. It
  should rise early; where it stays near 0, inputs were not adapted, or
  `latent_weight` is too large.
"""

figure = keras_mirasol.visualization.plot_history(history)
figure.savefig(build / "curves.png")
spreads = history.history["joint_token_spread"]
print("joint_token_spread by epoch:", [round(value, 2) for value in spreads])
figure

"""
## After: search
"""

scores, trained = search(embedder)
table({"chance": chance, **trained})
report["retrieval"] = trained

"""
`rank()` does the same in one call: for each text the indices of all clips, the
best first. Clips that were embedded once are asked as often as you like, for
the price of a text.
"""

clip_embeddings = embedder.embed_clips(batch)
for text in texts[:3]:
    best = embedder.rank(clip_embeddings, text)[:3]
    print(text)
    for index in best:
        print(f"    {texts[index]}")

"""
The matrix of all products, texts down and clips across, for the first few:
bright on the diagonal where text and clip belong together. Look at what is
bright beside it: clips that share two of three, colour, shape or sound.
"""

shown = 16
figure = keras_mirasol.visualization.plot_retrieval(
    scores[:shown, :shown],
    texts[:shown],
    texts[:shown],
    title=f"Products of {shown} texts and {shown} clips, by caption",
)
figure.savefig(build / "retrieval.png")
figure

"""
How much does it take for granted? The mean product of pairs, by what they
have in common:
"""

words = [tuple(text.replace("a ", "").split(" and ")) for text in texts]
parts = [(*seen.split(), heard) for seen, heard in words]
shared = np.array([[sum(map(str.__eq__, a, b)) for b in parts] for a in parts])
report["mean_product_by_shared"] = {}
for number in range(4):
    mean = float(scores[shared == number].mean())
    report["mean_product_by_shared"][number] = round(mean, 3)
    print(f"{number} of colour, shape and sound shared: {mean:>6.2f}")

"""
What stands next to the right clip shares two of the three. Search finds what
is alike, and the last errors are between neighbours.

When search fails: a batch that is too small has too few negatives; captions
that do not tell clips apart cannot be learned from; a `prompt` that is not
that of the captions gives vectors of a text the model never read.

## Keep it

A preset is a folder, which every backend loads. The embedder comes from the
pretrainer's preset.
"""

pretrainer.save_to_preset(str(build / "pretrained"))
again = keras_mirasol.models.MirasolEmbedder.from_preset(
    str(build / "pretrained"), prompt="what happens?"
)
difference = np.abs(
    again.embed_texts(texts) - embedder.embed_texts(texts)
).max()
print(f"largest difference of the embeddings: {difference:.1e}")

"""
## From captions to questions

The pretrained backbone is that of any task. Here it learns to answer
questions about moments, *what colour is seen?*, *what shape is seen?* and
*what is heard?*, from a few clips: captions are plenty, questions are dear.
Beside it the same model from random weights learns the same lines, with the
same settings, for the same number of steps.
"""

few = 16 if FAST else 64  # clips with questions, of four moments each
few_media = {line["media"] for line in captions[: 4 * few]}
train_questions = [line for line in questions if line["media"] in few_media]
test_questions = held_questions[: 12 * (8 if FAST else 64)]
question_epochs = 1 if FAST else 12
print(
    f"{len(train_questions)} questions to learn, {len(test_questions)} to test"
)


def fine_tune(task):
    """Exact match on held-out questions as steps go on."""
    keras.utils.set_random_seed(0)
    dataset = keras_mirasol.data.clip_dataset(
        train_questions,
        task.preprocessor,
        batch_size=32,
        texts_per_clip=3,
        shuffle=True,
        seed=0,
        cache=True,
        drop_remainder=True,
    )
    task.compile(learning_rate=1e-3, steps=question_epochs * len(dataset))
    answers = keras_mirasol.evaluation.AnswerCallback(
        test_questions, key="prompt", num_samples=2, batch_size=64
    )
    history = task.fit(
        dataset, epochs=question_epochs, callbacks=[answers], verbose=2
    )
    return len(dataset), history.history


pretrained = keras_mirasol.models.MirasolCausalLM.from_preset(
    str(build / "pretrained")
)
steps, of_pretrained = fine_tune(pretrained)

"""
A warning names the heads that `MirasolCausalLM` keeps for predicting the next
snippet: a preset of another task has none for it, so they start anew. They
help training, and no answer reads them.

Now from random weights:
"""

from_scratch = keras_mirasol.models.MirasolCausalLM(
    new_backbone(), preprocessor
)
_, of_scratch = fine_tune(from_scratch)

"""
## What pretraining is worth
"""

curves = {"pretrained": of_pretrained, "from random weights": of_scratch}
kinds = sorted(name for name in of_scratch if name.startswith("exact_match_"))
print(f"{'right answers':24}" + "".join(f"{name:>22}" for name in curves))
for name in ("exact_match", *kinds):
    title = name.removeprefix("exact_match_").replace("exact_match", "all")
    print(
        f"{title:24}"
        + "".join(f"{curve[name][-1]:>22.3f}" for curve in curves.values())
    )
report["fine_tuning"] = {
    "questions": len(train_questions),
    "steps": steps * question_epochs,
    "exact_match": {
        name: [round(float(value), 4) for value in curve["exact_match"]]
        for name, curve in curves.items()
    },
}

figure, axes = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for (name, curve), colour in zip(
    curves.items(), ("#0072B2", "#D55E00"), strict=True
):
    axes.plot(
        steps * np.arange(1, question_epochs + 1),
        curve["exact_match"],
        marker="o",
        color=colour,
        label=name,
    )
# Questions ask for one of six colours, of five shapes, of six sounds.
guess = (1 / 6 + 1 / 5 + 1 / 6) / 3
axes.axhline(guess, color="grey", linestyle=":", label="guessing")
axes.set(
    title="The same questions, the same steps",
    xlabel="fine-tuning steps",
    ylabel="share of right answers, held out",
    ylim=(0, 1.02),
)
axes.legend()
figure.savefig(build / "worth.png")
figure

"""
Questions that were never asked in pretraining are answered after few steps:
what is to be learned is how to ask what is known already. From random weights,
the same steps have to teach seeing and hearing, from few clips.

Look at the kinds apart. Sounds and colours are answered soon. Shapes are the
hardest to tell, and pretraining itself told them last: for these, give
pretraining more passes, or fine-tuning more steps and more clips.

This model has met half a second at a time. For questions about whole clips, go
on with `fit()` on lines about whole clips, as `training/mirasol_tiny.py` does;
the guide *Long video and streaming* goes on to longer ones.
"""

report_path = Path("build/pretraining_and_retrieval.json")
report_path.write_text(json.dumps(report, indent=1))
print(f"wrote {report_path} and the pictures in {build}/")
