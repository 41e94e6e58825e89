"""Manifests to batches of clips and the questions about them."""

from keras_mirasol.data.augmentation.clip_augmentation import as_augmentation
from keras_mirasol.data.clip_batches import clip_batches
from keras_mirasol.data.clip_loader import clips_of
from keras_mirasol.data.clip_loader import settings_of
from keras_mirasol.data.file_clips import FileClips


def clip_dataset(
    manifest,
    preprocessor=None,
    *,
    batch_size,
    texts_per_clip=1,
    shuffle=False,
    seed=None,
    repeat=False,
    cache=False,
    augment=None,
    modality_dropout=None,
    on_error="raise",
    num_parallel=None,
    drop_remainder=False,
    shard=None,
    num_snippets=None,
    clip_index=False,
):
    """Makes a `tf.data.Dataset` of a manifest's clips and questions.

    Lines about the same clip (the same media, `"start"` and `"end"`) are
    grouped where the first of them stands, so that the clip is decoded once a
    pass, and cut into groups of `texts_per_clip`: each is one element of a
    batch, and a pass covers each line exactly once. Where a clip's last group
    is smaller, it is filled with empty texts of sample weight zero.

    ```
    manifest         one clip a group       elements, texts_per_clip=2
    a  q1            a: q1 q2 q3            (a, q1 q2)
    b  q4      ->    b: q4             ->   (a, q3 --)
    a  q2                                   (b, q4 --)
    a  q3
    ```

    What is drawn at random comes after the cache, which keeps as much work as
    it can:

    ```
    plain    decode  preprocess  [cache]                 texts  dropout  batch
    augment  decode  [cache]  augment  preprocess  mask  texts  dropout  batch
    ```

    What `augment` masks of the spectrogram, it masks there.

    Args:
        manifest: str or path of a manifest, or a list of lines as
            `read_manifest` returns it.
        preprocessor: a `MirasolCausalLMPreprocessor`, or any object with its
            `clip_settings` (or `frame_rate` and `sampling_rate`),
            `preprocess_clip` and `preprocess_texts`. Frames are scaled to its
            `image_size` as they are decoded. Defaults to `None`: raw clips as
            of `load_clip`.
        batch_size: int. Elements a batch.
        texts_per_clip: int. How many questions share one clip in an element.
            The clip is encoded once for all of them. Defaults to `1`.
        shuffle: bool. Whether each pass has an order of its own, of clips and
            of the lines of a clip. Defaults to `False`: the manifest's order.
        seed: int. Makes all that is drawn at random reproducible: the order,
            `augment` and `modality_dropout`, of every pass. Passes differ
            from each other all the same. Defaults to `None`.
        repeat: bool. Whether to start over without end. Batches then run on
            from one pass into the next. Defaults to `False`.
        cache: bool or str. `True` keeps clips in memory after the first pass,
            a path keeps them in files that begin with it, so that later
            passes decode nothing. The first pass must run to its end.
            Defaults to `False`.
        augment: `True` or a `keras_mirasol.data.ClipAugmentation`: changes
            each clip a little, anew in each pass, so that few clips are not
            learnt by heart. For training alone. `True` stands for
            `ClipAugmentation()`. All elements of a clip change alike in one
            pass. A cache then keeps the frames as decoded, large enough for
            what is enlarged. Masking spectrograms
            needs a preprocessor. Defaults to `None`: clips stay as they are.
        modality_dropout: float or dict. The chance that an element with both
            video and audio loses one of them, either with half this chance,
            so that a model learns to make do with one. A dict such as
            `{"audio": 0.2, "video": 0.05}` gives the chance of losing each.
            Drawn anew for each element in each pass; no element loses both,
            or the only one it has. What is lost is masked, or in raw clips
            empty. For training alone. Defaults to `None`: nothing is lost.
        on_error: `"raise"` or `"skip"`: what to do with a clip that cannot be
            loaded. `"skip"` leaves its lines out, warns once of each file,
            and tells of all of them by `report()`. Defaults to `"raise"`.
        num_parallel: int. Clips to decode at a time. Defaults to `None`, the
            number of cores.
        drop_remainder: bool. Whether to leave out a last batch that is not
            full. Defaults to `False`.
        shard: pair of ints, `(index, count)`: take the part `index`, from 0,
            of `count` equal parts of the clips, such as `(jax.process_index(),
            jax.process_count())` where each process of a training reads its
            own. All parts together have each clip once; where they must all
            have as many batches, use `repeat` and `steps_per_epoch`. Defaults
            to `None`: all clips.
        num_snippets: int. Snippets that every clip is filled up to; a longer
            one is an error. All texts then have the preprocessor's
            `sequence_length`, so that every batch has one shape, as several
            hosts that train together must have it. Defaults to `None`: a
            batch is as long as its clips and texts need, in steps that keep
            the number of shapes small.
        clip_index: bool. Whether `x` also has `"clip_index"`, int32 of shape
            `(batch,)`: which clips a batch has, by their order here. Tasks
            leave it alone, and name the clips where a loss turns out to be
            NaN. Defaults to `False`.

    Returns:
        A `tf.data.Dataset` of `(x, y, sample_weight)`. `x` is a dict of
        `"pixel_values"`, `"audio_features"`, `"video_mask"` and
        `"audio_mask"`, padded with zeros and `False` to the batch's longest
        clip (see `keras_mirasol.preprocessing.snippet_bucket`), and of
        `"token_ids"` and `"padding_mask"`, of shape `(batch, length)`, or
        `(batch, texts_per_clip, length)` if `texts_per_clip` is greater than
        1, like `y` and `sample_weight`.

        Without a preprocessor, a dataset of dicts: `"videos"` and `"audio"`,
        ragged, and `"prompts"` and `"responses"`, strings of shape `(batch,)`
        or `(batch, texts_per_clip)`. A clip without one of the streams has
        zero frames or zero samples.

        The dataset has a method `report()`, which returns a `ClipReport` of
        the clips that were left out so far, and `name_of()`, from a clip's
        index to its `"id"` or file. (A dataset made of this one by `take()`
        and the like has none.)

    Raises:
        ValueError: if an argument is not one of those above, the manifest is
            not valid, or media is missing and `on_error="raise"`.

    Example:

    ```python
    train = keras_mirasol.data.clip_dataset(
        "train.jsonl", task.preprocessor, batch_size=16, shuffle=True
    )
    task.fit(train)

    # Of few clips: each is seen a little differently in each epoch.
    train = keras_mirasol.data.clip_dataset(
        "train.jsonl",
        task.preprocessor,
        batch_size=16,
        shuffle=True,
        cache=True,
        augment=True,
        modality_dropout=0.2,
    )
    ```
    """
    augmentation = as_augmentation(augment, preprocessor)
    settings = settings_of(preprocessor)
    if augmentation is not None:
        settings = augmentation.with_room(settings)
    clips = clips_of(manifest, on_error, shard)
    return clip_batches(
        FileClips(clips, settings, skip=on_error == "skip"),
        preprocessor,
        batch_size=batch_size,
        texts_per_clip=texts_per_clip,
        shuffle=shuffle,
        seed=seed,
        repeat=repeat,
        cache=cache,
        augmentation=augmentation,
        modality_dropout=modality_dropout,
        num_parallel=num_parallel,
        drop_remainder=drop_remainder,
        num_snippets=num_snippets,
        clip_index=clip_index,
    )
