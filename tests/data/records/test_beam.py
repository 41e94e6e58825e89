import sys

import pytest
from media_files import solid
from media_files import tone
from media_files import write_media

from keras_mirasol.data import write_manifest
from keras_mirasol.data import write_records
from keras_mirasol.data import write_records_with_beam

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    lines = [
        {
            "media": write_media(
                folder / f"{index}.mp4",
                frames=[solid(40 * index + 20)] * 4,
                frame_rate=8,
                audio=tone(440, 0.5, 16000),
                sampling_rate=16000,
            ),
            "prompt": f"{index}",
            "response": "r",
        }
        for index in range(5)
    ]
    return write_manifest(folder / "manifest.jsonl", lines)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_those_of_write_records(manifest, tmp_path):
    pytest.importorskip("apache_beam")
    options = {"clips_per_shard": 2, "image_size": 32}
    ours = write_records(manifest, tmp_path / "ours", **options)
    beams = write_records_with_beam(manifest, tmp_path / "beams", **options)
    assert contents(tmp_path / "beams") == contents(tmp_path / "ours")
    assert beams.num_clips == ours.num_clips == 5


def test_each_goes_on_where_the_other_stopped(manifest, tmp_path):
    pytest.importorskip("apache_beam")
    write_records(manifest, tmp_path, clips_per_shard=2)
    whole = contents(tmp_path)
    (tmp_path / "clips-00001-of-00003.tfrecord").unlink()
    write_records_with_beam(manifest, tmp_path, clips_per_shard=2)
    assert contents(tmp_path) == whole


def test_bad_clips_are_left_out_and_named(manifest, tmp_path):
    pytest.importorskip("apache_beam")
    bad = manifest.parent / "bad.mp4"
    bad.write_text("no media")
    text = {"prompt": "p", "response": "r"}
    lines = [
        {"media": str(manifest.parent / name), **text}
        for name in ("0.mp4", "bad.mp4", "1.mp4")
    ]
    summary = write_records_with_beam(
        lines, tmp_path, clips_per_shard=1, on_error="skip"
    )
    assert summary.num_clips == 2
    (dropped,) = summary.report.dropped
    assert (dropped.media, dropped.lines) == ((str(bad),), (2,))


def test_says_how_to_install_beam(manifest, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(ImportError, match=r'pip install "keras-mirasol\[beam'):
        write_records_with_beam(manifest, tmp_path)
