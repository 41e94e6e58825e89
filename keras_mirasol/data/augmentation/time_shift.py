"""Moves what a clip shows and sounds in time."""

import tensorflow as tf


def shift_in_time(clip, frames, frame_rate, sampling_rate):
    """Moves video and audio later by the same whole number of frames.

    The clip stays as long as it is: what leaves it at one end is lost, and
    what enters at the other is the first or last frame, held, and silence.

    Args:
        clip: dict of `"videos"`, of shape `(frames, height, width, 3)`, and
            `"audio"`, of shape `(samples,)`. Either may be empty or left out.
        frames: int scalar. How many frames later; earlier, if negative.
        frame_rate: float. Video frames per second.
        sampling_rate: float. Audio samples per second.

    Returns:
        A dict like `clip`. The audio is later by the round number of samples
        of that many frames.
    """
    clip = dict(clip)
    if "videos" in clip:
        clip["videos"] = _later_frames(clip["videos"], frames)
    if "audio" in clip:
        seconds = tf.cast(frames, tf.float64) / frame_rate
        samples = tf.cast(tf.round(seconds * sampling_rate), tf.int32)
        clip["audio"] = _later_samples(clip["audio"], samples)
    return clip


def _later_frames(videos, by):
    videos = tf.convert_to_tensor(videos)
    count = tf.shape(videos)[0]
    from_frames = tf.clip_by_value(tf.range(count) - by, 0, count - 1)
    shifted = tf.gather(videos, from_frames)
    return tf.ensure_shape(shifted, videos.shape)


def _later_samples(audio, by):
    audio = tf.convert_to_tensor(audio)
    silence = tf.zeros([tf.abs(by)], audio.dtype)
    start = tf.abs(by) - by
    padded = tf.concat([silence, audio, silence], axis=0)
    shifted = padded[start : start + tf.shape(audio)[0]]
    return tf.ensure_shape(shifted, audio.shape)
