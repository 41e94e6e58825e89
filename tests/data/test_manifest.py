import json

import pytest

from keras_mirasol.data import read_manifest
from keras_mirasol.data import write_manifest

pytestmark = pytest.mark.any_backend

LINE = {"media": "dog.mp4", "prompt": "what barks?", "response": "a dog"}


def written(folder, *lines):
    """A manifest of these lines; a dict is written as JSON."""
    path = folder / "manifest.jsonl"
    texts = [
        line if isinstance(line, str) else json.dumps(line) for line in lines
    ]
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


class TestReading:
    def test_lines_in_order_with_further_keys(self, tmp_path):
        extra = {"id": "7", "kind": "sound", "events": [["red", 1.5]]}
        path = written(tmp_path, {**LINE, **extra}, {**LINE, "prompt": "b"})
        first, second = read_manifest(path)
        assert first == {
            **LINE,
            **extra,
            "media": str(tmp_path / "dog.mp4"),
        }
        assert second["prompt"] == "b"

    def test_paths_are_relative_to_the_manifest(self, tmp_path, monkeypatch):
        (tmp_path / "set").mkdir()
        path = written(
            tmp_path / "set",
            {**LINE, "media": "clips/dog.mp4"},
            {**LINE, "media": "../dog.mp4"},
            {**LINE, "media": "/elsewhere/dog.mp4"},
        )
        expected = [
            str(tmp_path / "set" / "clips" / "dog.mp4"),
            str(tmp_path / "set" / ".." / "dog.mp4"),
            "/elsewhere/dog.mp4",
        ]
        assert [line["media"] for line in read_manifest(path)] == expected
        # A relative path of the manifest gives absolute paths of media too.
        monkeypatch.chdir(tmp_path)
        lines = read_manifest("set/manifest.jsonl")
        assert [line["media"] for line in lines] == expected

    def test_separate_video_and_audio(self, tmp_path):
        text = {"prompt": "p", "response": "r"}
        path = written(
            tmp_path,
            {"video": "v.mp4", "audio": "a.wav", **text},
            {"audio": "a.wav", **text},
        )
        both, audio = read_manifest(path)
        assert both["video"] == str(tmp_path / "v.mp4")
        assert both["audio"] == str(tmp_path / "a.wav")
        assert set(audio) == {"audio", "prompt", "response"}

    def test_blank_lines_and_odd_line_ends(self, tmp_path):
        path = tmp_path / "manifest.jsonl"
        # A byte order mark, as some editors write, and Windows line ends.
        text = "\r\n".join(["", json.dumps(LINE), "  ", json.dumps(LINE), ""])
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())
        assert len(read_manifest(path)) == 2

    def test_a_line_separator_within_a_text_does_not_end_the_line(
        self, tmp_path
    ):
        line = json.dumps({**LINE, "prompt": "a\u2028b"}, ensure_ascii=False)
        (read,) = read_manifest(written(tmp_path, line))
        assert read["prompt"] == "a\u2028b"


