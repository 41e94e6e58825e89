import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from media_files import solid
from media_files import tone
from media_files import write_media

from keras_mirasol.data import load_clip
from keras_mirasol.data import read_manifest
from keras_mirasol.data import write_manifest
from keras_mirasol.data import write_records
from keras_mirasol.data.records import conversion

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Five clips of half a second; the second has two lines."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = []
    for index in range(5):
        (folder / "clips").mkdir(exist_ok=True)
        media = write_media(
            folder / "clips" / f"{index}.mp4",
            frames=[solid(40 * index + 20, size=(24, 32))] * 4,
            frame_rate=8,
            audio=tone(440, 0.5, 16000),
            sampling_rate=16000,
        )
        for word in ["a", "b"][: 1 + (index == 1)]:
            lines.append(
                {
                    "media": media,
                    "prompt": f"{index} {word}",
                    "response": f"é{word}",
                    "kind": "odd" if index % 2 else "even",
                }
            )
    return write_manifest(folder / "manifest.jsonl", lines)


def examples(folder):
    """All records of a folder, shard by shard, parsed."""
    paths = sorted(folder.glob("*.tfrecord"))
    return [
        [
            tf.train.SequenceExample.FromString(record.numpy())
            for record in tf.data.TFRecordDataset(str(path))
        ]
        for path in paths
    ]


