"""The Mirasol task: answers in text about video and audio."""

import keras
import keras_hub
import numpy as np
from keras import ops

from keras_mirasol.losses.masked_mean import masked_mean
from keras_mirasol.losses.text import token_cross_entropy
from keras_mirasol.models.allowed_tokens import allowed_tokens
from keras_mirasol.models.compiled_function import compiled_function
from keras_mirasol.models.compiled_function import compiled_step
from keras_mirasol.models.mirasol_backbone import snippet_mask
from keras_mirasol.models.mirasol_stream import MirasolStream
from keras_mirasol.models.mirasol_task import text_rows
from keras_mirasol.models.objective_task import ObjectiveTask
from keras_mirasol.models.objectives import FrameObjective
from keras_mirasol.models.objectives import LatentObjective
from keras_mirasol.models.objectives import PastObjective
from keras_mirasol.models.objectives import SpectrogramObjective
from keras_mirasol.models.objectives import TextObjective
from keras_mirasol.models.objectives.next_tokens import score_next_tokens
from keras_mirasol.models.stream_functions import StreamFunctions
from keras_mirasol.preprocessing.answer_choices import choice_rows
from keras_mirasol.preprocessing.clip_inputs import dicts_of
from keras_mirasol.preprocessing.clip_inputs import is_one_clip
from keras_mirasol.preprocessing.clip_inputs import to_python
from keras_mirasol.preprocessing.text_packing import bucket_of_prompts

