"""The pretraining task: all objectives at once."""

import keras
import keras_hub

from keras_mirasol.layers import JointTokenMasking
from keras_mirasol.models.mirasol_backbone import snippet_mask
from keras_mirasol.models.mirasol_task import precision
from keras_mirasol.models.objective_task import ObjectiveTask
from keras_mirasol.models.objectives import ContrastiveObjective
from keras_mirasol.models.objectives import FrameObjective
from keras_mirasol.models.objectives import LatentObjective
from keras_mirasol.models.objectives import MatchingObjective
from keras_mirasol.models.objectives import PastObjective
from keras_mirasol.models.objectives import SpectrogramObjective
from keras_mirasol.models.objectives import TextObjective


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
    | `past`        | the joint tokens of an earlier snippet (not in the     |
    |               | paper, and left out by default)                        |

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
        past_weight: float. Weight of past-latent prediction. Defaults to
            `0.0`.
        past_lag: int. How many snippets earlier. Defaults to `1`.
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
        past_weight=0.0,
        past_lag=1,
        embedding_dim=256,
        mask_rate=0.0,
        frame_downsampling=4,
        mel_downsampling=2,
        seed=None,
        **kwargs,
    ):
        contrastive = ContrastiveObjective(contrastive_weight, embedding_dim)
        matching = MatchingObjective(matching_weight, contrastive, seed)
        # Whole only where all of it is of use: what is not would be computed.
        is_whole = (text_weight or matching_weight) and not mask_rate
        read = backbone(backbone.input) if is_whole else backbone.output
        read = {**backbone.input, **read}
        if mask_rate:
            read = _masked(backbone, read, mask_rate, seed)
        super().__init__(
            backbone,
            preprocessor,
            read,
            objectives=[
                TextObjective(text_weight),
                LatentObjective(latent_weight),
                FrameObjective(frame_weight, frame_downsampling),
                SpectrogramObjective(spectrogram_weight, mel_downsampling),
                contrastive,
                matching,
                PastObjective(past_weight, past_lag),
            ],
            **kwargs,
        )
        # Known to Keras, which does not look into objectives.
        self.clip_embedding = contrastive.clip_embedding
        self.text_embedding = contrastive.text_embedding
        self.similarity = contrastive.similarity
        self.matching_head = matching.head
        self.seed_generator = matching.seed_generator
        self.mask_rate = mask_rate
        self.seed = seed

    def get_config(self):
        return {
            **super().get_config(),
            "mask_rate": self.mask_rate,
            "seed": self.seed,
        }


def _masked(backbone, read, mask_rate, seed):
    """What is read from a clip some of whose joint tokens are hidden."""
    masking = JointTokenMasking(
        mask_rate,
        seed,
        dtype=precision(backbone),
        name="joint_token_masking",
    )
    latents = backbone.snippet_transformer(masking(read["joint_tokens"]))
    return {
        **read,
        "snippet_latents": latents,
        "sequence_output": backbone.decode_text(
            read["token_ids"],
            read["padding_mask"],
            latents,
            snippet_mask(read),
        ),
    }
