import pytest

from keras_mirasol.evaluation.benchmarks.media_folder import MediaFolder

pytestmark = pytest.mark.any_backend


@pytest.fixture
def folder(tmp_path):
    for name in (
        "video7.mp4",
        "video70.webm",
        "0101/29.mp4",
        "29.avi",
        "P01/videos/P01_11.MP4",
        "notes.txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_finds_files_whatever_their_suffix_and_folder(folder):
    media = MediaFolder(folder)
    assert media.find("video7") == folder / "video7.mp4"
    assert media.find("video70") == folder / "video70.webm"
    assert media.find("P01_11") == folder / "P01/videos/P01_11.MP4"
    assert media.find("elsewhere/video7") == folder / "video7.mp4"


def test_a_name_is_looked_for_as_it_is_before_its_last_part(folder):
    media = MediaFolder(folder)
    assert media.find("0101/29") == folder / "0101/29.mp4"
    assert media.find("29") == folder / "29.avi"


def test_takes_the_first_name_that_there_is_and_no_other_file(folder):
    media = MediaFolder(folder)
    assert media.find("v_video7", "video7") == folder / "video7.mp4"
    assert media.find("video") is None
    assert media.find("notes") is None


def test_refuses_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="no folder .*`media` must be"):
        MediaFolder(tmp_path / "videos")
