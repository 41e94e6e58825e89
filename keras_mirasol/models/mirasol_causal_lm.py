"""The Mirasol task: answers in text about video and audio."""

import keras
import keras_hub
from keras import ops

from keras_mirasol import losses
from keras_mirasol.layers import FrameReconstruction
from keras_mirasol.layers import NextLatentPredictor
from keras_mirasol.layers import SpectrogramReconstruction
from keras_mirasol.models.mirasol_backbone import MirasolBackbone


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolCausalLM(keras_hub.models.CausalLM):
    backbone_cls = MirasolBackbone

    def __init__(
        self,
        backbone,
        preprocessor=None,
        text_weight=1.0,
        latent_weight=0.1,
        frame_weight=0.1,
        spectrogram_weight=0.1,
        frame_downsampling=4,
        mel_downsampling=2,
        **kwargs,
    ):
        dtype = backbone.dtype_policy
        # === Layers ===
        self.backbone = backbone
        self.preprocessor = preprocessor
        weights = {
            "text": text_weight,
            "latent": latent_weight,
            "frame": frame_weight,
            "spectrogram": spectrogram_weight,
        }
        heads = {}
        if latent_weight:
            heads["predicted_joint_tokens"] = NextLatentPredictor(
                dtype=dtype, name="next_latent_predictor"
            )
        if frame_weight:
            height, width = backbone.image_size
            frames = backbone.frames_per_snippet
            heads["frames"] = FrameReconstruction(
                (
                    frames,
                    height // frame_downsampling,
                    width // frame_downsampling,
                    3,
                ),
                patch_size=(frames, 4, 4),
                num_heads=backbone.num_heads,
                dtype=dtype,
                name="frame_reconstruction",
            )
        if spectrogram_weight:
            bands = backbone.bands_per_snippet
            heads["spectrogram"] = SpectrogramReconstruction(
                (bands, backbone.num_mels // mel_downsampling),
                patch_size=(bands, 4),
                num_heads=backbone.num_heads,
                dtype=dtype,
                name="spectrogram_reconstruction",
            )

        # === Functional Model ===
        inputs = backbone.input
        outputs = backbone(inputs)
        latents = outputs["snippet_latents"]
        outputs = {
            "logits": backbone.token_embedding(
                outputs["sequence_output"], reverse=True
            ),
            "joint_tokens": outputs["joint_tokens"],
            **{name: head(latents) for name, head in heads.items()},
        }
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        # Texts may come as (batch, texts_per_clip, L) too; see `call()`.
        self.input_spec = None

        # === Config ===
        self.objective_weights = weights
        self.frame_downsampling = frame_downsampling
        self.mel_downsampling = mel_downsampling
        self.trackers = {
            f"{name}_loss": keras.metrics.Mean(name=f"{name}_loss")
            for name, weight in weights.items()
            if weight
        }
        self.accuracy = keras.metrics.SparseCategoricalAccuracy(
            name="token_accuracy"
        )

    def compile(self, optimizer="auto", *, sampler="greedy", **kwargs):
        super().compile(
            optimizer=optimizer,
            loss=None,
            weighted_metrics=None,
            sampler=sampler,
            **kwargs,
        )

    def call(self, inputs, training=None, mask=None):
        texts_shape = inputs["token_ids"].shape
        if len(texts_shape) == 2:
            return super().call(inputs, training=training)
        texts_per_clip, length = texts_shape[1:]
        flat = {
            key: ops.reshape(inputs[key], (-1, length))
            for key in ("token_ids", "padding_mask")
        }
        outputs = super().call({**inputs, **flat}, training=training)
        logits = outputs["logits"]
        outputs["logits"] = ops.reshape(
            logits, (-1, texts_per_clip, length, logits.shape[-1])
        )
        return outputs

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        video_mask = ops.cast(x["video_mask"], "bool")
        audio_mask = ops.cast(x["audio_mask"], "bool")
        snippet_mask = ops.logical_or(video_mask, audio_mask)
        values = {
            "text_loss": losses.text_loss(y, y_pred["logits"], sample_weight)
        }
        self.accuracy.update_state(y, y_pred["logits"], sample_weight)
        if "predicted_joint_tokens" in y_pred:
            values["latent_loss"] = losses.next_latent_loss(
                y_pred["joint_tokens"],
                y_pred["predicted_joint_tokens"],
                snippet_mask,
            )
        if "frames" in y_pred:
            values["frame_loss"] = losses.next_frames_loss(
                x["pixel_values"], y_pred["frames"], snippet_mask, video_mask
            )
        if "spectrogram" in y_pred:
            values["spectrogram_loss"] = losses.next_spectrogram_loss(
                x["audio_features"],
                y_pred["spectrogram"],
                snippet_mask,
                audio_mask,
            )
        total = 0.0
        for name, value in values.items():
            self.trackers[name].update_state(value)
            total += self.objective_weights[name[:-5]] * value
        return total