class TestReadingErrors:
    @pytest.mark.parametrize(
        "line, match",
        [
            ('{"media": "a.mp4",', "is not a JSON object: .* at column"),
            ('["a.mp4"]', "must be an object"),
            ("{}", "lacks the key 'prompt'"),
            ({"media": "a", "prompt": "p"}, "lacks the key 'response'"),
            ({"prompt": "p", "response": "r"}, "lacks the key 'media'"),
            ({**LINE, "video": "v"}, "either 'media', or 'video' and 'audio'"),
            ({**LINE, "prompt": 3}, "'prompt' of type int.* a string.*: 3"),
            ({**LINE, "response": None}, "'response' of type NoneType"),
            ({**LINE, "media": ["a"]}, "'media' of type list"),
            ({**LINE, "media": ""}, "empty 'media'"),
            ({**LINE, "start": "1"}, "'start' that is not a time.*'1'"),
            ({**LINE, "start": True}, "'start' that is not a time"),
            ({**LINE, "end": None}, "'end' that is not a time.*leave the key"),
            ({**LINE, "end": -1}, "'end' that is not a time.*-1"),
            ({**LINE, "end": float("nan")}, "'end' that is not a time"),
            ({**LINE, "start": 2, "end": 2}, "'start' before 'end'.*start=2"),
            ({**LINE, "end": 0}, "'start' before 'end'.*start=0, end=0"),
        ],
    )
    def test_a_bad_line_is_named(self, tmp_path, line, match):
        # Blank lines count: the number is the one an editor shows.
        path = written(tmp_path, LINE, "", line, LINE)
        with pytest.raises(ValueError, match=match) as raised:
            read_manifest(path)
        assert f"Line 3 of manifest '{path}'" in str(raised.value)

    @pytest.mark.parametrize("content", [b"", b"\n  \n"])
    def test_empty(self, tmp_path, content):
        path = tmp_path / "manifest.jsonl"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"'{path}' is empty"):
            read_manifest(path)

    def test_missing(self, tmp_path):
        with pytest.raises(ValueError, match="no.jsonl', but no file is there"):
            read_manifest(tmp_path / "no.jsonl")

    def test_directory(self, tmp_path):
        with pytest.raises(ValueError, match="it is a directory"):
            read_manifest(tmp_path)

    def test_other_encoding(self, tmp_path):
        path = tmp_path / "manifest.jsonl"
        text = json.dumps({**LINE, "prompt": "é"}, ensure_ascii=False)
        path.write_bytes(text.encode("latin-1"))
        with pytest.raises(ValueError, match=f"'{path}' must be UTF-8"):
            read_manifest(path)


class TestWriting:
    def test_paths_are_written_relative_to_the_manifest(self, tmp_path):
        (tmp_path / "set").mkdir()
        path = write_manifest(
            tmp_path / "set" / "manifest.jsonl",
            [
                {**LINE, "media": str(tmp_path / "set" / "clips" / "a.mp4")},
                {**LINE, "media": str(tmp_path / "b.mp4")},
                {**LINE, "media": "clips/c.mp4"},
            ],
        )
        lines = path.read_text(encoding="utf-8").splitlines()
        media = [json.loads(line)["media"] for line in lines]
        assert media == ["clips/a.mp4", "../b.mp4", "clips/c.mp4"]

    def test_what_is_written_is_read(self, tmp_path):
        lines = [
            {
                "media": str(tmp_path / "Käse 音.mp4"),
                "prompt": 'wer "bellt"?\n',
                "response": "ein Hund",
                "start": 1.5,
                "id": 7,
            },
            {
                "video": str(tmp_path / "v.mp4"),
                "audio": str(tmp_path / "a.wav"),
                "prompt": "",
                "response": "\u2028",
            },
        ]
        path = write_manifest(str(tmp_path / "manifest.jsonl"), lines)
        assert read_manifest(path) == lines
        content = path.read_bytes()
        assert "Käse 音".encode() in content and b"\r" not in content

    def test_moving_the_folder_keeps_the_manifest(self, tmp_path):
        (tmp_path / "old").mkdir()
        line = {**LINE, "media": str(tmp_path / "old" / "dog.mp4")}
        write_manifest(tmp_path / "old" / "manifest.jsonl", [line])
        (tmp_path / "old").rename(tmp_path / "new")
        (read,) = read_manifest(tmp_path / "new" / "manifest.jsonl")
        assert read["media"] == str(tmp_path / "new" / "dog.mp4")

    def test_bad_lines_leave_the_old_file(self, tmp_path):
        path = write_manifest(tmp_path / "manifest.jsonl", [LINE])
        with pytest.raises(ValueError, match="Line 2 .*lacks the key 'prom"):
            write_manifest(path, [LINE, {"media": "a.mp4"}])
        with pytest.raises(ValueError, match="at least one line"):
            write_manifest(path, [])
        assert len(read_manifest(path)) == 1