def contents(folder):
    """Checksums of all shards by their names."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("*.tfrecord")
    }


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestRecords:
    def test_keys_are_those_of_media_sequence(self, manifest, tmp_path):
        write_records(manifest, tmp_path, label_key="kind", image_format="png")
        ((_, example, *_),) = examples(tmp_path)
        context = example.context.feature
        lists = example.feature_lists.feature_list

        def texts(key):
            return [text.decode() for text in context[key].bytes_list.value]

        def ints(key):
            return list(context[key].int64_list.value)

        assert texts("clip/media_id") == ["clips/1.mp4"]
        assert texts("clip/data_path") == ["clips/1.mp4"]
        assert ints("clip/start/timestamp") == [0]
        # The last block of AAC is filled up with a little silence.
        np.testing.assert_allclose(
            ints("clip/end/timestamp"), [500_000], atol=64_000
        )
        assert texts("prompt/string") == ["1 a", "1 b"]
        assert texts("caption/string") == ["éa", "éb"]
        # One label, though two lines have it.
        assert ints("clip/label/index") == [1]
        assert texts("clip/label/text") == ["odd"]
        assert texts("clip/label/string") == ["odd"]
        assert [json.loads(line) for line in texts("clip/line/json")] == [
            {**line, "media": "clips/1.mp4"}
            for line in read_manifest(manifest)[1:3]
        ]
        assert texts("image/format") == ["PNG"]
        sizes = [ints(f"image/{key}") for key in ("height", "width")]
        assert sizes == [[24], [32]]
        assert list(context["image/frame_rate"].float_list.value) == [8.0]
        times = [
            feature.int64_list.value[0]
            for feature in lists["image/timestamp"].feature
        ]
        # In the middle of each eighth of a second.
        assert times == [62_500, 187_500, 312_500, 437_500]
        clip = load_clip(read_manifest(manifest)[1])
        pictures = [
            tf.io.decode_png(feature.bytes_list.value[0])
            for feature in lists["image/encoded"].feature
        ]
        np.testing.assert_array_equal(pictures, clip["videos"])
        (waves,) = lists["WAVEFORM/feature/floats"].feature
        np.testing.assert_array_equal(waves.float_list.value, clip["audio"])
        rate = context["WAVEFORM/feature/sample_rate"].float_list.value
        assert list(rate) == [16000.0]

    def test_a_cut_has_its_own_times_and_name(self, manifest, tmp_path):
        line = {**read_manifest(manifest)[0], "start": 0.25, "end": 0.5}
        write_records([line, {**line, "id": "mine", "end": 0.4}], tmp_path)
        ((cut, named),) = examples(tmp_path)
        feature = cut.context.feature
        assert feature["clip/start/timestamp"].int64_list.value == [250_000]
        assert feature["clip/end/timestamp"].int64_list.value == [500_000]
        name = feature["clip/media_id"].bytes_list.value[0].decode()
        assert name == f"{line['media']}#0.25-0.5"
        name = named.context.feature["clip/media_id"].bytes_list.value
        assert name == [b"mine"]
        time = cut.feature_lists.feature_list["image/timestamp"].feature[0]
        assert time.int64_list.value == [312_500]

    def test_what_a_clip_lacks_is_absent(self, tmp_path):
        text = {"prompt": "p", "response": "r"}
        seen = write_media(tmp_path / "v.mp4", frames=[solid(9)] * 25)
        heard = write_media(tmp_path / "a.m4a", audio=tone(440, 1, 48000))
        lines = [{"media": media, **text} for media in (seen, heard)]
        write_records(lines, tmp_path / "records")
        ((seen, heard),) = examples(tmp_path / "records")
        assert set(seen.feature_lists.feature_list) == {
            "image/encoded",
            "image/timestamp",
        }
        assert set(heard.feature_lists.feature_list) == {
            "WAVEFORM/feature/floats"
        }

    def test_pictures_are_as_fine_as_asked_for(self, manifest, tmp_path):
        sizes = [
            write_records(manifest, tmp_path / str(quality), quality=quality)
            for quality in (20, 95)
        ]
        assert sizes[0].num_bytes < sizes[1].num_bytes


class TestShards:
    def test_clips_are_in_order_and_shared_out(self, manifest, tmp_path):
        summary = write_records(manifest, tmp_path, clips_per_shard=2)
        assert names(tmp_path) == sorted(
            [
                *(f"clips-{i:05d}-of-00003.tfrecord" for i in range(3)),
                *(f"clips-{i:05d}-of-00003.tfrecord.json" for i in range(3)),
                "records.json",
            ]
        )
        shards = [
            [
                example.context.feature["clip/index"].int64_list.value[0]
                for example in shard
            ]
            for shard in examples(tmp_path)
        ]
        assert shards == [[0, 1], [2, 3], [4]]
        assert (summary.num_clips, summary.num_shards) == (5, 3)
        size = sum(p.stat().st_size for p in tmp_path.glob("*.tfrecord"))
        assert summary.num_bytes == size
        assert "5 clips in 3 shards" in str(summary)

    def test_each_shard_has_its_checksum_beside_it(self, manifest, tmp_path):
        write_records(manifest, tmp_path, clips_per_shard=3)
        for name, checksum in contents(tmp_path).items():
            described = json.loads((tmp_path / f"{name}.json").read_text())
            assert described["sha256"] == checksum

    def test_workers_change_nothing(self, manifest, tmp_path):
        for count in (1, 4):
            write_records(manifest, tmp_path / str(count), num_parallel=count)
        assert contents(tmp_path / "1") == contents(tmp_path / "4")


class TestResuming:
    @pytest.fixture
    def written(self, monkeypatch):
        """Notes which clips are written."""
        seen, record = [], conversion.ShardWriter.record

        def noting(self, index, load):
            seen.append(index)
            return record(self, index, load)

        monkeypatch.setattr(conversion.ShardWriter, "record", noting)
        return seen

    def test_what_is_complete_is_kept(self, manifest, tmp_path, written):
        first = write_records(manifest, tmp_path, clips_per_shard=2)
        whole = contents(tmp_path)
        assert sorted(written) == [0, 1, 2, 3, 4]
        written.clear()
        assert write_records(manifest, tmp_path, clips_per_shard=2) == first
        assert not written
        assert contents(tmp_path) == whole

    @pytest.mark.parametrize(
        "harm",
        [
            lambda path: path.unlink(),
            lambda path: path.with_name(f"{path.name}.json").unlink(),
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"),
        ],
        ids=["no_shard", "no_description", "cut", "changed"],
    )
    def test_what_is_not_intact_is_written_anew(
        self, manifest, tmp_path, written, harm
    ):
        write_records(manifest, tmp_path, clips_per_shard=2)
        whole = contents(tmp_path)
        written.clear()
        harm(tmp_path / "clips-00001-of-00003.tfrecord")
        write_records(manifest, tmp_path, clips_per_shard=2)
        assert sorted(written) == [2, 3]
        assert contents(tmp_path) == whole

    def test_changed_lines_and_media_are_written_anew(
        self, manifest, tmp_path, written
    ):
        lines = read_manifest(manifest)
        write_records(lines, tmp_path, clips_per_shard=2)
        written.clear()
        lines[-1] = {**lines[-1], "response": "other"}
        os.utime(lines[0]["media"])
        write_records(lines, tmp_path, clips_per_shard=2)
        assert sorted(written) == [0, 1, 4]

    def test_an_error_leaves_complete_shards_behind(self, manifest, tmp_path):
        lines = read_manifest(manifest)
        bad = tmp_path / "bad.mp4"
        bad.write_text("no media")
        broken = [*lines[:-1], {**lines[-1], "media": str(bad)}]
        folder = tmp_path / "records"
        with pytest.raises(ValueError, match="bad.mp4.*expected video"):
            write_records(broken, folder, clips_per_shard=2)
        assert len(contents(folder)) == 2
        # And goes on without the bad clip.
        with pytest.warns(UserWarning, match="bad.mp4"):
            summary = write_records(
                broken, folder, clips_per_shard=2, on_error="skip"
            )
        assert summary.num_clips == 4
        (dropped,) = summary.report.dropped
        assert (dropped.media, dropped.lines) == ((str(bad),), (6,))
        assert "expected video or audio" in dropped.reason

    def test_killed_at_any_moment_it_goes_on(self, manifest, tmp_path):
        undisturbed = tmp_path / "undisturbed"
        write_records(manifest, undisturbed, clips_per_shard=1)
        folder = tmp_path / "killed"
        code = (
            "import sys, time; sys.modules['torch'] = None\n"
            "from keras_mirasol.data import write_records\n"
            "from keras_mirasol.data.records import shard_files\n"
            "write = shard_files.ShardFiles.write\n"
            "def slow(self, shard, records, describe):\n"
            "    def slowly():\n"
            "        for record in records:\n"
            "            time.sleep(0.05); yield record; time.sleep(0.05)\n"
            "    write(self, shard, slowly(), describe)\n"
            "shard_files.ShardFiles.write = slow\n"
            "print('ready', flush=True)\n"
            f"write_records({str(manifest)!r}, {str(folder)!r}, "
            "clips_per_shard=1, verbose=False)"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE
        )
        process.stdout.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert len(contents(folder)) < 5
        write_records(manifest, folder, clips_per_shard=1)
        assert contents(folder) == contents(undisturbed)
        assert names(folder) == names(undisturbed)


class TestDryRun:
    def test_prints_the_size_and_writes_nothing(
        self, manifest, tmp_path, capsys
    ):
        folder = tmp_path / "records"
        expected = write_records(
            manifest, folder, dry_run=True, clips_per_shard=2
        )
        assert not folder.exists()
        printed = capsys.readouterr().out
        assert "By 5 of 5 clips" in printed and "3 shards" in printed
        summary = write_records(manifest, folder, clips_per_shard=2)
        # Records add a few bytes each.
        np.testing.assert_allclose(
            expected.num_bytes, summary.num_bytes, rtol=0.01
        )
        assert expected.num_clips == summary.num_clips


def test_the_progress_bar_tells_clips_per_second(manifest, tmp_path, capsys):
    write_records(manifest, tmp_path / "seen")
    shown = capsys.readouterr().out
    assert "5/5" in shown and "clips/s" in shown
    write_records(manifest, tmp_path / "silent", verbose=False)
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    "options, match",
    [
        ({"image_format": "gif"}, '`image_format` must be "jpeg" or "png"'),
        ({"quality": 0}, "`quality` must be an int from 1 to 100.* 0"),
        ({"clips_per_shard": 0}, "`clips_per_shard` must be a positive int"),
        ({"num_parallel": 0}, "`num_parallel` must be a positive int"),
        ({"on_error": "ignore"}, '"raise" or "skip"'),
        ({"label_key": "class"}, "line 1 has no such string.*\\['kind'"),
        ({"frame_rate": 0}, "`frame_rate` must be a positive number"),
        ({"image_size": 0}, "`image_size` must be a positive int"),
        ({"start": 1}, "Expected settings of .*'image_size'.*'start'"),
    ],
)
def test_arguments(manifest, tmp_path, options, match):
    with pytest.raises(ValueError, match=match):
        write_records(manifest, tmp_path, **options)


def test_a_folder_holds_one_conversion(manifest, tmp_path):
    write_records(manifest, tmp_path)
    for change, name in (
        ({"frame_rate": 4.0}, "'settings'"),
        ({"quality": 50}, "'pictures'"),
        ({"clips_per_shard": 2}, "'clips_per_shard', 'shards'"),
    ):
        with pytest.raises(ValueError, match=f"another conversion: {name}"):
            write_records(manifest, tmp_path, **change)
    with pytest.raises(ValueError, match="another conversion: 'clips'"):
        write_records(read_manifest(manifest)[:1], tmp_path)


def test_nothing_but_bad_clips_is_an_error(tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_text("no media")
    line = {"media": str(bad), "prompt": "p", "response": "r"}
    with (
        pytest.raises(ValueError, match="Nothing was written. 1 of 1 clips"),
        pytest.warns(UserWarning),
    ):
        write_records([line], tmp_path / "records", on_error="skip")
