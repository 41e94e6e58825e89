"""A clip as a `tf.train.SequenceExample`, in the keys of MediaSequence.

These are what DMVR, Scenic and MediaPipe read. `caption/string` holds the
responses, one a line of the manifest; `prompt/string`, `clip/index` and
`clip/line/json` are our own.
"""

import json

import tensorflow as tf

_MICROSECONDS = 1_000_000

# A protocol buffer cannot be larger.
_MOST_BYTES = 2**31 - 1


def to_record(clip, lines, *, index, rates, encode, labels=None):
    """Writes a clip and the lines about it into one record.

    Args:
        clip: dict of `"videos"` and `"audio"`, as `load_clip` returns it.
        lines: list of the manifest's lines about the clip, whose media is
            named as in the manifest.
        index: int. The place of the clip in the manifest.
        rates: dict of `frame_rate` and `sampling_rate`.
        encode: a `PictureEncoder`.
        labels: list of the clip's labels, pairs of an int and a str. Defaults
            to `None`.

    Returns:
        bytes.

    Raises:
        ValueError: if the record is larger than 2 GiB.
    """
    example = tf.train.SequenceExample()
    context = example.context.feature
    source = lines[0]
    start = source.get("start") or 0
    media = [
        source[key] for key in ("media", "video", "audio") if key in source
    ]

    def set_bytes(key, *texts):
        context[key].bytes_list.value[:] = [text.encode() for text in texts]

    def set_ints(key, *values):
        context[key].int64_list.value[:] = values

    def set_floats(key, *values):
        context[key].float_list.value[:] = values

    set_bytes("clip/media_id", str(source.get("id", _name(media, source))))
    set_bytes("clip/data_path", *media)
    set_ints("clip/index", index)
    set_ints("clip/start/timestamp", round(start * _MICROSECONDS))
    end = start + _seconds(clip, **rates)
    set_ints("clip/end/timestamp", round(end * _MICROSECONDS))
    set_bytes("prompt/string", *(line["prompt"] for line in lines))
    set_bytes("caption/string", *(line["response"] for line in lines))
    set_bytes(
        "clip/line/json",
        *(json.dumps(line, ensure_ascii=False) for line in lines),
    )
    if labels:
        set_ints("clip/label/index", *(index for index, _ in labels))
        # The names that DMVR and that MediaSequence look for.
        set_bytes("clip/label/text", *(text for _, text in labels))
        set_bytes("clip/label/string", *(text for _, text in labels))
    if "videos" in clip:
        _, height, width, channels = clip["videos"].shape
        set_bytes("image/format", encode.format)
        set_bytes("image/colorspace", "RGB")
        set_ints("image/height", height)
        set_ints("image/width", width)
        set_ints("image/channels", channels)
        set_floats("image/frame_rate", rates["frame_rate"])
        pictures = example.feature_lists.feature_list["image/encoded"]
        times = example.feature_lists.feature_list["image/timestamp"]
        for k, picture in enumerate(encode(clip["videos"])):
            pictures.feature.add().bytes_list.value.append(picture)
            time = start + (k + 0.5) / rates["frame_rate"]
            times.feature.add().int64_list.value.append(
                round(time * _MICROSECONDS)
            )
    if "audio" in clip:
        set_floats("WAVEFORM/feature/sample_rate", rates["sampling_rate"])
        set_ints("WAVEFORM/feature/num_samples", len(clip["audio"]))
        set_ints("WAVEFORM/feature/num_channels", 1)
        waves = example.feature_lists.feature_list["WAVEFORM/feature/floats"]
        waves.feature.add().float_list.value.extend(clip["audio"])
    if example.ByteSize() > _MOST_BYTES:
        raise ValueError(
            f"The clip {' and '.join(media)} from {start} s on makes a record "
            "of more than 2 GiB. Cut it into lines with `start` and `end`, or "
            "choose a smaller `image_size`."
        )
    # In order of keys, so that the same clip has the same bytes.
    return example.SerializeToString(deterministic=True)


def from_record(record, frame_size=(None, None)):
    """Reads a clip and the texts about it from a record, in a graph.

    Args:
        record: string tensor.
        frame_size: pair of ints or None. Height and width, where all frames
            of all records have the same. Defaults to `(None, None)`.

    Returns:
        A dict of `"index"`, `"clip"` (`"videos"`, uint8 of shape `(frames,
        height, width, 3)`, and `"audio"`, float32 of shape `(samples,)`,
        without frames or samples where there are none), `"prompts"` and
        `"responses"` of shape `(texts,)`.
    """
    context, lists = tf.io.parse_single_sequence_example(
        record,
        context_features={
            "clip/index": tf.io.FixedLenFeature((), tf.int64),
            "prompt/string": tf.io.RaggedFeature(tf.string),
            "caption/string": tf.io.RaggedFeature(tf.string),
        },
        sequence_features={
            "image/encoded": tf.io.FixedLenSequenceFeature(
                (), tf.string, allow_missing=True
            ),
            "WAVEFORM/feature/floats": tf.io.VarLenFeature(tf.float32),
        },
    )
    pictures = lists["image/encoded"]
    frame = tf.TensorSpec((*frame_size, 3), tf.uint8)

    def decode():
        # Also takes PNG.
        return tf.map_fn(
            lambda picture: tf.ensure_shape(
                tf.io.decode_jpeg(picture, channels=3), frame.shape
            ),
            pictures,
            fn_output_signature=frame,
        )

    none = [0, *(size or 1 for size in frame_size), 3]
    videos = tf.cond(
        tf.size(pictures) > 0, decode, lambda: tf.zeros(none, tf.uint8)
    )
    videos = tf.ensure_shape(videos, (None, *frame.shape))
    return {
        "index": context["clip/index"],
        "clip": {
            "videos": videos,
            "audio": lists["WAVEFORM/feature/floats"].values,
        },
        "prompts": context["prompt/string"],
        "responses": context["caption/string"],
    }


def _name(media, source):
    """What a clip without an `"id"` is called."""
    name = "+".join(media)
    span = [source.get("start"), source.get("end")]
    if span == [None, None]:
        return name
    return f"{name}#{span[0] or 0}-{'' if span[1] is None else span[1]}"


def _seconds(clip, frame_rate, sampling_rate):
    return max(
        len(clip.get("videos", ())) / frame_rate,
        len(clip.get("audio", ())) / sampling_rate,
    )
