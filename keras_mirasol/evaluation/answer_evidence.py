"""Which moment of a clip, its picture or its sound, an answer came from."""

import functools
import weakref

import keras
import numpy as np
from keras import ops

from keras_mirasol.layers import record_attention

# From a backbone to what `_compiled_logits()` made of it.
_MODELS = weakref.WeakKeyDictionary()
_MASKS = {"video": "video_mask", "audio": "audio_mask"}


def answer_evidence(
    task, clip, prompt, answer=None, num_masks=256, batch_size=32, seed=0
):
    """Finds what in a clip an answer rests on.

    Two views of the same answer, for each of its tokens:

    - what the text decoder *attends to*: its cross-attention to the snippets,
      a mean over blocks and heads. It says where the decoder looks, not what
      it finds there: latents of a snippet tell of earlier ones, too;
    - what the answer *gains* by the picture or the sound of a snippet, in
      nats of log-likelihood. It says what counts. The clip is shown many
      times, each time with another half of all pictures and sounds masked;
      the gains are the linear function of what is there that comes closest to
      the log-likelihoods, by least squares (their Banzhaf values, Wang and
      Jia, "Data Banzhaf", 2023). So what two snippets both show counts for
      both, where masking one of them alone would find neither of use.

    The clip is encoded once; what is masked is left out from the Combiner on.

    Args:
        task: a `MirasolCausalLM` with a preprocessor.
        clip: dict of one clip with `"videos"` and/or `"audio"`; see
            `MirasolCausalLMPreprocessor`.
        prompt: str.
        answer: str. Defaults to `None`, what the task answers.
        num_masks: int. How often the clip is shown. Gains are the more exact
            the more often. Defaults to `256`; with more than 64 snippets of
            both kinds, four times their number is little enough.
        batch_size: int. How many masked clips to go through at a time.
            Defaults to `32`.
        seed: int. Draws what is masked. Defaults to `0`.

    Returns:
        A dict, with N tokens of the answer and T snippets:

        - `"answer"`: str.
        - `"tokens"`: list of N strings, without the answer's end.
        - `"log_likelihood"`: float array `(N,)`, in nats.
        - `"attention"`: float array `(N, T)`. What is missing to a sum of 1
          goes to the null token, which stands for no snippet.
        - `"video"` and `"audio"`: float arrays `(N, T)`, how many nats the
          picture or the sound of a snippet adds to the log-likelihood. 0
          where there is none; negative where the answer is likelier without.
        - `"snippet_seconds"`: float.

    Raises:
        ValueError: if there is no preprocessor, the clip, the prompt and the
            answer are not one of each, or the answer is empty.

    Example:
    ```python
    task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
    clip = keras_mirasol.data.load_clip("dog.mp4")
    evidence = keras_mirasol.evaluation.answer_evidence(
        task, clip, "what is heard first?"
    )
    # The sound of which snippet counts most?
    evidence["audio"].sum(axis=0).argmax()
    ```
    """
    if task.preprocessor is None:
        raise ValueError(
            "`answer_evidence()` needs a preprocessor. Give the task one."
        )
    if not isinstance(prompt, str):
        raise ValueError(
            f"`prompt` must be one string. Received: {prompt!r}. Call "
            "`answer_evidence()` once for each prompt."
        )
    if answer is None:
        answer = task.generate({**clip, "prompts": prompt})
    if not isinstance(answer, str) or not answer:
        raise ValueError(
            "`answer` must be a string of at least one character. Received: "
            f"{answer!r}"
        )
    x, y, sample_weight = task.preprocessor(
        {**clip, "prompts": prompt, "responses": answer}
    )
    x = {key: np.asarray(value)[None] for key, value in x.items()}
    rows = np.flatnonzero(np.asarray(sample_weight))[:-1]  # without the end
    targets = np.asarray(y)[rows]

    there = (x["video_mask"] | x["audio_mask"])[0]
    count = 1 + np.flatnonzero(there).max()
    encoded = _encode(task.backbone, x)
    with record_attention() as record:
        whole = _log_likelihoods(
            functools.partial(_logits, task.backbone),
            x,
            encoded,
            x,
            rows,
            targets,
        )
    masks = _random_masks(x, num_masks, np.random.default_rng(seed))
    logits_of = _compiled_logits(task.backbone, encoded)
    masked = []
    for first in range(0, num_masks, batch_size):
        batch = {
            key: mask[first : first + batch_size] for key, mask in masks.items()
        }
        masked.append(
            _log_likelihoods(logits_of, x, encoded, batch, rows, targets)
        )
    tokenizer = task.preprocessor.tokenizer
    return {
        "answer": answer,
        "tokens": [tokenizer.detokenize([int(i)]) for i in targets],
        "log_likelihood": whole[0],
        # Without snippets that the preprocessor added to fill the clip up.
        "attention": _attention_to_snippets(record, rows, len(there))[
            :, :count
        ],
        **{
            name: gains[:, :count]
            for name, gains in _gains(masks, np.concatenate(masked)).items()
        },
        "snippet_seconds": task.preprocessor.snippet_seconds,
    }


