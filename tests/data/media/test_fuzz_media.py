"""Files that are damaged at random: each is decoded or reported."""

import json
import subprocess
import sys

import pytest
from scripts import ROOT
from scripts import load_script

pytestmark = pytest.mark.any_backend

SCRIPT = "benchmarks/fuzz_media.py"


@pytest.fixture(scope="module")
def benchmark():
    return load_script(SCRIPT)


def test_damage_is_seeded(benchmark):
    for index in range(60):
        name, done, data = benchmark.damaged(index, seed=5)
        assert (name, done, data) == benchmark.damaged(index, seed=5)
        assert data != benchmark.damaged(index, seed=6)[2]
        assert done and set(done) <= set(benchmark.DAMAGES)


def test_whole_files_are_decoded(benchmark, tmp_path):
    for name, data in benchmark.seed_files().items():
        path = tmp_path / name
        path.write_bytes(data)
        outcome, lengths = benchmark.read(str(path))
        assert outcome == "decoded"
        assert set(lengths) == {"audio", "videos"} & set(lengths) != set()


def test_what_was_cut_off_must_not_pass_for_a_shorter_clip(benchmark):
    whole = {"videos": (8, 0), "audio": (16000, 0)}
    half = {"videos": (4, 0), "audio": (8000, 0)}
    silent = {"videos": (8, 0)}
    for lengths, short in ((whole, False), (half, True), (silent, True)):
        for name, stating in (("h264_aac.mp4", True), ("h264_aac.ts", False)):
            assert benchmark.is_short(name, ["cut off"], lengths) == (
                short and stating
            )
    # Where the header is damaged too, it may state anything.
    assert not benchmark.is_short("h264_aac.mp4", ["flip", "cut off"], half)


def test_damaged_files_are_decoded_or_reported(tmp_path):
    # In a process of its own: what crashes it does not crash the tests.
    out = tmp_path / "report.json"
    command = [
        *(sys.executable, SCRIPT, "--files", "180", "--seed", "12345"),
        *("--out", str(out), "--keep", str(tmp_path / "kept")),
    ]
    process = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert process.returncode == 0, process.stdout + process.stderr
    report = json.loads(out.read_text())
    assert report["total"].keys() == {"decoded", "reported"}
    assert sum(report["total"].values()) == 180
    assert min(report["total"].values()) > 50
