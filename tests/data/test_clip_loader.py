import pickle

import pytest
from media_files import solid
from media_files import write_media

from keras_mirasol.data.clip_loader import ClipLoader
from keras_mirasol.data.clip_loader import ClipReport
from keras_mirasol.data.clip_loader import DroppedClip
from keras_mirasol.data.clip_loader import clips_of

pytestmark = pytest.mark.any_backend


@pytest.fixture
def clips(tmp_path):
    """A clip with two lines, one that is no media, and one that is missing."""
    good = write_media(tmp_path / "good.mp4", frames=[solid(9)] * 8)
    bad = tmp_path / "bad.mp4"
    bad.write_text("no media")
    text = {"prompt": "p", "response": "r"}
    paths = [good, str(bad), str(tmp_path / "missing.mp4"), good]
    return clips_of([{"media": path, **text} for path in paths], "skip")


def test_clips_are_loaded_by_their_index(clips):
    load = ClipLoader(clips, {"frame_rate": 4.0, "image_size": 16}, skip=False)
    # 8 frames at 25 per second are a third of a second.
    assert load(0)["videos"].shape == (1, 16, 16, 3)
    with pytest.raises(ValueError, match="bad.mp4"):
        load(1)
    assert not load.report().dropped


def test_bad_clips_are_left_out_and_named_in_order(clips):
    load = ClipLoader(clips, {}, skip=True)
    with pytest.warns(UserWarning) as warned:
        assert load(2) is None and load(1) is None
        # Not tried again.
        assert load(1) is None
    assert len(warned) == 2
    report = load.report()
    assert report.num_clips == 3
    assert [clip.lines for clip in report.dropped] == [(2,), (3,)]
    assert "does not exist" in report.dropped[1].reason
    load.check_some_are_left()


def test_no_clip_at_all_is_an_error(clips):
    load = ClipLoader(clips[1:], {}, skip=True)
    with pytest.warns(UserWarning):
        load(0), load(1)
    with pytest.raises(ValueError, match="No clip .*missing.mp4"):
        load.check_some_are_left()


def test_a_copy_in_another_process_counts_anew(clips):
    load = ClipLoader(clips, {}, skip=True)
    with pytest.warns(UserWarning):
        load(1)
    copy = pickle.loads(pickle.dumps(load))
    assert not copy.report().dropped
    assert copy(0)["videos"].shape == load(0)["videos"].shape


def test_a_report_reads_as_a_sentence():
    one = DroppedClip(("a.mp4",), (3,), "it is empty.")
    two = DroppedClip(("b.mp4", "b.wav"), (5, 8), "it is text.")
    assert str(ClipReport(9, ())) == "0 of 9 clips were left out."
    assert str(ClipReport(9, (one,))) == (
        "1 of 9 clips was left out, with 1 line:\n"
        "'a.mp4' (line 3): it is empty."
    )
    assert str(ClipReport(9, (one, two))) == (
        "2 of 9 clips were left out, with 3 lines:\n"
        "'a.mp4' (line 3): it is empty.\n"
        "'b.mp4' and 'b.wav' (lines 5, 8): it is text."
    )