def _encode(backbone, x):
    """Video and audio tokens of a clip."""
    tokens = {
        "video_tokens": backbone.video_encoder(
            x["pixel_values"], x["video_mask"]
        ),
        "audio_tokens": backbone.audio_encoder(
            x["audio_features"], x["audio_mask"]
        ),
    }
    return {
        name: ops.convert_to_numpy(ops.cast(values, "float32"))
        for name, values in tokens.items()
    }


def _random_masks(x, count, generator):
    """Masks that keep each picture and sound half of the time."""
    masks = {}
    for key in _MASKS.values():
        there = np.broadcast_to(x[key], (count, x[key].shape[1]))
        masks[key] = there & (generator.random(there.shape) < 0.5)
        # What one clip lacks the next one has: each is there equally often.
        masks[key][1::2] = (there & ~np.repeat(masks[key][::2], 2, 0)[:count])[
            1::2
        ]
    return masks


def _gains(masks, log_likelihoods):
    """What each picture and sound adds to log-likelihoods, `(N, T)` each."""
    there = np.concatenate([masks[key] for key in _MASKS.values()], axis=1)
    design = np.concatenate([np.ones((len(there), 1)), there], axis=1)
    solution, *_ = np.linalg.lstsq(design, log_likelihoods, rcond=None)
    # What is never there has no part in the least of all solutions.
    gains = np.where(there.any(axis=0), solution[1:].T, 0)
    return dict(zip(_MASKS, np.split(gains, 2, axis=1), strict=True))


def _log_likelihoods(logits_of, x, encoded, masks, rows, targets):
    """Of the answer's tokens, for each row of masks: `(clips, N)`."""
    count = len(masks["video_mask"])
    repeated = {
        name: np.repeat(values, count, axis=0)
        for name, values in {
            **encoded,
            "token_ids": x["token_ids"],
            "padding_mask": x["padding_mask"],
        }.items()
    }
    masks = {key: masks[key] for key in _MASKS.values()}
    logits = ops.convert_to_numpy(logits_of({**repeated, **masks}))
    likelihoods = ops.log_softmax(logits[:, rows].astype("float32"), axis=-1)
    likelihoods = ops.convert_to_numpy(likelihoods)
    return likelihoods[:, np.arange(len(rows)), targets]


def _logits(backbone, inputs):
    """Logits of a text, from the video and audio tokens of its clip."""
    joint_tokens = backbone.combiner(
        inputs["video_tokens"],
        inputs["audio_tokens"],
        inputs["video_mask"],
        inputs["audio_mask"],
    )
    hidden = backbone.decode_text(
        inputs["token_ids"],
        inputs["padding_mask"],
        backbone.snippet_transformer(joint_tokens),
        ops.logical_or(inputs["video_mask"], inputs["audio_mask"]),
    )
    return backbone.token_embedding(hidden, reverse=True)


def _compiled_logits(backbone, encoded):
    """`_logits()` as a function that is compiled, once for a backbone."""
    if backbone not in _MODELS:
        inputs = {
            name: keras.Input((None, *tokens.shape[2:]), name=name)
            for name, tokens in encoded.items()
        }
        for name, dtype in (
            ("video_mask", "bool"),
            ("audio_mask", "bool"),
            ("token_ids", "int32"),
            ("padding_mask", "bool"),
        ):
            inputs[name] = keras.Input((None,), dtype=dtype, name=name)
        _MODELS[backbone] = keras.Model(inputs, _logits(backbone, inputs))
    return _MODELS[backbone].predict_on_batch


def _attention_to_snippets(record, rows, snippets):
    """Cross-attention of the answer's tokens, `(N, T)`."""
    scores = np.mean(
        [
            calls[0][0].mean(axis=0)
            for path, calls in record.items()
            if "cross_attention" in path
        ],
        axis=0,
    )
    # The null token stands before the clip; a snippet has all its latents.
    of_latents = scores[rows, 1:]
    return of_latents.reshape(len(rows), snippets, -1).sum(axis=-1)