_EXPECTED = 'dict with `"videos"` and/or `"audio"` and `"prompts"`'


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolCausalLM(ObjectiveTask, keras_hub.models.CausalLM):
    """Answers prompts about clips of video and audio.

    Trained with cross-entropy on the tokens of responses, and, each with a
    weight of its own, with prediction of the next snippet's joint tokens and
    with reconstruction of its frames and of its spectrogram from the snippet
    latents (Mirasol3B, losses). A weight of 0 leaves an objective and its
    layers out. All losses show in the progress bar by name.

    Calling the model on the inputs of `MirasolBackbone` gives a dict:
    `"logits"` of shape `(..., L, vocabulary_size)`, `"joint_tokens"`, and for
    the objectives in use `"predicted_joint_tokens"`, `"frames"`,
    `"spectrogram"` and `"past_joint_tokens"`. `"token_ids"` and
    `"padding_mask"` may have shape `(batch, texts_per_clip, L)`: each clip is
    then encoded once for all of its texts.

    Args:
        backbone: a `MirasolBackbone`.
        preprocessor: a `MirasolCausalLMPreprocessor`. Defaults to `None`:
            inputs must be preprocessed.
        text_weight: float. Weight of the text loss. Defaults to `1.0`.
        latent_weight: float. Weight of next-latent prediction. Defaults to
            `0.05`.
        frame_weight: float. Weight of the reconstruction of frames. Defaults
            to `0.5`; this and the next are for inputs of deviation 1, as
            adapted converters make them.
        spectrogram_weight: float. Weight of the reconstruction of the
            spectrogram. Defaults to `0.3`.
        past_weight: float. Weight of past-latent prediction, the joint tokens
            of an earlier snippet, which is not in the paper. Defaults to
            `0.0`.
        past_lag: int. How many snippets earlier. Defaults to `1`.
        frame_downsampling: int. How many times smaller reconstructed frames
            are, along height and width. Defaults to `4`.
        mel_downsampling: int. How many times fewer mel bins a reconstructed
            spectrogram has. Defaults to `2`.
        **kwargs: see `keras_hub.models.CausalLM`.

    Raises:
        ValueError: if the preprocessor does not make what the backbone reads.

    Examples:
    ```python
    task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
    clip = keras_mirasol.data.load_clip("dog.mp4")
    task.generate({**clip, "prompts": "what is heard first?"})
    task.generate({**clip, "prompts": ["what is red?", "what is heard last?"]})

    train = keras_mirasol.data.clip_dataset(
        "train.jsonl", task.preprocessor, batch_size=16, shuffle=True
    )
    task.compile(optimizer=keras.optimizers.AdamW(1e-4))
    task.fit(train, epochs=3)
    ```
    """

    def __init__(
        self,
        backbone,
        preprocessor=None,
        text_weight=1.0,
        latent_weight=0.05,
        frame_weight=0.5,
        spectrogram_weight=0.3,
        past_weight=0.0,
        past_lag=1,
        frame_downsampling=4,
        mel_downsampling=2,
        **kwargs,
    ):
        text = TextObjective(text_weight)
        read = {**backbone.input, **backbone(backbone.input)}
        super().__init__(
            backbone,
            preprocessor,
            read,
            objectives=[
                text,
                LatentObjective(latent_weight),
                FrameObjective(frame_weight, frame_downsampling),
                SpectrogramObjective(spectrogram_weight, mel_downsampling),
                PastObjective(past_weight, past_lag),
            ],
            # Answers are scored whether text is learned or not.
            outputs=text.connect(backbone, read),
            **kwargs,
        )

    def compile(self, optimizer="auto", *, sampler="greedy", **kwargs):
        """Configures training and generation.

        The losses and their weights belong to the model; see its arguments.

        Args:
            optimizer: `"auto"`, an optimizer's name or a `keras.Optimizer`.
                Defaults to `"auto"`, AdamW with a warm-up of 100 steps and
                gradients clipped to a norm of 1.
            sampler: the name of a sampler or a `keras_hub.samplers.Sampler`,
                used by `generate()`. Defaults to `"greedy"`.
            **kwargs: `learning_rate` (float, defaults to `1e-3`) and `steps`
                (int, over which it falls along a cosine, as in
                `epochs * len(dataset)`; defaults to `None`, it does not
                fall) for `"auto"`; and see `keras.Model.compile`.

        Raises:
            ValueError: if a loss or metrics are given, or settings of
                `"auto"` for another optimizer.
        """
        super().compile(optimizer, sampler=sampler, **kwargs)
        self._stream_functions = None
        self._next_logits = compiled_step(self, self.next_logits)
        self._score_texts = compiled_function(self, self.score_texts)

    def get_compile_config(self):
        config = super().get_compile_config()
        return config and {
            **config,
            "sampler": keras_hub.samplers.serialize(self.sampler),
        }

    def compile_from_config(self, config):
        sampler = keras_hub.samplers.deserialize(config["sampler"])
        super().compile_from_config({**config, "sampler": sampler})

    def generate(
        self,
        inputs,
        max_length=None,
        stop_token_ids="auto",
        strip_prompt=True,
        choices=None,
    ):
        """Answers prompts about clips.

        The clips are encoded once a call, whatever the number of prompts and
        of generated tokens.

        Args:
            inputs: dict of a clip or of a batch of clips with `"videos"`,
                `"audio"` and `"prompts"`; see `MirasolCausalLMPreprocessor`.
                Or an iterable of such dicts, such as `clip_dataset` without
                a preprocessor. Without a preprocessor, a dict of the inputs
                of `MirasolBackbone`, or an iterable of these.
            max_length: int. Most tokens of a prompt and its answer together.
                Defaults to `None`, the preprocessor's `sequence_length`.
            stop_token_ids: `"auto"`, `None` or a tuple of ints. Tokens that
                end an answer. Defaults to `"auto"`, the tokenizer's end.
            strip_prompt: bool. Whether to return answers alone, without
                their prompts. Defaults to `True`.
            choices: list of strings, such as names of classes: an answer will
                be one of them. Or, nested as the prompts are, such a list for
                each. The sampler chooses token by token among those that lead
                to one; `"beam"` looks farther ahead than `"greedy"`, and
                `score_choices()` compares whole answers. Defaults to `None`,
                answers are free.

        Returns:
            Answers in the shape of the prompts: a string for one clip with
            one prompt, a list for several prompts or clips, a list of lists
            for several clips with several prompts each. For an iterable, a
            list with the answers about each clip. Without a preprocessor, a
            dict of `"token_ids"` and `"padding_mask"`.

        Raises:
            ValueError: if there is no clip, a clip is not as described, a
                prompt leaves no room for an answer or for a choice, or
                `choices` are not as described.

        Example:
        ```python
        task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
        audio = np.zeros(32000, "float32")
        inputs = {"audio": audio, "prompts": "what is heard first?"}
        task.generate(inputs)
        task.generate(inputs, choices=["bell", "drum"])
        ```
        """
        settings = dict(
            max_length=max_length,
            stop_token_ids=stop_token_ids,
            strip_prompt=strip_prompt,
        )
        if choices is not None and self.preprocessor is None:
            raise ValueError(
                "`choices` need a preprocessor. Give the task one, or give "
                '`"choice_ids"` among the inputs.'
            )
        if not isinstance(inputs, dict):
            answers = []
            for clips in dicts_of(inputs, _EXPECTED):
                answer = self.generate(clips, choices=choices, **settings)
                if self.preprocessor is None or is_one_clip(clips):
                    answers.append(answer)
                else:
                    answers.extend(answer)
            return _joined(answers) if self.preprocessor is None else answers
        if choices is not None:
            inputs = {**inputs, "choices": choices}
        answers = super().generate(inputs, **settings)
        if self.preprocessor is None:
            return answers
        return _in_shape_of(inputs["prompts"], iter(answers))

    def stream(
        self,
        window=None,
        num_sinks=4,
        max_snippets=256,
        batch_size=None,
        modalities=("video", "audio"),
    ):
        """Watches a video as it comes, and answers about it at any moment.

        Args:
            window: int. The last snippets that are remembered, so that any
                number of them takes the same memory and the same time.
                Defaults to `None`, all are.
            num_sinks: int. With a window, how many of the first snippets are
                remembered all the same: attention rests on them. Defaults to
                `4`.
            max_snippets: int. Without a window, the snippets that there is
                room for. The room is doubled when it is full, which compiles
                anew. Defaults to `256`.
            batch_size: int. How many streams to watch side by side. Defaults
                to `None`, one, without an axis of streams.
            modalities: tuple of `"video"` and/or `"audio"`. What will come.

        Returns:
            A `MirasolStream`.

        Raises:
            ValueError: if there is no preprocessor, or an argument is not as
                described.

        Example:
        ```python
        task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
        stream = task.stream(window=64)
        stream.observe(
            np.zeros((8, 64, 64, 3), "uint8"), np.zeros(16000, "float32")
        )
        stream.ask("what is heard first?")
        ```
        """
        return MirasolStream(
            self,
            window=window,
            num_sinks=num_sinks,
            max_snippets=max_snippets,
            batch_size=batch_size,
            modalities=modalities,
        )

    @property
    def stream_functions(self):
        """What streams compute, compiled once for all streams of the task."""
        if self._stream_functions is None:
            self._stream_functions = StreamFunctions(self)
        return self._stream_functions

    def score_choices(self, clip, prompt, choices):
        """Scores given answers to a prompt about a clip.

        A choice's score is the mean of the log-likelihoods of its tokens, its
        end included, so that long and short choices compare. The clip is
        encoded once for all of them.

        Args:
            clip: dict of a clip or of a batch of clips with `"videos"` and
                `"audio"`; see `MirasolCausalLMPreprocessor`.
            prompt: str; for a batch, a list of one string per clip.
            choices: list of strings; for a batch, also a list of such lists,
                one for each clip.

        Returns:
            A float32 array of shape `(choices,)`, or `(clips, choices)` for a
            batch; the likeliest choice has the highest score. Where a clip
            has fewer choices than others, it has `-inf` for the rest.

        Raises:
            ValueError: if there is no preprocessor, or `prompt` and `choices`
                are not as described.

        Example:
        ```python
        task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
        clip = {"audio": np.zeros(32000, "float32")}
        choices = ["bell", "drum", "tone"]
        scores = task.score_choices(clip, "what is heard first?", choices)
        choices[scores.argmax()]
        ```
        """
        if self.preprocessor is None:
            raise ValueError(
                "`score_choices()` needs a preprocessor. Give the task one."
            )
        rows, is_there = choice_rows(choices, prompt)
        is_single = isinstance(prompt, str)
        if not is_single:
            rows = np.broadcast_to(rows, (len(prompt), rows.shape[1]))
        prompts = np.broadcast_to(np.reshape(prompt, (-1, 1)), rows.shape)
        texts = {"prompts": prompts.tolist(), "responses": rows.tolist()}
        if is_single:
            texts = {key: row for key, (row,) in texts.items()}
        inputs = self.preprocessor({**clip, **texts})
        if is_single:
            inputs = keras.tree.map_structure(lambda x: x[None], inputs)
        scores = ops.convert_to_numpy(self._score_texts(*inputs))
        scores = np.where(is_there, scores.reshape(rows.shape), -np.inf)
        return scores[0] if is_single else scores

    def score_texts(self, x, y, sample_weight):
        """Mean log-likelihoods of responses; the part that is compiled.

        Args:
            x, y, sample_weight: what the preprocessor makes of a batch.

        Returns:
            A float32 tensor `(texts,)`.
        """
        texts = {
            key: text_rows(x[key]) for key in ("token_ids", "padding_mask")
        }
        cross_entropy, _, weights = score_next_tokens(
            self.backbone({**x, **texts})["sequence_output"],
            text_rows(y),
            text_rows(sample_weight),
            self.backbone.token_embedding,
            self.backbone.vocabulary_size,
        )
        # Of each text, all of its chunks.
        axes = (0, 2) if len(weights.shape) == 3 else 1
        return -masked_mean(cross_entropy, weights, axes)

    def score(
        self,
        token_ids,
        padding_mask=None,
        scoring_mode="logits",
        layer_intercept_fn=None,
        target_ids=None,
        **clips,
    ):
        """Scores given tokens, as `score()` of KerasHub's models does.

        Not compiled, so that gradients may be taken of it.

        Args:
            token_ids: int tensor `(batch * texts_per_clip, L)`.
            padding_mask: bool tensor of the same shape. Defaults to `None`,
                all ones.
            scoring_mode: `"logits"` or `"loss"`. Defaults to `"logits"`.
            layer_intercept_fn: a function of activations `(batch *
                texts_per_clip, L, text_hidden_dim)` and an int that returns
                what goes on in their place. It is called with the embedded
                tokens and `-1`, and with what each block of the text decoder
                makes and the block's number. Defaults to `None`.
            target_ids: int tensor of the shape of `token_ids`, the token that
                should follow each; needed for `"loss"`. Defaults to `None`.
            **clips: the inputs of `MirasolBackbone` that are about clips.
                Without any, texts are shown a clip without snippets.

        Returns:
            A tensor of logits `(batch * texts_per_clip, L, vocabulary_size)`,
            or of losses in nats `(batch * texts_per_clip, L)`.

        Raises:
            ValueError: if `scoring_mode` is unknown, or `"loss"` is asked for
                without `target_ids`.

        Example:
        ```python
        task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
        x, y, sample_weight = task.preprocessor(
            {
                "audio": [np.zeros(32000, "float32")],
                "prompts": ["what is heard first?"],
                "responses": ["bell"],
            }
        )
        losses = task.score(**x, scoring_mode="loss", target_ids=y)
        ```
        """
        if scoring_mode not in ("logits", "loss"):
            raise ValueError(
                '`scoring_mode` must be "logits" or "loss". Received: '
                f"{scoring_mode!r}"
            )
        if scoring_mode == "loss" and target_ids is None:
            raise ValueError(
                'The scoring mode "loss" needs `target_ids`, the token that '
                "should follow each."
            )
        token_ids = ops.convert_to_tensor(token_ids)
        if padding_mask is None:
            padding_mask = ops.ones_like(token_ids, "bool")
        latents = mask = None
        if clips:
            latents = self.backbone.snippet_transformer(
                self.backbone.encode_snippets(clips)
            )
            mask = snippet_mask(clips)
        hidden = self.backbone.decode_text(
            token_ids,
            padding_mask,
            latents,
            mask,
            layer_intercept_fn=layer_intercept_fn,
        )
        logits = self.backbone.token_embedding(hidden, reverse=True)
        if scoring_mode == "logits":
            return logits
        return token_cross_entropy(target_ids, logits)

    def _normalize_generate_inputs(self, inputs):
        return [inputs], False

    def make_generate_function(self):
        if self.generate_function is None:
            compiled = compiled_function(
                self, self.generate_step, variables=self.sampler.variables
            )

            def generate(inputs, stop_token_ids=None):
                return compiled(
                    inputs,
                    # A list may be given, but is no setting to compile for.
                    stop_token_ids=stop_token_ids and tuple(stop_token_ids),
                    prompt_length=bucket_of_prompts(
                        ops.convert_to_numpy(inputs["padding_mask"])
                    ),
                )

            self.generate_function = generate
        return self.generate_function

    def generate_step(self, inputs, stop_token_ids=None, prompt_length=None):
        """Generates token ids for a batch; the part that is compiled.

        Args:
            inputs: dict of the inputs of `MirasolBackbone`, and maybe of
                `"choice_ids"`; see `allowed_tokens()`.
            stop_token_ids: ints that end an answer, or `None`.
            prompt_length: int. See `begin_texts()`.

        Returns:
            A dict of `"token_ids"` and `"padding_mask"`.
        """
        return self.continue_texts(
            inputs["token_ids"],
            inputs["padding_mask"],
            self.backbone.encode_memory(inputs),
            inputs.get("choice_ids"),
            stop_token_ids=stop_token_ids,
            prompt_length=prompt_length,
        )

    def continue_texts(
        self,
        token_ids,
        padding_mask,
        memory,
        choice_ids=None,
        stop_token_ids=None,
        prompt_length=None,
    ):
        """Generates token ids from what clips were encoded to.

        Args:
            token_ids: int tensor `(texts, length)`, prompts with room for
                answers.
            padding_mask: bool tensor `(texts, length)`, `True` for prompts.
            memory: what `TextDecoder.encode_memory()` returned.
            choice_ids: int tensor `(texts, choices, tokens)` of what answers
                may be; see `allowed_tokens()`. Defaults to `None`, anything.
            stop_token_ids: ints that end an answer, or `None`.
            prompt_length: int. See `begin_texts()`.

        Returns:
            A dict of `"token_ids"` and `"padding_mask"`.
        """
        padding_mask = ops.cast(padding_mask, "bool")
        prompt_lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=-1)

        def next(prompt, caches, index):
            logits, hidden, caches = self._next_logits(
                prompt, memory, caches, index
            )
            if choice_ids is not None:
                # A sampler may try several answers to each text.
                tries = ops.shape(prompt)[0] // ops.shape(padding_mask)[0]
                allowed = allowed_tokens(
                    prompt,
                    ops.repeat(prompt_lengths, tries),
                    ops.repeat(choice_ids, tries, axis=0),
                    index,
                    self.backbone.vocabulary_size,
                )
                logits = ops.where(allowed, logits, float("-inf"))
            return logits, hidden, caches

        hidden, caches = self.begin_texts(token_ids, memory, prompt_length)
        token_ids = self.sampler(
            next=next,
            prompt=token_ids,
            cache=caches,
            # The first position that some text leaves free.
            index=ops.min(prompt_lengths),
            mask=padding_mask,
            stop_token_ids=stop_token_ids,
            hidden_states=hidden,
            model=self,
        )
        return {
            "token_ids": token_ids,
            "padding_mask": _until_stop(
                token_ids, padding_mask, stop_token_ids
            ),
        }

    def begin_texts(self, token_ids, memory, prompt_length=None):
        """Fills caches with prompts; what is behind them is overwritten.

        Args:
            token_ids: int tensor `(texts, length)`.
            memory: what `TextDecoder.encode_memory()` returned.
            prompt_length: int. So many tokens hold all prompts; no more are
                read. Defaults to `None`, all are.

        Returns:
            A pair of the hidden states `(texts, length, text_hidden_dim)`,
            zeros where no token was read, and the caches.
        """
        caches = self.backbone.text_decoder.empty_caches(*ops.shape(token_ids))
        hidden, caches = self._decode(
            token_ids[:, :prompt_length], memory, caches, 0
        )
        left = ops.shape(token_ids)[1] - ops.shape(hidden)[1]
        return ops.pad(hidden, ((0, 0), (0, left), (0, 0))), caches

    def next_logits(self, token_ids, memory, caches, index):
        """What may follow the tokens before `index`.

        Args:
            token_ids: int tensor `(texts, length)`.
            memory: what `TextDecoder.encode_memory()` returned.
            caches: those of `begin_texts()`, or of the index before.
            index: scalar int tensor.

        Returns:
            Logits `(texts, vocabulary_size)`, hidden states `(texts,
            text_hidden_dim)` and the caches.
        """
        last = ops.take(token_ids, ops.reshape(index - 1, (1,)), axis=1)
        hidden, caches = self._decode(last, memory, caches, index - 1)
        logits = self.backbone.token_embedding(hidden, reverse=True)
        return logits[:, 0], hidden[:, 0], caches

    def _decode(self, token_ids, memory, caches, start):
        embedded = self.backbone.token_embedding(token_ids)
        return self.backbone.text_decoder.decode(
            embedded, memory, caches, start
        )


def _until_stop(token_ids, prompt_mask, stop_token_ids):
    """A mask of prompts and answers, to the first stop token and with it."""
    if stop_token_ids is None:
        return ops.ones_like(token_ids, "bool")
    is_stop = ops.zeros_like(token_ids, "bool")
    for stop in stop_token_ids:
        is_stop = ops.logical_or(is_stop, ops.equal(token_ids, stop))
    is_stop = ops.logical_and(is_stop, ops.logical_not(prompt_mask))
    is_stop = ops.cast(is_stop, "int32")
    return ops.equal(ops.cumsum(is_stop, axis=-1) - is_stop, 0)


def _in_shape_of(prompts, answers):
    """Takes answers one by one into the nesting of the prompts."""
    prompts = to_python(prompts)
    if isinstance(prompts, (str, bytes)):
        return next(answers)
    return [_in_shape_of(prompt, answers) for prompt in prompts]


def _joined(batches):
    """Generated tokens of batches of one length, as one batch."""
    return {
        key: np.concatenate([batch[key] for batch in batches])
        for key in batches[0]
    }
