"""From raw clips to features and masks, in a TensorFlow graph.

A clip goes through once: its snippets are counted, either modality is fitted
to them and converted, and masks tell which snippets have it.
"""

import dataclasses

import tensorflow as tf

from keras_mirasol.preprocessing.absent import NO_AUDIO
from keras_mirasol.preprocessing.absent import NO_VIDEO
from keras_mirasol.preprocessing.clip_inputs import to_dense
from keras_mirasol.preprocessing.snippets import count_snippets
from keras_mirasol.preprocessing.snippets import first_snippets
from keras_mirasol.preprocessing.snippets import fit_length
from keras_mirasol.preprocessing.snippets import snippet_bucket


@dataclasses.dataclass(frozen=True)
class ClipConverter:
    """Turns clips into features and masks, snippet by snippet.

    Args:
        video_converter: callable from uint8 frames `(frames, height, width,
            3)` to float frames.
        audio_converter: callable from samples `(samples,)` to spectrogram
            frames `(frames, mels)`.
        frames_per_snippet: int. F.
        audio_frames_per_snippet: int. A.
        samples_per_snippet: int. Samples of A spectrogram frames.

    Example:
    ```python
    converter = keras_mirasol.preprocessing.ClipConverter(
        video_converter=keras_mirasol.models.MirasolVideoConverter(32),
        audio_converter=keras_mirasol.models.MirasolAudioConverter(64),
        frames_per_snippet=2,
        audio_frames_per_snippet=5,
        samples_per_snippet=4000,
    )
    features = converter.convert(
        tf.zeros((16, 64, 64, 3), tf.uint8), tf.zeros((32000,))
    )
    features["video_mask"].shape  # (8,)
    ```
    """

    video_converter: object
    audio_converter: object
    frames_per_snippet: int
    audio_frames_per_snippet: int
    samples_per_snippet: int

    def convert(self, videos, audio, num_snippets=None, context=None):
        """Features and masks of one clip, or of a piece of it.

        Args:
            videos: uint8 tensor `(frames, height, width, 3)`; no frames means
                that there is no video.
            audio: float tensor `(samples,)`; no samples means that there is
                no audio.
            num_snippets: scalar int tensor. Snippets to fill the clip up to.
                Defaults to `None`, the bucket of its own; see
                `snippet_bucket()`.
            context: float tensor. The samples of whole spectrogram frames that
                came before, if this is a later piece of a clip. Defaults to
                `None`: it is the beginning.

        Returns:
            A dict of `"pixel_values"`, `"audio_features"`, `"video_mask"` and
            `"audio_mask"`.

        Raises:
            tf.errors.InvalidArgumentError: if the clip has more snippets than
                `num_snippets`.
        """
        with_video, with_audio = self._count(
            tf.shape(videos)[0], tf.shape(audio)[0]
        )
        longest = _longest(with_video, with_audio)
        if num_snippets is None:
            num_snippets = snippet_bucket(longest)
        else:
            fits = _check_room(longest, num_snippets)
            with tf.control_dependencies([fits]):
                num_snippets = tf.identity(num_snippets)
        pixel_values = fit_length(
            self.video_converter(videos),
            with_video * self.frames_per_snippet,
            repeat_last=True,
        )
        audio = fit_length(audio, with_audio * self.samples_per_snippet)
        before = 0
        if context is not None:
            audio = tf.concat([context, audio], axis=0)
            hop = self.samples_per_snippet // self.audio_frames_per_snippet
            before = tf.shape(context)[0] // hop
        audio_features = self.audio_converter(audio)[before:]
        return {
            "pixel_values": fit_length(
                pixel_values, num_snippets * self.frames_per_snippet
            ),
            "audio_features": fit_length(
                audio_features, num_snippets * self.audio_frames_per_snippet
            ),
            "video_mask": first_snippets(with_video, num_snippets),
            "audio_mask": first_snippets(with_audio, num_snippets),
        }

    def convert_batch(self, videos, audio, texts):
        """Features and masks of a batch, filled up to the longest's bucket.

        Args:
            videos: dense or ragged uint8 tensor `(batch, frames, height,
                width, 3)`, or `None`.
            audio: dense or ragged float tensor `(batch, samples)`, or `None`.
            texts: string tensor with a row per clip, which tells how many
                there are where both are `None`.

        Returns:
            As `convert()`, with a leading batch axis.
        """
        batch_size = tf.shape(texts)[0]
        if videos is None:
            videos = tf.repeat(NO_VIDEO[None], batch_size, axis=0)
        if audio is None:
            audio = tf.repeat(NO_AUDIO[None], batch_size, axis=0)
        counts = self._count(_lengths(videos), _lengths(audio))
        longest = snippet_bucket(tf.reduce_max(_longest(*counts)))

        # Traced once, for its outputs' types and to be called.
        convert = tf.function(self.convert, autograph=False)
        convert = convert.get_concrete_function(
            tf.TensorSpec((None, None, None, 3), tf.uint8),
            tf.TensorSpec((None,), tf.float32),
            tf.TensorSpec((), tf.int32),
        )

        def convert_one(clip):
            videos, audio = map(to_dense, clip)
            # A ragged batch forgets the size of frames that are not there.
            videos = tf.cond(
                tf.size(videos) > 0,
                lambda: videos,
                lambda: tf.constant(NO_VIDEO),
            )
            return convert(videos, tf.cast(audio, tf.float32), longest)

        signature = tf.nest.map_structure(
            lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype),
            convert.structured_outputs,
        )
        return tf.map_fn(
            convert_one, (videos, audio), fn_output_signature=signature
        )

    def _count(self, frames, samples):
        """Snippets with video, and snippets with audio."""
        return (
            count_snippets(frames, self.frames_per_snippet),
            count_snippets(samples, self.samples_per_snippet),
        )


def _longest(with_video, with_audio):
    """Snippets in all: at least one."""
    return tf.maximum(tf.maximum(with_video, with_audio), 1)


def _check_room(longest, num_snippets):
    return tf.debugging.Assert(
        longest <= num_snippets,
        [
            "A clip has",
            longest,
            "snippets, but `num_snippets` is",
            num_snippets,
            "only. Use a larger `num_snippets`, or shorter clips.",
        ],
        summarize=1,
    )


def _lengths(signals):
    """Steps of each signal of a batch."""
    if isinstance(signals, tf.RaggedTensor):
        return tf.cast(signals.row_lengths(), tf.int32)
    return tf.fill([tf.shape(signals)[0]], tf.shape(signals)[1])
