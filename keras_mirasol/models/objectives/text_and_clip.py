"""The objectives of text and clip: which belong together."""

import keras
from keras import ops

from keras_mirasol import losses
from keras_mirasol.layers import ClipEmbedding
from keras_mirasol.layers import MatchingHead
from keras_mirasol.layers import ScaledSimilarity
from keras_mirasol.layers import TextEmbedding
from keras_mirasol.models import replicas
from keras_mirasol.models.mirasol_backbone import snippet_mask
from keras_mirasol.models.mirasol_task import precision
from keras_mirasol.models.mirasol_task import text_rows
from keras_mirasol.models.objectives.objective import Objective


class ContrastiveObjective(Objective):
    """Which clip of a batch a text is about, from one vector each.

    Args:
        weight: float.
        embedding_dim: int. Size of the vectors.
    """

    name = "contrastive"

    def __init__(self, weight, embedding_dim):
        super().__init__(weight)
        self.embedding_dim = embedding_dim
        self.clip_embedding = self.text_embedding = self.similarity = None

    def connect(self, backbone, read):
        dtype = precision(backbone)
        self.clip_embedding = ClipEmbedding(
            self.embedding_dim,
            backbone.hidden_dim,
            num_heads=backbone.num_heads,
            dtype=dtype,
            name="clip_embedding",
        )
        self.text_embedding = TextEmbedding(
            self.embedding_dim, dtype=dtype, name="text_embedding"
        )
        self.similarity = ScaledSimilarity(dtype="float32", name="similarity")
        self.similarity.build()
        token_ids, padding_mask = read["token_ids"], read["padding_mask"]
        return {
            "clip_embeddings": self.clip_embedding(
                read["snippet_latents"], snippet_mask(read)
            ),
            "text_embeddings": self.text_embedding(
                backbone.decode_text(token_ids, padding_mask), padding_mask
            ),
        }

    def loss(self, x, y, y_pred, sample_weight, training):
        batch = replicas.gather(
            {**_texts_and_clips(x, sample_weight), **_embeddings(y_pred)}
        )
        return losses.contrastive_loss(self.compare(batch), *_pairs(batch))

    def compare(self, embeddings):
        """How alike each text and each clip are, `(texts, clips)`."""
        return self.similarity(
            embeddings["text_embeddings"], embeddings["clip_embeddings"]
        )

    def get_config(self):
        return {**super().get_config(), "embedding_dim": self.embedding_dim}


class MatchingObjective(Objective):
    """Whether a text is about a clip that it attends to.

    Args:
        weight: float.
        contrastive: a `ContrastiveObjective`. What it finds alike is told
            apart the more often; if it is left out, all are as often.
        seed: int or `None`, of the choice of what is told apart.
    """

    name = "matching"

    def __init__(self, weight, contrastive, seed):
        super().__init__(weight)
        self.contrastive = contrastive
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.backbone = self.head = None

    def connect(self, backbone, read):
        self.backbone = backbone
        self.head = MatchingHead(
            dtype=precision(backbone), name="matching_head"
        )
        return {
            "match_logits": self.head(
                read["sequence_output"], read["padding_mask"]
            ),
            "snippet_latents": read["snippet_latents"],
        }

    def loss(self, x, y, y_pred, sample_weight, training):
        snippets = snippet_mask(x)
        batch = _texts_and_clips(x, sample_weight)
        pairs, negatives = _pairs(batch)
        if self.contrastive.weight:
            similarity = self.contrastive.compare(_embeddings(y_pred))
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
        wrong = self.head(hidden_states, padding_mask)
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


def _texts_and_clips(x, sample_weight):
    """A batch's texts, one per row, and which texts and clips count."""
    padding_mask = ops.cast(text_rows(x["padding_mask"]), "bool")
    learned = padding_mask if sample_weight is None else sample_weight
    return {
        "token_ids": ops.cast(text_rows(x["token_ids"]), "int32"),
        "padding_mask": padding_mask,
        "text_mask": ops.any(ops.cast(text_rows(learned), "bool"), axis=1),
        "clip_mask": ops.any(snippet_mask(x), axis=1),
    }


def _embeddings(y_pred):
    """Those of texts, one per row, and of clips."""
    return {
        "text_embeddings": text_rows(y_pred["text_embeddings"]),
        "clip_embeddings": y_pred["clip_embeddings"],
    }


def _pairs(batch):
    return losses.text_clip_pairs(
        batch["token_ids"],
        batch["padding_mask"],
        batch["text_mask"],
        batch["clip_mask"],
    )
