"""Encoders and Combiner, slice by slice of a clip."""

import keras
from keras import ops

from keras_mirasol.layers.recurrence import recur


class SnippetSlices(keras.layers.Layer):
    """Goes through a clip in slices of snippets, for its joint tokens alone.

    ```
    joint_tokens of a slice, state = combiner(encoders(slice), state)
    ```

    in a loop that is compiled once. What encoders and Combiner compute of a
    slice is computed again in the backward pass, so that it is never there for
    more than one slice. Joint tokens and gradients are those of the whole clip
    at once, but for what dropout draws.

    Args:
        video_encoder: a built layer, see `VideoEncoder`.
        audio_encoder: a built layer, see `AudioEncoder`.
        combiner: a built layer, see `TransformerCombiner`. If it carries
            something from snippet to snippet, it has `empty_state()` and takes
            a `state`, as `TokenTuringCombiner` does.
        frames_per_snippet: int. Video frames in a snippet.
        audio_frames_per_snippet: int. Spectrogram frames in a snippet.
        snippets_per_slice: int. Most snippets of a slice. Where a clip's
            number of snippets is known, slices are as even as may be; the last
            is filled up with masked snippets.
        **kwargs: see `keras.layers.Layer`.

    Call arguments:
        pixel_values, audio_features, video_mask, audio_mask: as the inputs of
            `keras_mirasol.models.MirasolBackbone`.

    Returns:
        A tensor of shape `(batch, T, m, dim)`.
    """

    def __init__(
        self,
        video_encoder,
        audio_encoder,
        combiner,
        frames_per_snippet,
        audio_frames_per_snippet,
        snippets_per_slice,
        **kwargs,
    ):
        # Weights as they are: their gradients add up over slices, which half
        # precision would spoil.
        super().__init__(autocast=False, **kwargs)
        self.video_encoder = video_encoder
        self.audio_encoder = audio_encoder
        self.combiner = combiner
        self.frames_per_snippet = frames_per_snippet
        self.audio_frames_per_snippet = audio_frames_per_snippet
        self.snippets_per_slice = snippets_per_slice
        # As its layers are, under names of their own.
        self.built = True

    def call(
        self,
        pixel_values,
        audio_features,
        video_mask,
        audio_mask,
        training=None,
    ):
        batch, snippets = ops.shape(video_mask)
        count, size = self._slices(snippets, video_mask.shape[1])

        def cut(x, steps=1):
            """A signal in slices, `(count, batch, size * steps, ...)`."""
            missing = (count * size - snippets) * steps
            open_end = [(0, 0), (0, missing)] + [(0, 0)] * (len(x.shape) - 2)
            x = ops.reshape(
                ops.pad(x, open_end),
                (batch, count, size * steps, *x.shape[2:]),
            )
            return ops.moveaxis(x, 1, 0)

        has_state = hasattr(self.combiner, "empty_state")

        def encode(inputs, state):
            pixel_values, audio_features, video_mask, audio_mask = inputs
            fused = self.combiner(
                self.video_encoder(pixel_values, video_mask, training=training),
                self.audio_encoder(
                    audio_features, audio_mask, training=training
                ),
                video_mask,
                audio_mask,
                training=training,
                **({"state": state} if has_state else {}),
            )
            return fused if has_state else (fused, state)

        joint_tokens, _ = recur(
            encode,
            [self.video_encoder, self.audio_encoder, self.combiner],
            (
                cut(pixel_values, self.frames_per_snippet),
                cut(audio_features, self.audio_frames_per_snippet),
                cut(ops.cast(video_mask, "bool")),
                cut(ops.cast(audio_mask, "bool")),
            ),
            self.combiner.empty_state(batch) if has_state else (),
        )
        joint_tokens = ops.moveaxis(joint_tokens, 0, 1)
        joint_tokens = ops.reshape(
            joint_tokens, (batch, count * size, *joint_tokens.shape[3:])
        )
        return joint_tokens[:, :snippets]

    def _slices(self, snippets, known):
        """How many slices there are, and how many snippets each has."""
        count = -(-snippets // self.snippets_per_slice)
        if known is None:
            return count, self.snippets_per_slice
        return count, -(-known // count)

    def compute_output_spec(
        self,
        pixel_values,
        audio_features,
        video_mask,
        audio_mask,
        training=None,
    ):
        return self.combiner.compute_output_spec(
            self.video_encoder.compute_output_spec(pixel_values, video_mask),
            self.audio_encoder.compute_output_spec(audio_features, audio_mask),
            video_mask,
            audio_mask,
        )
