"""The Mirasol backbone."""

import keras
import keras_hub
from keras import ops

from keras_mirasol import keras_compat
from keras_mirasol.layers import AudioEncoder
from keras_mirasol.layers import SnippetTransformer
from keras_mirasol.layers import TextDecoder
from keras_mirasol.layers import TokenTuringCombiner
from keras_mirasol.layers import TransformerCombiner
from keras_mirasol.layers import VideoEncoder
from keras_mirasol.layers.snippet_slices import SnippetSlices
from keras_mirasol.models.layout_map import layout_map_of
from keras_mirasol.models.shipped_presets import ShippedPresets

# Parts that may be given ready: what they are made of otherwise, with the names
# of sizes here and there.
_PARTS = {
    "video_encoder": (
        VideoEncoder,
        {
            "tubes": "tubes",
            "video_hidden_dim": "dim",
            "video_num_layers": "num_layers",
            "video_num_heads": "num_heads",
        },
    ),
    "audio_encoder": (
        AudioEncoder,
        {
            "audio_patch_size": "patch_size",
            "audio_hidden_dim": "dim",
            "audio_num_layers": "num_layers",
            "audio_num_heads": "num_heads",
        },
    ),
    "token_embedding": (
        keras.layers.ReversibleEmbedding,
        {"text_hidden_dim": "output_dim"},
    ),
    "text_decoder": (
        TextDecoder,
        {
            "text_hidden_dim": "dim",
            "text_num_layers": "num_layers",
            "text_num_heads": "num_heads",
        },
    ),
}


