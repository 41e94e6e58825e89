"""Embeddings of clips and texts, for retrieval."""

import keras
import keras_hub
import numpy as np

from keras_mirasol import keras_compat
from keras_mirasol.models.mirasol_backbone import snippet_mask
from keras_mirasol.models.mirasol_pretrainer import MirasolPretrainer
from keras_mirasol.models.mirasol_task import MirasolTask
from keras_mirasol.preprocessing.clip_inputs import count_clips
from keras_mirasol.preprocessing.clip_inputs import dicts_of

CLIP_INPUTS = ("pixel_values", "audio_features", "video_mask", "audio_mask")
TEXT_INPUTS = ("token_ids", "padding_mask")
# What clips may have beside them in a dataset.
TEXT_KEYS = ("prompts", "responses")


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolEmbedder(MirasolTask, keras_hub.models.Task):
    """Finds the clips that a text is about.

    Clips and texts become vectors of length 1; the more a text is about a
    clip, the larger the product of the two. Pretrain with
    `MirasolPretrainer`, whose contrastive objective teaches it.

    Calling the model on the inputs of `MirasolBackbone` gives a dict of
    `"clip_embeddings"` of shape `(batch, embedding_dim)` and
    `"text_embeddings"` of shape `(..., embedding_dim)`.

    Args:
        backbone: a `MirasolBackbone`.
        clip_embedding: a `keras_mirasol.layers.ClipEmbedding`.
        text_embedding: a `keras_mirasol.layers.TextEmbedding`.
        preprocessor: a `MirasolCausalLMPreprocessor`. Defaults to `None`:
            inputs must be preprocessed.
        prompt: str. What texts respond to. Give the prompt that the texts of
            pretraining had, such as "what happens?". Defaults to `""`.
        **kwargs: see `keras_hub.models.Task`.

    Raises:
        ValueError: if the preprocessor does not make what the backbone reads.

    Example:
    ```python
    embedder = keras_mirasol.models.MirasolEmbedder.from_preset(
        "./pretrained", prompt="what happens?"
    )
    clips = [
        keras_mirasol.data.load_clip(path) for path in ("dog.mp4", "cat.mp4")
    ]
    embedder.rank(clips, "a cat purrs")  # array([1, 0])

    clips = embedder.embed_clips(clips)  # embedded once, ...
    embedder.rank(clips, ["a cat purrs", "a dog barks"])  # ... asked often
    ```
    """

    def __init__(
        self,
        backbone,
        clip_embedding,
        text_embedding,
        preprocessor=None,
        prompt="",
        **kwargs,
    ):
        inputs = backbone.input
        snippets = snippet_mask(inputs)
        padding_mask = inputs["padding_mask"]
        text_embeddings = text_embedding(
            backbone.decode_text(inputs["token_ids"], padding_mask),
            padding_mask,
        )
        latents = backbone(inputs)["snippet_latents"]
        outputs = {
            "clip_embeddings": clip_embedding(latents, snippets),
            "text_embeddings": text_embeddings,
        }
        super().__init__(backbone, preprocessor, outputs, **kwargs)
        self.clip_embedding = clip_embedding
        self.text_embedding = text_embedding
        self.prompt = prompt
        # The two halves, each of which is compiled by itself.
        self.clip_model = keras.Model(
            {name: inputs[name] for name in CLIP_INPUTS},
            clip_embedding(backbone.output["snippet_latents"], snippets),
        )
        self.text_model = keras.Model(
            {name: inputs[name] for name in TEXT_INPUTS}, text_embeddings
        )

    @classmethod
    def from_pretrainer(cls, pretrainer, prompt=""):
        """Makes an embedder of the layers of a pretrainer, shared with it.

        Args:
            pretrainer: a `MirasolPretrainer` with a `contrastive_weight`.
            prompt: str. What texts respond to. Defaults to `""`.

        Returns:
            A `MirasolEmbedder`.

        Raises:
            ValueError: if the pretrainer has no embeddings.

        Example:
        ```python
        embedder = keras_mirasol.models.MirasolEmbedder.from_pretrainer(
            pretrainer, prompt="what happens?"
        )
        ```
        """
        if pretrainer.clip_embedding is None:
            raise ValueError(
                "The pretrainer has a `contrastive_weight` of 0, and so no "
                "embeddings. Pretrain with a positive weight."
            )
        return cls(
            pretrainer.backbone,
            pretrainer.clip_embedding,
            pretrainer.text_embedding,
            preprocessor=pretrainer.preprocessor,
            prompt=prompt,
        )

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """Loads the preset of an embedder or of a `MirasolPretrainer`.

        Args:
            preset: str or path. A folder made by `save_to_preset()`, or
                another handle; see `MirasolCausalLM.from_preset()`.
            **kwargs: see KerasHub's `from_preset()`. `prompt` replaces the
                saved one.

        Returns:
            A `MirasolEmbedder`.

        Raises:
            ValueError: if there is no such preset, or it has no embeddings.

        Example:
        ```python
        embedder = keras_mirasol.models.MirasolEmbedder.from_preset(
            "./pretrained", prompt="what happens?"
        )
        ```
        """
        path = cls.presets.get(str(preset), {}).get("path", str(preset))
        saved = keras_compat.saved_class(path)
        if saved is not None and issubclass(saved, cls):
            return super().from_preset(preset, **kwargs)
        if saved is not None and not issubclass(saved, MirasolPretrainer):
            raise ValueError(
                f"The preset {str(preset)!r} is one of `{saved.__name__}`, "
                "which has no embeddings. Load it as a `MirasolPretrainer` "
                "and train it, or use the preset of one that is trained."
            )
        prompt = kwargs.pop("prompt", "")
        pretrainer = MirasolPretrainer.from_preset(preset, **kwargs)
        return cls.from_pretrainer(pretrainer, prompt)

    def embed_clips(self, clips, batch_size=32):
        """Embeds clips.

        Args:
            clips: dict of a clip or of a batch of clips with `"videos"` and
                `"audio"`; see `MirasolCausalLMPreprocessor`. Texts beside
                them are ignored. Or an iterable of such dicts, such as
                `clip_dataset` without a preprocessor. Without a preprocessor,
                dicts of the inputs of `MirasolBackbone` that are about clips.
            batch_size: int. Clips to embed at a time. Defaults to `32`.

        Returns:
            A float32 array of shape `(clips, embedding_dim)`, or
            `(embedding_dim,)` for a dict of one clip.

        Raises:
            ValueError: if a clip is not as described.

        Example:
        ```python
        clip = keras_mirasol.data.load_clip("dog.mp4")
        embedder.embed_clips(clip)
        ```
        """
        if not isinstance(clips, dict):
            expected = 'dict with `"videos"` and/or `"audio"`'
            return np.concatenate(
                [
                    np.atleast_2d(self.embed_clips(batch, batch_size))
                    for batch in dicts_of(clips, expected)
                ]
            )
        is_single = False
        if self.preprocessor is not None:
            clips = {k: clips[k] for k in clips if k not in TEXT_KEYS}
            count = count_clips(clips)
            is_single = count is None
            prompts = "" if is_single else [""] * count
            clips = self.preprocessor.generate_preprocess(
                {**clips, "prompts": prompts}
            )
        embeddings = self.clip_model.predict(
            {name: clips[name] for name in CLIP_INPUTS},
            batch_size=batch_size,
            verbose=0,
        )
        return embeddings[0] if is_single else embeddings

    def embed_texts(self, texts, batch_size=32):
        """Embeds texts.

        Args:
            texts: str, or sequence of strings: what the clips to be found
                show, as the responses of pretraining had it. Without a
                preprocessor, a dict of `"token_ids"` and `"padding_mask"`, of
                shape `(texts, L)`.
            batch_size: int. Texts to embed at a time. Defaults to `32`.

        Returns:
            A float32 array of shape `(texts, embedding_dim)`, or
            `(embedding_dim,)` for one string.

        Raises:
            ValueError: if `texts` are not as described, or do not fit the
                preprocessor's `sequence_length`.

        Example:
        ```python
        embedder.embed_texts(["a dog barks", "a cat purrs"])
        ```
        """
        is_single = isinstance(texts, str)
        if self.preprocessor is not None:
            texts = _check_texts([texts] if is_single else texts)
            texts, _, _ = self.preprocessor.preprocess_texts(
                np.full(len(texts), self.prompt, object), texts
            )
        embeddings = self.text_model.predict(
            {name: texts[name] for name in TEXT_INPUTS},
            batch_size=batch_size,
            verbose=0,
        )
        return embeddings[0] if is_single else embeddings

    def rank(self, clips, texts, batch_size=32):
        """Ranks clips by how well they fit each text.

        Args:
            clips: see `embed_clips()`; or what it returned.
            texts: see `embed_texts()`; or what it returned.
            batch_size: int. Clips or texts to embed at a time. Defaults to
                `32`.

        Returns:
            An int array of shape `(texts, clips)`: for each text the indices
            of all clips, the best first. Of shape `(clips,)` for one text.
            The scores are `embed_texts(texts) @ embed_clips(clips).T`.

        Raises:
            ValueError: if `clips` or `texts` are not as described.

        Example:
        ```python
        clips = [
            keras_mirasol.data.load_clip(path)
            for path in ("dog.mp4", "cat.mp4")
        ]
        best = embedder.rank(clips, "a dog barks")[0]
        clips[best]
        ```
        """
        if not _is_embedding(clips):
            clips = self.embed_clips(clips, batch_size)
        if not _is_embedding(texts):
            texts = self.embed_texts(texts, batch_size)
        scores = texts @ np.atleast_2d(clips).T
        return np.argsort(-scores, axis=-1, kind="stable")

    def get_config(self):
        return {
            **super().get_config(),
            "clip_embedding": keras.layers.serialize(self.clip_embedding),
            "text_embedding": keras.layers.serialize(self.text_embedding),
            "prompt": self.prompt,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("clip_embedding", "text_embedding"):
            if isinstance(config[name], dict):
                config[name] = keras.layers.deserialize(config[name])
        return super().from_config(config)


def _is_embedding(values):
    return isinstance(values, np.ndarray) and values.dtype.kind == "f"


def _check_texts(texts):
    """Strings as an array."""
    texts = list(texts)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError(
            "`texts` must be a string, or a list of at least one string. "
            f"Received: {texts!r}"
        )
    return np.array(texts, object)
