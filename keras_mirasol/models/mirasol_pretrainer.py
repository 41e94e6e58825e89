"""The pretraining task: six objectives at once."""

import keras
import keras_hub
from keras import ops

from keras_mirasol import losses
from keras_mirasol.layers import ClipEmbedding
from keras_mirasol.layers import JointTokenMasking
from keras_mirasol.layers import MatchingHead
from keras_mirasol.layers import ScaledSimilarity
from keras_mirasol.layers import TextEmbedding
from keras_mirasol.models import replicas
from keras_mirasol.models.mirasol_backbone import snippet_mask
from keras_mirasol.models.mirasol_task import precision
from keras_mirasol.models.mirasol_task import text_rows
from keras_mirasol.models.objective_task import ObjectiveTask


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolPretrainer(ObjectiveTask, keras_hub.models.Task):
    """Pretrains a backbone on clips and texts about them.

    | objective     | what is learned                                        |
    |---------------|--------------------------------------------------------|
    | `text`        | the response, token by token (captioning)              |
    | `latent`      | the joint tokens of the next snippet                   |
    | `frame`       | small frames of the next snippet                       |
    | `spectrogram` | a small spectrogram of the next snippet                |
    | `contrastive` | which clip of the batch a text is about, and which     |
    |               | text is about a clip, from one vector each             |
    | `matching`    | whether a text is about a clip that it attends to;     |
    |               | each text also meets a wrong clip, each clip a wrong   |
    |               | text, and the more alike the more often                |

    A weight of 0 leaves an objective and its layers out. All losses show in
    the progress bar by name, and so does `joint_token_spread`; see
    `keras_mirasol.metrics.JointTokenSpread`.

    The pretrained `backbone` is that of any other task:
    `MirasolCausalLM(pretrainer.backbone, pretrainer.preprocessor)`. For
    retrieval see `MirasolEmbedder`.

    Give it what `MirasolCausalLM` is trained on. A text is a prompt with its
    response; for captions the prompt may be empty, or the same all over.
    Texts that are equal, token for token, are no negatives of each other's
    clips, nor are texts that nothing is to be learned from (no
    `sample_weight`), or clips without any snippet. A batch of one clip has no
    negatives, and adds nothing to the last two objectives.

    Data parallelism: `contrastive` takes its negatives from all replicas,
    under `keras.distribution` on JAX, `tf.distribute` on TensorFlow and
    `torch.distributed` on PyTorch (all processes must then evaluate, too, and
    have batches of one size). `matching` takes its negatives from all
    replicas on JAX, and from its own on the others.

    Calling the model gives a dict, as `MirasolCausalLM` does, which for
    `contrastive` has `"clip_embeddings"` of shape `(batch, embedding_dim)` and
    `"text_embeddings"` of shape `(..., embedding_dim)`, and for `matching`
    `"match_logits"`, whether each text is about its clip, and
    `"snippet_latents"`.

    Args:
        backbone: a `MirasolBackbone`.
        preprocessor: a `MirasolCausalLMPreprocessor`. Defaults to `None`:
            inputs must be preprocessed.
        text_weight: float. Weight of the text loss. Defaults to `1.0`.
        latent_weight: float. Weight of next-latent prediction. Defaults to
            `1.0`.
        frame_weight: float. Weight of the reconstruction of frames. Defaults
            to `1.0`.
        spectrogram_weight: float. Weight of the reconstruction of the
            spectrogram. Defaults to `1.0`.
        contrastive_weight: float. Weight of the contrastive loss. Defaults
            to `1.0`.
        matching_weight: float. Weight of the matching loss. Defaults to
            `1.0`.
        embedding_dim: int. Size of the embeddings of clips and texts.
            Defaults to `256`.
        mask_rate: float in `[0, 1)`. Share of the joint tokens to hide from
            the snippet Transformer in training; see
            `keras_mirasol.layers.JointTokenMasking`. What is to be predicted
            is never masked. Defaults to `0.0`.
        frame_downsampling: int. How many times smaller reconstructed frames
            are, along height and width. Defaults to `4`.
        mel_downsampling: int. How many times fewer mel bins a reconstructed
            spectrogram has. Defaults to `2`.
        seed: int. Makes masking and the choice of negatives reproducible.
            Defaults to `None`.
        **kwargs: see `keras_hub.models.Task`.

    Raises:
        ValueError: if the preprocessor does not make what the backbone reads.

    Example:
    ```python
    pretrainer = keras_mirasol.models.MirasolPretrainer.from_preset(
        "mirasol_tiny", mask_rate=0.1
    )
    train = keras_mirasol.data.clip_dataset(
        "train.jsonl", pretrainer.preprocessor, batch_size=16, shuffle=True
    )
    pretrainer.compile(optimizer=keras.optimizers.AdamW(1e-4))
    pretrainer.fit(train, epochs=3)
    pretrainer.save_to_preset("./pretrained")

    task = keras_mirasol.models.MirasolCausalLM.from_preset("./pretrained")
    embedder = keras_mirasol.models.MirasolEmbedder.from_preset(
        "./pretrained"
    )
    ```
    """

    def __init__(
        self,
        backbone,
        preprocessor=None,
        text_weight=1.0,
        latent_weight=1.0,
        frame_weight=1.0,
        spectrogram_weight=1.0,
        contrastive_weight=1.0,
        matching_weight=1.0,
        embedding_dim=256,
        mask_rate=0.0,
        frame_downsampling=4,
        mel_downsampling=2,
        seed=None,
        **kwargs,
    ):
        # === Layers ===
        dtype = precision(backbone)
        clip_embedding = text_embedding = matching_head = similarity = None
        if contrastive_weight:
            clip_embedding = ClipEmbedding(
                embedding_dim,
                backbone.hidden_dim,
                num_heads=backbone.num_heads,
                dtype=dtype,
                name="clip_embedding",
            )
            text_embedding = TextEmbedding(
                embedding_dim, dtype=dtype, name="text_embedding"
            )
            similarity = ScaledSimilarity(dtype="float32", name="similarity")
            similarity.build()
        if matching_weight:
            matching_head = MatchingHead(dtype=dtype, name="matching_head")

        # === Functional Model ===
        inputs = backbone.input
        snippets = snippet_mask(inputs)
        padding_mask = inputs["padding_mask"]
        # Whole only where all of it is of use: what is not would be computed.
        is_whole = (text_weight or matching_weight) and not mask_rate
        read = backbone(inputs) if is_whole else backbone.output
        joint_tokens = read["joint_tokens"]
        latents = read["snippet_latents"]
        hidden_states = read["sequence_output"]
        if mask_rate:
            masking = JointTokenMasking(
                mask_rate, seed, dtype=dtype, name="joint_token_masking"
            )
            latents = backbone.snippet_transformer(masking(joint_tokens))
            hidden_states = backbone.decode_text(
                inputs["token_ids"], padding_mask, latents, snippets
            )
        outputs = {"joint_tokens": joint_tokens}
        if text_weight:
            outputs["logits"] = backbone.token_embedding(
                hidden_states, reverse=True
            )
        if contrastive_weight:
            outputs["clip_embeddings"] = clip_embedding(latents, snippets)
            outputs["text_embeddings"] = text_embedding(
                backbone.decode_text(inputs["token_ids"], padding_mask),
                padding_mask,
            )
        if matching_weight:
            outputs["match_logits"] = matching_head(hidden_states, padding_mask)
            outputs["snippet_latents"] = latents
        super().__init__(
            backbone,
            preprocessor,
            snippet_latents=latents,
            outputs=outputs,
            objective_weights={
                "text": text_weight,
                "latent": latent_weight,
                "frame": frame_weight,
                "spectrogram": spectrogram_weight,
                "contrastive": contrastive_weight,
                "matching": matching_weight,
            },
            frame_downsampling=frame_downsampling,
            mel_downsampling=mel_downsampling,
            **kwargs,
        )
        self.clip_embedding = clip_embedding
        self.text_embedding = text_embedding
        self.similarity = similarity
        self.matching_head = matching_head
        self.seed_generator = keras.random.SeedGenerator(seed)

        # === Config ===
        self.embedding_dim = embedding_dim
        self.mask_rate = mask_rate
        self.seed = seed

    def compute_objectives(self, x, y, y_pred, sample_weight, training):
        values = super().compute_objectives(
            x, y, y_pred, sample_weight, training
        )
        batch = _texts_and_clips(x, sample_weight)
        if "contrastive" in self.loss_trackers:
            batch["text_embeddings"] = text_rows(y_pred["text_embeddings"])
            batch["clip_embeddings"] = y_pred["clip_embeddings"]
            values["contrastive"] = self._contrastive_loss(
                replicas.gather(batch)
            )
        if "matching" in self.loss_trackers:
            values["matching"] = self._matching_loss(
                batch, y_pred, snippet_mask(x), training
            )
        return values

    def _contrastive_loss(self, batch):
        similarity = self.similarity(
            batch["text_embeddings"], batch["clip_embeddings"]
        )
        return losses.contrastive_loss(similarity, *_pairs(batch))

    def _matching_loss(self, batch, y_pred, snippets, training):
        pairs, negatives = _pairs(batch)
        if "contrastive" in self.loss_trackers:
            similarity = self.similarity(
                batch["text_embeddings"], batch["clip_embeddings"]
            )
        else:
            similarity = ops.zeros_like(pairs, dtype="float32")
        wrong_clips, has_wrong_clip = losses.hard_negatives(
            similarity, negatives, self.seed_generator
        )
        wrong_texts, has_wrong_text = losses.hard_negatives(
            ops.transpose(similarity),
            ops.transpose(negatives),
            self.seed_generator,
        )
        # Each text with a wrong clip, then each clip with a wrong text.
        texts, clips = (
            ops.arange(ops.shape(negatives)[axis], dtype="int32")
            for axis in (0, 1)
        )
        texts = ops.concatenate([texts, wrong_texts], axis=0)
        clips = ops.concatenate([wrong_clips, clips], axis=0)
        padding_mask = ops.take(batch["padding_mask"], texts, axis=0)
        hidden_states = self.backbone.decode_text(
            ops.take(batch["token_ids"], texts, axis=0),
            padding_mask,
            ops.take(y_pred["snippet_latents"], clips, axis=0),
            ops.take(snippets, clips, axis=0),
            training=training,
        )
        wrong = self.matching_head(hidden_states, padding_mask)
        right = ops.reshape(y_pred["match_logits"], (-1,))
        # Without wrong clips there is nothing to tell right ones from.
        counts = ops.logical_and(ops.any(pairs, axis=1), has_wrong_clip)
        return losses.matching_loss(
            ops.concatenate(
                [ops.ones_like(right, "bool"), ops.zeros_like(wrong, "bool")]
            ),
            ops.concatenate([right, wrong]),
            ops.concatenate([counts, has_wrong_clip, has_wrong_text]),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "mask_rate": self.mask_rate,
            "seed": self.seed,
        }


def _texts_and_clips(x, sample_weight):
    """A batch's texts, one a row, and which texts and clips count."""
    padding_mask = ops.cast(text_rows(x["padding_mask"]), "bool")
    learned = padding_mask if sample_weight is None else sample_weight
    return {
        "token_ids": ops.cast(text_rows(x["token_ids"]), "int32"),
        "padding_mask": padding_mask,
        "text_mask": ops.any(ops.cast(text_rows(learned), "bool"), axis=1),
        "clip_mask": ops.any(snippet_mask(x), axis=1),
    }


def _pairs(batch):
    return losses.text_clip_pairs(
        batch["token_ids"],
        batch["padding_mask"],
        batch["text_mask"],
        batch["clip_mask"],
    )