# Parts that can be computed again in the backward pass.
_REMATERIALIZED = (
    "video_encoder",
    "audio_encoder",
    "combiner",
    "snippet_transformer",
    "text_decoder",
)


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolBackbone(ShippedPresets, keras_hub.models.Backbone):
    """Mirasol3B: snippets of video and audio, and a text that reads them.

    Video and audio of a clip are cut into T snippets of equal duration. Each
    snippet's frames and spectrogram frames are encoded, a Combiner fuses them
    into `num_joint_tokens` joint tokens, a Transformer that is causal from
    snippet to snippet makes snippet latents of them, and a causal text
    decoder attends to the latents ("Mirasol3B", arXiv 2311.05698).

    T and the text length may vary from call to call. Every clip may have
    several texts: `token_ids` and `padding_mask` then have
    `batch * texts_per_clip` rows, the texts of one clip together.

    Args:
        vocabulary_size: int. Size of the token vocabulary.
        frames_per_snippet: int. Video frames in a snippet, F.
        audio_frames_per_snippet: int. Spectrogram frames in a snippet, A.
        image_size: int or pair of ints (height, width) of a frame.
        num_mels: int. Mel bins of a spectrogram frame.
        num_joint_tokens: int. Joint tokens of a snippet, m.
        hidden_dim: int. Width of joint tokens and snippet latents.
        num_heads: int. Heads of the Combiner and the snippet Transformer.
        combiner_num_layers: int. Depth of the Combiner.
        latent_num_layers: int. Depth of the snippet Transformer.
        tubes: list of dicts. The video tubes; see
            `keras_mirasol.layers.TubeEmbedding`. This and the next eight are
            needed unless the part that they describe is given ready.
        video_hidden_dim: int. Width of the video encoder.
        video_num_layers: int. Depth of the video encoder.
        video_num_heads: int. Heads of the video encoder.
        audio_patch_size: pair of ints, (frames, mels) of a spectrogram patch.
        audio_hidden_dim: int. Width of the audio encoder.
        audio_num_layers: int. Depth of the audio encoder.
        audio_num_heads: int. Heads of the audio encoder.
        text_hidden_dim: int. Width of the text decoder.
        text_num_layers: int. Depth of the text decoder.
        text_num_heads: int. Heads of the text decoder.
        combiner: `"transformer"`, `"token_turing"`, or a layer with the
            interface of `keras_mirasol.layers.TransformerCombiner`. Defaults
            to `"transformer"`.
        combiner_settings: dict. Further arguments of a Combiner that is
            chosen by name, such as `{"memory_size": 32}` of
            `keras_mirasol.layers.TokenTuringCombiner`. Defaults to `None`.
        stem_filters: sequence of ints. Convolutional stem of the video
            encoder; see `keras_mirasol.layers.VideoEncoder`. Defaults to
            `()`.
        video_encoder: a ready layer with the interface of
            `keras_mirasol.layers.VideoEncoder`, such as one with pretrained
            weights: from frames and a mask to tokens `(batch, T, n, dim)`.
            Defaults to `None`: made of the numbers above.
        audio_encoder: likewise, of `keras_mirasol.layers.AudioEncoder`.
        text_decoder: likewise, of `keras_mirasol.layers.TextDecoder`.
        token_embedding: likewise, of `keras.layers.ReversibleEmbedding`.
        snippet_seconds: float. Duration of a snippet. Defaults to `1.0`.
        time_wavelengths: pair of floats, shortest and longest wavelength of
            the snippets' positions in time, in seconds. Defaults to `None`;
            see `keras_mirasol.layers.SnippetTransformer`.
        dropout: float. Defaults to `0.0`.
        rematerialize: `True`, or a sequence of names among `"video_encoder"`,
            `"audio_encoder"`, `"combiner"`, `"snippet_transformer"` and
            `"text_decoder"`: parts that training computes block by block
            again in the backward pass, for less memory and more time, with
            the same gradients. `True` stands for all of them. Parts that are
            given ready keep their own setting. Defaults to `()`.
        snippets_per_slice: int. Goes through the encoders and the Combiner in
            slices of at most so many snippets, and through each of them again
            in the backward pass, so that their memory does not grow with T.
            Joint tokens and gradients stay the same, but for what dropout
            draws. Defaults to `None`: all snippets at once.
        dtype: string or `keras.DTypePolicy`. Defaults to the global policy.
        **kwargs: see `keras_hub.models.Backbone`.

    Inputs, a dict:
        pixel_values: float tensor `(batch, T * F, height, width, 3)`.
        audio_features: float tensor `(batch, T * A, num_mels)`.
        video_mask: bool tensor `(batch, T)`, which snippets have video.
        audio_mask: bool tensor `(batch, T)`, which snippets have audio.
        token_ids: int tensor `(batch * texts_per_clip, L)`.
        padding_mask: bool tensor `(batch * texts_per_clip, L)`.

    Outputs, a dict:
        joint_tokens: float tensor `(batch, T, m, hidden_dim)`.
        snippet_latents: float tensor `(batch, T, m, hidden_dim)`.
        sequence_output: float tensor `(batch * texts_per_clip, L,
            text_hidden_dim)`.

    Example:
    ```python
    backbone = keras_mirasol.models.MirasolBackbone.from_preset("mirasol_tiny")
    outputs = backbone(
        {
            "pixel_values": np.zeros((1, 8, 32, 32, 3), "float32"),
            "audio_features": np.zeros((1, 20, 32), "float32"),
            "video_mask": np.ones((1, 4), bool),
            "audio_mask": np.ones((1, 4), bool),
            "token_ids": np.ones((1, 12), "int32"),
            "padding_mask": np.ones((1, 12), bool),
        }
    )
    outputs["snippet_latents"].shape  # (1, 4, 1, 96)
    ```
    """

    def __init__(
        self,
        vocabulary_size,
        frames_per_snippet,
        audio_frames_per_snippet,
        image_size,
        num_mels,
        num_joint_tokens,
        hidden_dim,
        num_heads,
        combiner_num_layers,
        latent_num_layers,
        tubes=None,
        video_hidden_dim=None,
        video_num_layers=None,
        video_num_heads=None,
        audio_patch_size=None,
        audio_hidden_dim=None,
        audio_num_layers=None,
        audio_num_heads=None,
        text_hidden_dim=None,
        text_num_layers=None,
        text_num_heads=None,
        combiner="transformer",
        combiner_settings=None,
        stem_filters=(),
        video_encoder=None,
        audio_encoder=None,
        text_decoder=None,
        token_embedding=None,
        snippet_seconds=1.0,
        time_wavelengths=None,
        dropout=0.0,
        rematerialize=(),
        snippets_per_slice=None,
        dtype=None,
        **kwargs,
    ):
        rematerialize = _parts_to_rematerialize(rematerialize)
        _check_snippets_per_slice(snippets_per_slice)
        if isinstance(image_size, int):
            image_size = (image_size, image_size)
        height, width = image_size

        ready = dict(
            video_encoder=video_encoder,
            audio_encoder=audio_encoder,
            token_embedding=token_embedding,
            text_decoder=text_decoder,
        )
        sizes = dict(
            tubes=tubes,
            video_hidden_dim=video_hidden_dim,
            video_num_layers=video_num_layers,
            video_num_heads=video_num_heads,
            audio_patch_size=audio_patch_size,
            audio_hidden_dim=audio_hidden_dim,
            audio_num_layers=audio_num_layers,
            audio_num_heads=audio_num_heads,
            text_hidden_dim=text_hidden_dim,
            text_num_layers=text_num_layers,
            text_num_heads=text_num_heads,
        )

        # === Layers ===
        self.video_encoder = _ready_or_made(
            "video_encoder",
            ready,
            sizes,
            frames_per_snippet=frames_per_snippet,
            stem_filters=stem_filters,
            dropout=dropout,
            rematerialize="video_encoder" in rematerialize,
            dtype=dtype,
        )
        self.audio_encoder = _ready_or_made(
            "audio_encoder",
            ready,
            sizes,
            audio_frames_per_snippet=audio_frames_per_snippet,
            dropout=dropout,
            rematerialize="audio_encoder" in rematerialize,
            dtype=dtype,
        )
        self.combiner = _get_combiner(
            combiner,
            combiner_settings or {},
            num_joint_tokens=num_joint_tokens,
            dim=hidden_dim,
            num_layers=combiner_num_layers,
            num_heads=num_heads,
            snippet_seconds=snippet_seconds,
            wavelengths=time_wavelengths,
            dropout=dropout,
            rematerialize="combiner" in rematerialize,
            dtype=dtype,
        )
        snippet_transformer = SnippetTransformer(
            latent_num_layers,
            hidden_dim,
            num_heads,
            snippet_seconds=snippet_seconds,
            wavelengths=time_wavelengths,
            dropout=dropout,
            rematerialize="snippet_transformer" in rematerialize,
            dtype=dtype,
            name="snippet_transformer",
        )
        self.token_embedding = _ready_or_made(
            "token_embedding",
            ready,
            sizes,
            input_dim=vocabulary_size,
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=(text_hidden_dim or 1) ** -0.5
            ),
            dtype=dtype,
        )
        # Weights come in the order of attributes on JAX and TensorFlow, in that
        # of the graph on PyTorch. An optimizer is saved by it: have one order.
        self.snippet_transformer = snippet_transformer
        self.text_decoder = _ready_or_made(
            "text_decoder",
            ready,
            sizes,
            memory_dim=hidden_dim,
            dropout=dropout,
            rematerialize="text_decoder" in rematerialize,
            dtype=dtype,
        )

        # === Functional Model ===
        inputs = {
            name: keras.Input(shape, dtype=input_dtype, name=name)
            for name, shape, input_dtype in (
                ("pixel_values", (None, height, width, 3), None),
                ("audio_features", (None, num_mels), None),
                ("video_mask", (None,), "bool"),
                ("audio_mask", (None,), "bool"),
                ("token_ids", (None,), "int32"),
                ("padding_mask", (None,), "bool"),
            )
        }
        self.snippet_slices = None
        joint_tokens = self.encode_snippets(inputs)
        if snippets_per_slice is not None:
            # Its layers are built now, and named as they are without slices.
            self.snippet_slices = SnippetSlices(
                self.video_encoder,
                self.audio_encoder,
                self.combiner,
                frames_per_snippet,
                audio_frames_per_snippet,
                snippets_per_slice,
                dtype=dtype,
                name="snippet_slices",
            )
            joint_tokens = self.encode_snippets(inputs)
        snippet_latents = self.snippet_transformer(joint_tokens)
        trainable = kwargs.pop("trainable", True)
        sequence_output = self.decode_text(
            inputs["token_ids"],
            inputs["padding_mask"],
            snippet_latents,
            snippet_mask(inputs),
        )
        super().__init__(
            inputs=inputs,
            outputs={
                "joint_tokens": joint_tokens,
                "snippet_latents": snippet_latents,
                "sequence_output": sequence_output,
            },
            dtype=dtype,
            **kwargs,
        )
        # Keras would set `True` for parts that are frozen, too.
        if not trainable:
            self.trainable = False

        # === Config ===
        self.vocabulary_size = vocabulary_size
        self.frames_per_snippet = frames_per_snippet
        self.audio_frames_per_snippet = audio_frames_per_snippet
        self.image_size = tuple(image_size)
        self.num_mels = num_mels
        self.num_joint_tokens = num_joint_tokens
        for name, size in sizes.items():
            setattr(self, name, size)
        if tubes is not None:
            self.tubes = self.video_encoder.embedding.tubes
        if audio_patch_size is not None:
            self.audio_patch_size = tuple(audio_patch_size)
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.combiner_num_layers = combiner_num_layers
        self.latent_num_layers = latent_num_layers
        self.combiner_kind = combiner
        self.combiner_settings = dict(combiner_settings or {})
        self.stem_filters = tuple(stem_filters)
        self.snippet_seconds = snippet_seconds
        self.time_wavelengths = self.snippet_transformer.wavelengths
        self.dropout = dropout
        self.rematerialize = rematerialize
        self.snippets_per_slice = snippets_per_slice
        self._ready_parts = tuple(n for n in ready if ready[n] is not None)

    @property
    def layers(self):
        # Weights are saved by this list: the same with and without slices.
        layers = []
        for layer in super().layers:
            if isinstance(layer, SnippetSlices):
                layers += [
                    layer.video_encoder,
                    layer.audio_encoder,
                    layer.combiner,
                ]
            layers.append(layer)
        return layers

    @staticmethod
    def get_layout_map(
        device_mesh,
        model_parallel_dim_name="model",
        data_parallel_dim_name="batch",
    ):
        """How weights are cut among devices, for model parallel training.

        Every large weight, of this backbone and of the tasks made of it, is
        cut along both axes of the mesh, and with it what the optimizer keeps
        of it: with `n` devices each holds about an `n`-th. Along the model
        axis layers are computed in parts; along the data axis, devices send
        each other the parts of a weight when it is needed. Norms, biases and
        the like stay whole.

        JAX only, as all of `keras.distribution`. Axes of the mesh must divide
        the model's widths.

        Args:
            device_mesh: `keras.distribution.DeviceMesh`.
            model_parallel_dim_name: str. The axis of the mesh that layers are
                cut along. Defaults to `"model"`.
            data_parallel_dim_name: str. The axis of the mesh that batches
                are cut along. Defaults to `"batch"`.

        Returns:
            A `keras.distribution.LayoutMap`.

        Raises:
            ValueError: if `device_mesh` is no mesh or has no such axes.

        Example:
        ```python
        # Eight devices: four parts of a batch, layers in two parts.
        devices = [f"tpu:{index}" for index in range(8)]
        mesh = keras.distribution.DeviceMesh(
            (4, 2), ["batch", "model"], devices
        )
        layout_map = keras_mirasol.models.MirasolBackbone.get_layout_map(mesh)
        layout_map["token_embedding/embeddings"].axes  # ("model", "batch")
        # On JAX, before the model is made:
        # keras.distribution.set_distribution(
        #     keras.distribution.ModelParallel(layout_map=layout_map)
        # )
        ```
        """
        return layout_map_of(
            device_mesh, model_parallel_dim_name, data_parallel_dim_name
        )

    @classmethod
    def from_pretrained_parts(
        cls,
        video,
        audio,
        text,
        *,
        snippet_seconds=1.0,
        frames_per_snippet=4,
        image_size=None,
        load_weights=True,
        dtype=None,
        **settings,
    ):
        """A backbone whose eyes, ears and language others have trained.

        See `MirasolCausalLM.from_pretrained_parts()`, which makes the
        preprocessor too.

        Args:
            video, audio, text, snippet_seconds, frames_per_snippet,
                image_size, load_weights, dtype: as there.
            **settings: `num_joint_tokens` (int, defaults to `8`),
                `hidden_dim` (int, defaults to `512`), `num_heads` (int,
                defaults to `8`), `combiner_num_layers` (int, defaults to `2`)
                and `latent_num_layers` (int, defaults to `4`) of what is
                new; `video_settings`, `audio_settings` and `text_settings`,
                dicts of arguments of
                `keras_mirasol.layers.PretrainedVideoEncoder`,
                `PretrainedAudioEncoder` and `PretrainedTextDecoder`; and
                further arguments of `MirasolBackbone`.

        Returns:
            A `MirasolBackbone`. `print(backbone.parts_report)` tells what was
            taken, what is new and what was left behind.

        Raises:
            ValueError: if a part is given otherwise or cannot be what it is
                to be, or a snippet is no whole number of audio frames.

        Example:
        ```python
        backbone = keras_mirasol.models.MirasolBackbone.from_pretrained_parts(
            video="dinov2_small", audio="whisper_tiny_en", text="gpt2_base_en"
        )
        print(backbone.parts_report)
        ```
        """
        # Not above: it needs the converters, which name this class.
        from keras_mirasol.models.pretrained_parts import PretrainedParts

        parts = PretrainedParts(
            video,
            audio,
            text,
            snippet_seconds,
            frames_per_snippet,
            image_size,
            load_weights,
            dtype,
        )
        return parts.build_backbone(cls, **settings)

    @property
    def pretrained_parts(self):
        """The parts that were made of models of KerasHub, by their name."""
        return {
            name: getattr(self, name)
            for name in _PARTS
            if hasattr(getattr(self, name), "frozen")
        }

    def enable_lora_of_parts(self, rank=8, target_layer_names=None):
        """Lets pretrained parts adapt by few weights, beside all that is new.

        Adds low-rank matrices to queries and values of their attention
        ("LoRA", arXiv 2106.09685). Unlike `enable_lora()`, it leaves what is
        trained otherwise as it is. Compile the task afterwards.

        Args:
            rank: int. Defaults to `8`.
            target_layer_names: list of strings. Names of the layers. Defaults
                to `None`, those of `default_lora_layer_names()`.

        Raises:
            ValueError: if there are no such layers in pretrained parts.

        Example:
        ```python
        task = keras_mirasol.models.MirasolCausalLM.from_pretrained_parts(
            video="dinov2_small", audio="whisper_tiny_en", text="gpt2_base_en"
        )
        task.backbone.enable_lora_of_parts(rank=8)
        task.compile(learning_rate=2e-4)
        ```
        """
        names = target_layer_names or self.default_lora_layer_names()
        new = set()
        if "text_decoder" in self.pretrained_parts:
            new = {
                id(layer)
                for gate in self.text_decoder.gates
                for layer in keras_compat.layers_within(gate)
            }
        targets = [
            layer
            for part in self.pretrained_parts.values()
            for layer in keras_compat.layers_within(part)
            if layer.name in names
            and hasattr(layer, "enable_lora")
            and id(layer) not in new
        ]
        if not targets:
            raise ValueError(
                f"There is no layer named one of {names} in the pretrained "
                f"parts {list(self.pretrained_parts)}. Give "
                "`target_layer_names`, or make the backbone with "
                "`from_pretrained_parts()`."
            )
        for layer in targets:
            layer.trainable = True
            layer.enable_lora(rank)
            if layer.bias is not None:
                layer.bias.trainable = False

    def encode_snippets(self, inputs, **combiner_state):
        """Joint tokens: what is seen and heard in each snippet, fused.

        Args:
            inputs: dict with the inputs of the backbone that are about clips.
            **combiner_state: `state` of a Combiner that has one, to go through
                a clip piece by piece.

        Returns:
            A tensor of shape `(batch, T, m, hidden_dim)`. The snippet
            Transformer makes snippet latents of it. With `state`, a pair of it
            and the state after the last snippet.
        """
        pixel_values, audio_features, video_mask, audio_mask = (
            inputs[name]
            for name in (
                "pixel_values",
                "audio_features",
                "video_mask",
                "audio_mask",
            )
        )
        # Pieces of a stream are slices already.
        if self.snippet_slices is not None and not combiner_state:
            return self.snippet_slices(
                pixel_values, audio_features, video_mask, audio_mask
            )
        return self.combiner(
            self.video_encoder(pixel_values, video_mask),
            self.audio_encoder(audio_features, audio_mask),
            video_mask,
            audio_mask,
            **combiner_state,
        )

    def encode_memory(self, inputs):
        """What text attends to of clips, made once for all texts and tokens.

        Args:
            inputs: as for `encode_snippets()`.

        Returns:
            What `TextDecoder.encode_memory()` makes of the snippet latents.
        """
        return self.text_decoder.encode_memory(
            self.snippet_transformer(self.encode_snippets(inputs)),
            snippet_mask(inputs),
        )

    def decode_text(
        self,
        token_ids,
        padding_mask,
        snippet_latents=None,
        snippet_mask=None,
        training=None,
        layer_intercept_fn=None,
    ):
        """Hidden states of texts that attend to their clips.

        Args:
            token_ids: int tensor `(batch * texts_per_clip, L)`.
            padding_mask: bool tensor of the same shape.
            snippet_latents: tensor `(batch, T, m, hidden_dim)`. Defaults to
                `None`: texts are shown a clip without any snippet.
            snippet_mask: bool tensor `(batch, T)`, which snippets exist.
            training: bool. Defaults to `None`.
            layer_intercept_fn: a function of activations and an int that
                returns what goes on in their place: of the embedded tokens,
                with `-1`, and of what each block of the text decoder makes.
                Defaults to `None`.

        Returns:
            A tensor of shape `(batch * texts_per_clip, L, text_hidden_dim)`.
        """
        if snippet_latents is None:
            snippet_latents = ops.zeros(
                (1, 1, self.num_joint_tokens, self.hidden_dim),
                self.snippet_transformer.compute_dtype,
            )
            snippet_mask = ops.zeros((1, 1), "bool")
        embedded = self.token_embedding(token_ids)
        intercepted = {}
        if layer_intercept_fn is not None:
            embedded = layer_intercept_fn(embedded, -1)
            intercepted = {"layer_intercept_fn": layer_intercept_fn}
        return self.text_decoder(
            embedded,
            snippet_latents,
            snippet_mask,
            padding_mask,
            training=training,
            **intercepted,
        )

    def get_config(self):
        combiner = self.combiner_kind
        if not isinstance(combiner, str):
            combiner = keras.layers.serialize(self.combiner)
        ready = {
            name: keras.layers.serialize(getattr(self, name))
            for name in self._ready_parts
        }
        return {
            **super().get_config(),
            **dict.fromkeys(_PARTS),
            **ready,
            "vocabulary_size": self.vocabulary_size,
            "frames_per_snippet": self.frames_per_snippet,
            "audio_frames_per_snippet": self.audio_frames_per_snippet,
            "image_size": self.image_size,
            "num_mels": self.num_mels,
            "num_joint_tokens": self.num_joint_tokens,
            "tubes": self.tubes,
            "video_hidden_dim": self.video_hidden_dim,
            "video_num_layers": self.video_num_layers,
            "video_num_heads": self.video_num_heads,
            "audio_patch_size": self.audio_patch_size,
            "audio_hidden_dim": self.audio_hidden_dim,
            "audio_num_layers": self.audio_num_layers,
            "audio_num_heads": self.audio_num_heads,
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "combiner_num_layers": self.combiner_num_layers,
            "latent_num_layers": self.latent_num_layers,
            "text_hidden_dim": self.text_hidden_dim,
            "text_num_layers": self.text_num_layers,
            "text_num_heads": self.text_num_heads,
            "combiner": combiner,
            "combiner_settings": dict(self.combiner_settings),
            "stem_filters": self.stem_filters,
            "snippet_seconds": self.snippet_seconds,
            "time_wavelengths": self.time_wavelengths,
            "dropout": self.dropout,
            "rematerialize": self.rematerialize,
            "snippets_per_slice": self.snippets_per_slice,
        }


