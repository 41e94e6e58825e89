"""Writes records as an Apache Beam pipeline, on many machines."""

from keras_mirasol.data.records.conversion import Conversion


def write_records_with_beam(
    manifest,
    folder,
    preprocessor=None,
    *,
    options=None,
    image_format="jpeg",
    quality=95,
    clips_per_shard=128,
    label_key=None,
    on_error="raise",
    **settings,
):
    """Does what `write_records` does, as an Apache Beam pipeline.

    Each shard is one piece of work. The files are those of `write_records`,
    byte for byte, and each of the two goes on where the other was interrupted.
    Needs `pip install "keras-mirasol[beam]"`, here and on all workers; these
    must see the media and the folder under the same paths.

    Args:
        manifest: as for `write_records`, like all that follow but `options`.
        folder: str or path.
        preprocessor: has the `clip_settings`. Defaults to `None`.
        options: list of flags of Beam's, such as `["--runner=DataflowRunner",
            "--project=..."]`, `"--runner=FlinkRunner"` or
            `"--runner=SparkRunner"`; or an
            `apache_beam.options.pipeline_options.PipelineOptions`. Defaults
            to `None`: this machine.
        image_format: `"jpeg"` or `"png"`. Defaults to `"jpeg"`.
        quality: int, 1 to 100. Defaults to `95`.
        clips_per_shard: int. Defaults to `128`.
        label_key: str. Defaults to `None`.
        on_error: `"raise"` or `"skip"`. Defaults to `"raise"`.
        **settings: of `load_clip`.

    Returns:
        A `RecordsSummary`.

    Raises:
        ValueError: as `write_records`. What a worker raises, the runner wraps
            in errors of its own.
        ImportError: if Apache Beam is not installed.

    Example:

    ```python
    keras_mirasol.data.write_records_with_beam(
        "train.jsonl",
        "records",
        task.preprocessor,
        options=["--direct_num_workers=4"],
    )
    ```
    """
    try:
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise ImportError(
            "Apache Beam is not installed. Run "
            '`pip install "keras-mirasol[beam]"`, or use `write_records`, '
            "which needs no more than this machine."
        ) from error
    conversion = Conversion(
        manifest,
        folder,
        preprocessor,
        settings,
        image_format=image_format,
        quality=quality,
        clips_per_shard=clips_per_shard,
        label_key=label_key,
        on_error=on_error,
    )
    conversion.begin()
    shards = [
        (shard, conversion.clips_in(shard)) for shard in conversion.todo()
    ]
    if options is None or isinstance(options, (list, tuple)):
        options = PipelineOptions(list(options or []))
    with beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | "Shards" >> beam.Create(shards)
            # To other workers, one by one.
            | "Spread" >> beam.Reshuffle()
            | "Write" >> beam.MapTuple(conversion.writer.write)
        )
    return conversion.finish()
