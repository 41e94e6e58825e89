"""Clips and texts to what the model reads."""

import keras
import keras_hub
import numpy as np

from keras_mirasol.models.clip_statistics import adapt_converters
from keras_mirasol.models.clip_statistics import raw_clips
from keras_mirasol.models.mirasol_audio_converter import MirasolAudioConverter
from keras_mirasol.models.mirasol_backbone import MirasolBackbone
from keras_mirasol.models.mirasol_tokenizer import MirasolTokenizer
from keras_mirasol.models.mirasol_video_converter import MirasolVideoConverter
from keras_mirasol.models.shipped_presets import ShippedPresets
from keras_mirasol.preprocessing import text_packing
from keras_mirasol.preprocessing.absent import NO_AUDIO
from keras_mirasol.preprocessing.absent import NO_VIDEO
from keras_mirasol.preprocessing.answer_choices import choice_rows
from keras_mirasol.preprocessing.clip_features import ClipConverter
from keras_mirasol.preprocessing.clip_inputs import check_clips_are_there
from keras_mirasol.preprocessing.clip_inputs import check_symbolic_inputs
from keras_mirasol.preprocessing.clip_inputs import standardize_inputs
from keras_mirasol.preprocessing.graph import in_graph
from keras_mirasol.preprocessing.graph import is_symbolic
from keras_mirasol.preprocessing.stacking import stack_padded


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolCausalLMPreprocessor(
    ShippedPresets, keras_hub.models.CausalLMPreprocessor
):
    """Cuts clips into snippets and packs prompts with their responses.

    Snippet t holds frames `[t F, (t + 1) F)` and spectrogram frames
    `[t A, (t + 1) A)`, the same span of time. A clip that does not end with a
    snippet is cut or filled (video with its last frame, audio with silence)
    to the nearest whole number of snippets. Where one modality is missing or
    ends sooner, its mask is `False`; silence and black frames are present.
    Beyond 8 snippets, a clip is filled up with masked snippets to one of few
    numbers of them, each of which a model is compiled for; see
    `keras_mirasol.preprocessing.snippet_bucket`.

    A text is packed as start, prompt, separator, response, end; what is
    learned is the response and the end. The texts of a batch are padded to 16,
    32, 64 or so on tokens, at most `sequence_length`, whatever holds them all.

    Args:
        video_converter: a `MirasolVideoConverter`.
        audio_converter: a `MirasolAudioConverter`, or, for a model of audio
            that others have trained, a `PretrainedAudioConverter`.
        tokenizer: a `MirasolTokenizer`, or any KerasHub tokenizer with
            `start_token_id` and `end_token_id`.
        frames_per_snippet: int. F.
        audio_frames_per_snippet: int. A.
        sequence_length: int. Most tokens of a packed text. Defaults to `128`.
        separator: str. Stands between prompt and response. Defaults to
            a line break. Tokenizers other than `MirasolTokenizer` may leave
            white space out, and want another.
        **kwargs: see `keras_hub.models.CausalLMPreprocessor`.

    Call arguments:
        x: dict of a clip, or of a batch of clips:
            - `"videos"`: uint8, `(frames, height, width, 3)`, or a batch of
              these, as an array or as a list with `None` where a clip has
              none. Leave out if there is none at all.
            - `"audio"`: float, `(samples,)` from -1 to 1, or a batch of
              these, likewise. Leave out if there is none at all.
            - `"prompts"`: a string per clip, or a list of strings per clip.
            - `"responses"`: likewise.
        y, sample_weight: not used; they are made of the responses.
        sequence_length: int. Tokens that texts are padded to. Defaults to
            `None`: as many as the texts of a batch need, as said above, and
            those of the preprocessor for a single clip.

    Returns:
        A tuple `(x, y, sample_weight)`. `x` is a dict with the inputs of
        `MirasolBackbone`; with several texts per clip, texts have shape
        `(batch, texts_per_clip, sequence_length)`. `y` are the next tokens and
        `sample_weight` is 1 for those of the response.

    Raises:
        ValueError: if a snippet's video and spectrogram frames do not span the
            same time, a clip is not as described, or a text does not fit.

    Example:
    ```python
    preprocessor = keras_mirasol.models.MirasolCausalLMPreprocessor.from_preset(
        "mirasol_tiny"
    )
    x, y, sample_weight = preprocessor(
        {
            "videos": np.zeros((16, 64, 64, 3), "uint8"),
            "audio": np.zeros(32000, "float32"),
            "prompts": "what is heard first?",
            "responses": "bell",
        }
    )
    ```
    """

    backbone_cls = MirasolBackbone
    tokenizer_cls = MirasolTokenizer
    audio_converter_cls = MirasolAudioConverter
    video_converter_cls = MirasolVideoConverter

    def __init__(
        self,
        video_converter,
        audio_converter,
        tokenizer,
        frames_per_snippet,
        audio_frames_per_snippet,
        sequence_length=128,
        separator="\n",
        **kwargs,
    ):
        super().__init__(tokenizer, sequence_length=sequence_length, **kwargs)
        self.video_converter = video_converter
        self.audio_converter = audio_converter
        self.frames_per_snippet = frames_per_snippet
        self.audio_frames_per_snippet = audio_frames_per_snippet
        self.separator = separator
        self._check_geometry()
        # Texts are packed by `preprocess_texts`, without a packer to build;
        # and what is not built may still be given another tokenizer.
        self.built = True

    @property
    def frame_rate(self):
        """Frames per second of the clips that are given."""
        return self.video_converter.frame_rate

    @property
    def sampling_rate(self):
        """Audio samples per second of the clips that are given."""
        return self.audio_converter.sampling_rate

    @property
    def clip_settings(self):
        """How clips are loaded for it: arguments of `load_clip`."""
        return {
            "frame_rate": self.frame_rate,
            "sampling_rate": self.sampling_rate,
            "image_size": self.video_converter.image_size,
            "crop_to_aspect_ratio": self.video_converter.crop_to_aspect_ratio,
        }

    @property
    def samples_per_snippet(self):
        """Audio samples in a snippet."""
        return self.audio_frames_per_snippet * self.audio_converter.hop

    @property
    def snippet_seconds(self):
        """Duration of a snippet."""
        return self.frames_per_snippet / self.frame_rate

    def adapt(self, data, num_clips=256):
        """Adapts both converters to the data, in one pass.

        Before a model is trained from scratch: what all clips have in common,
        such as dark frames or a quiet background, would keep it from telling
        them apart. See `adapt()` of the converters. Where no clip has video,
        or none has audio, the converter of that modality stays as it is. A
        dataset that was made before keeps the settings it was made with.

        Args:
            data: path of a manifest, or a list of its lines; or raw clips, a
                dict with `"videos"` and/or `"audio"` of a clip or of a batch;
                or an iterable of such dicts, such as the `tf.data.Dataset` of
                `clip_dataset(manifest)` without a preprocessor.
            num_clips: int. How many clips to look at: drawn from a manifest
                or a list, always the same ones, and the first ones of any
                other iterable. Defaults to `256`; `None` for all.

        Raises:
            ValueError: if no clip has video or audio, or the data is not as
                described.

        Example:
        ```python
        preprocessor = keras_mirasol.models.MirasolCausalLMPreprocessor
        preprocessor = preprocessor.from_preset("mirasol_tiny")
        clip = {
            "videos": np.random.randint(0, 40, (16, 64, 64, 3)).astype("uint8"),
            "audio": np.random.uniform(-1e-3, 1e-3, 32000),
        }
        preprocessor.adapt(clip)
        preprocessor.video_converter(clip["videos"]).mean()  # about 0
        ```
        """
        adapt_converters(
            [self.video_converter, self.audio_converter],
            raw_clips(
                data,
                num_clips,
                **self.clip_settings,
            ),
            "clips with video or audio",
        )

    def _check_geometry(self):
        video_seconds = self.frames_per_snippet / self.frame_rate
        audio_frame_rate = self.audio_converter.audio_frame_rate
        audio_seconds = self.audio_frames_per_snippet / audio_frame_rate
        if abs(video_seconds - audio_seconds) > 1e-6:
            raise ValueError(
                "A snippet's video and spectrogram frames must span the same "
                f"time. Received: {self.frames_per_snippet} frames at "
                f"{self.frame_rate} per second are {video_seconds:g} s, but "
                f"{self.audio_frames_per_snippet} spectrogram frames at "
                f"{audio_frame_rate} per second are {audio_seconds:g} s. Use "
                "audio_frames_per_snippet="
                f"{video_seconds * audio_frame_rate:g}, or change a rate."
            )

    def call(self, x, y=None, sample_weight=None, sequence_length=None):
        if y is not None or sample_weight is not None:
            raise ValueError(
                "`y` and `sample_weight` are made of the responses. Give "
                'these in `x["responses"]`, and nothing beside `x`.'
            )
        if isinstance(x, dict) and any(map(is_symbolic, x.values())):
            is_single = check_symbolic_inputs(x)
            clips = self._convert_symbolic(x, is_single)
            texts = self.preprocess_texts(
                x["prompts"],
                x["responses"],
                self._padded_length(sequence_length, is_single),
            )
        else:
            batch = standardize_inputs(x, needs_responses=True)
            clips = self._preprocess_batch(batch)
            texts = self.preprocess_texts(
                batch.prompts,
                batch.responses,
                self._padded_length(sequence_length, batch.is_single),
            )
            if batch.is_single:
                clips, texts = keras.tree.map_structure(
                    lambda array: array[0], (clips, texts)
                )
        x_texts, y, sample_weight = texts
        return {**clips, **x_texts}, y, sample_weight

    def _padded_length(self, sequence_length, is_single):
        """Tokens that texts are padded to; `None` for what a batch needs."""
        # Single clips may be put in a batch later.
        return sequence_length or (self.sequence_length if is_single else None)

    def _convert_symbolic(self, x, is_single):
        """Features of a clip, or of a batch of clips, in a graph."""
        videos, audio = x.get("videos"), x.get("audio")
        if is_single:
            return self._clip_converter.convert(
                NO_VIDEO if videos is None else videos,
                NO_AUDIO if audio is None else audio,
            )
        return self._clip_converter.convert_batch(videos, audio, x["prompts"])

    @in_graph
    def preprocess_clip(self, videos, audio, num_snippets=None, context=None):
        """Features and masks of one clip, or of a piece of it.

        Args:
            videos: uint8 tensor `(frames, height, width, 3)`; no frames means
                that there is no video.
            audio: float tensor `(samples,)`; no samples means that there is
                no audio.
            num_snippets: int tensor. Snippets to fill the clip up to.
                Defaults to `None`: as said above.
            context: float tensor. The samples just before, of a piece that is
                not the clip's first; as many as the audio converter's
                `context_samples`. Defaults to `None`, silence.

        Returns:
            A dict of `"pixel_values"`, `"audio_features"`, `"video_mask"` and
            `"audio_mask"`.
        """
        return self._clip_converter.convert(
            videos, audio, num_snippets, context
        )

    @property
    def _clip_converter(self):
        return ClipConverter(
            self.video_converter,
            self.audio_converter,
            self.frames_per_snippet,
            self.audio_frames_per_snippet,
            self.samples_per_snippet,
        )

    def preprocess_texts(self, prompts, responses=None, sequence_length=None):
        """Token ids of prompts and responses.

        Args:
            prompts: string tensor of any shape.
            responses: string tensor of that shape. Defaults to `None`: the
                prompts alone, to be continued.
            sequence_length: int. Tokens that texts are padded to. Defaults to
                `None`: as said above, and for prompts alone
                `sequence_length` of the preprocessor.

        Returns:
            A tuple `(x, y, sample_weight)` with shapes that of `prompts` plus
            `(length,)`; for prompts alone only `x`, a dict of
            `"token_ids"` and `"padding_mask"`.

        Raises:
            ValueError: if a text has more tokens than `sequence_length`, or a
                prompt alone leaves no room for an answer.
        """
        return self._pack(
            prompts,
            responses,
            sequence_length or self.sequence_length,
            int(sequence_length is None),
        )

    @in_graph
    def _pack(self, prompts, responses, sequence_length, to_bucket):
        def tokens(texts):
            return self.tokenizer(text_packing.flatten_texts(texts))

        start, end = _start_and_end(self.tokenizer)
        # One token more is packed for training, which shifts by one.
        packed = text_packing.pack_texts(
            tokens(prompts + self.separator),
            None if responses is None else tokens(responses),
            start=start,
            end=end,
            pad=getattr(self.tokenizer, "pad_token_id", None) or 0,
            length=sequence_length + (responses is not None),
        )
        token_ids, padding_mask, response_mask = (
            text_packing.unflatten_texts(values, prompts) for values in packed
        )
        if responses is None:
            return {"token_ids": token_ids, "padding_mask": padding_mask}
        texts = text_packing.next_tokens(token_ids, padding_mask, response_mask)
        return text_packing.cut_to_bucket(*texts) if to_bucket else texts

    def _preprocess_batch(self, batch):
        """Features of NumPy clips, filled up to the longest."""
        clips = [
            self.preprocess_clip(videos, audio)
            for videos, audio in zip(batch.videos, batch.audio, strict=True)
        ]
        return {
            key: stack_padded([clip[key] for clip in clips]) for key in clips[0]
        }

    def generate_preprocess(self, x, sequence_length=None):
        """Converts clips and prompts to what `generate` continues.

        Args:
            x: dict as for the call, without `"responses"`, and maybe with
                `"choices"`; see `MirasolCausalLM.generate()`.
            sequence_length: int. Tokens of prompt and answer together.
                Defaults to `None`, that of the preprocessor.

        Returns:
            A dict with the inputs of `MirasolBackbone`, always a batch, the
            texts of a clip one after another, and of `"choice_ids"` if there
            are choices.

        Raises:
            ValueError: if there is no clip, one is not as described, or a
                choice has no room.
        """
        x = dict(x) if isinstance(x, dict) else x
        choices = x.pop("choices", None) if isinstance(x, dict) else None
        batch = standardize_inputs(x)
        check_clips_are_there(x, batch, self.samples_per_snippet)
        texts = self.preprocess_texts(
            batch.prompts.reshape(-1), None, sequence_length
        )
        if choices is not None:
            texts["choice_ids"] = self.preprocess_choices(
                choices, x["prompts"], texts["padding_mask"]
            )
        return {**self._preprocess_batch(batch), **texts}

    def preprocess_choices(self, choices, prompts, padding_mask):
        """Token ids of the answers that prompts may have.

        Args:
            choices: list of strings, or of such lists; see
                `MirasolCausalLM.generate()`.
            prompts: str, or (nested) lists of strings.
            padding_mask: bool array `(texts, length)` of the prompts' tokens.

        Returns:
            An int array `(texts, choices, tokens)`, each choice filled up with
            its end.

        Raises:
            ValueError: if the choices are not as described, or have more
                tokens than prompts leave room for.
        """
        rows, _ = choice_rows(choices, prompts)
        choice_ids = self._pack_choices(rows)
        width = choice_ids.shape[-1]
        longest = int(np.sum(padding_mask, axis=-1).max())
        texts, length = padding_mask.shape
        if longest + width > length:
            raise ValueError(
                f"The longest choice has {width} tokens with its end, and the "
                f"longest prompt {longest}, but there is room for {length} "
                "together. Use a longer `max_length` or `sequence_length`, or "
                "shorter texts."
            )
        # The same for all texts, where there is one row.
        return np.broadcast_to(choice_ids, (texts, *choice_ids.shape[1:]))

    @in_graph
    def _pack_choices(self, choices):
        tokens = self.tokenizer(text_packing.flatten_texts(choices))
        end = _start_and_end(self.tokenizer)[1]
        packed = text_packing.end_texts(tokens, end)
        return text_packing.unflatten_texts(packed, choices)

    def generate_postprocess(self, x):
        """Texts of generated tokens, without prompt, start, end and padding.

        Args:
            x: dict of `"token_ids"` and `"padding_mask"`, each of shape
                `(texts, length)`, of answers alone.

        Returns:
            A list of strings.
        """
        special = {
            *self.tokenizer.special_token_ids,
            *_start_and_end(self.tokenizer),
        }
        # A model may have room for more tokens than there are.
        size = self.tokenizer.vocabulary_size()
        token_ids = keras.ops.convert_to_numpy(x["token_ids"])
        masks = keras.ops.convert_to_numpy(x["padding_mask"]).astype(bool)
        answers = [
            [int(i) for i in row[mask] if i < size and i not in special]
            for row, mask in zip(token_ids, masks, strict=True)
        ]
        return [
            self.tokenizer.detokenize(answer) if answer else ""
            for answer in answers
        ]

    def get_config(self):
        config = super().get_config()
        # Texts always start and end with their tokens.
        del config["add_start_token"], config["add_end_token"]
        return {
            **config,
            "frames_per_snippet": self.frames_per_snippet,
            "audio_frames_per_snippet": self.audio_frames_per_snippet,
            "separator": self.separator,
        }


def _start_and_end(tokenizer):
    ids = [
        getattr(tokenizer, name, None)
        for name in ("start_token_id", "end_token_id")
    ]
    if None in ids:
        raise ValueError(
            "The tokenizer must have a `start_token_id` and an "
            f"`end_token_id`. Received: {ids} of {type(tokenizer).__name__}. "
            "Set them on the tokenizer, or in a subclass of it."
        )
    return ids