def snippet_mask(inputs):
    """Which snippets have video or audio, `(batch, T)`."""
    return ops.logical_or(inputs["video_mask"], inputs["audio_mask"])


def _parts_to_rematerialize(names):
    """Names of parts, in their order."""
    if names is True:
        return _REMATERIALIZED
    names = (names,) if isinstance(names, str) else names or ()
    unknown = [name for name in names if name not in _REMATERIALIZED]
    if unknown:
        raise ValueError(
            "`rematerialize` must be `True` or names among "
            f"{list(_REMATERIALIZED)}. Received: {unknown}"
        )
    return tuple(name for name in _REMATERIALIZED if name in names)


def _check_snippets_per_slice(count):
    if count is not None and not (isinstance(count, int) and count > 0):
        raise ValueError(
            "`snippets_per_slice` must be a positive int, or `None` for all "
            f"snippets at once. Received: {count!r}"
        )


def _ready_or_made(name, ready, sizes, **settings):
    """A part of the backbone: the layer that is given, or one of these sizes.

    Args:
        name: str. One of `_PARTS`.
        ready: dict of the parts that are given, or `None`.
        sizes: dict of all sizes that are given, or `None`.
        **settings: further arguments of a layer that is made.
    """
    part = ready[name]
    layer_class, arguments = _PARTS[name]
    own = {size: sizes[size] for size in arguments}
    if part is None:
        if None in own.values():
            raise ValueError(
                f"Give all of {list(own)}, or `{name}`, a ready layer. "
                f"Received: {own}"
            )
        own = {arguments[size]: own[size] for size in own}
        return layer_class(name=name, **own, **settings)
    # The width of text is that of both its parts.
    own.pop("text_hidden_dim", None)
    given = [size for size in own if own[size] is not None]
    if given:
        raise ValueError(
            f"{given} describe the `{name}` that is made where none is given. "
            "Leave them out beside a ready one."
        )
    if isinstance(part, dict):
        part = keras.layers.deserialize(part)
    if not isinstance(part, keras.layers.Layer):
        raise ValueError(
            f"`{name}` must be a layer with the interface of "
            f"`{layer_class.__name__}`. Received: {part!r}"
        )
    return part


def _get_combiner(combiner, settings, *, snippet_seconds, wavelengths, **sizes):
    if combiner == "transformer":
        return TransformerCombiner(name="combiner", **{**sizes, **settings})
    if combiner == "token_turing":
        times = dict(snippet_seconds=snippet_seconds, wavelengths=wavelengths)
        return TokenTuringCombiner(
            name="combiner", **{**sizes, **times, **settings}
        )
    if isinstance(combiner, dict):
        combiner = keras.layers.deserialize(combiner)
    if not isinstance(combiner, keras.layers.Layer):
        raise ValueError(
            '`combiner` must be "transformer", "token_turing" or a layer with '
            f"the interface of `TransformerCombiner`. Received: {combiner}"
        )
    if settings:
        raise ValueError(
            "`combiner_settings` are for a Combiner chosen by name; give "
            f"{combiner.__class__.__name__} its arguments directly. Received: "
            f"{settings}"
        )
    return combiner
