import math

import numpy as np
import pytest
from small_benchmarks import answered
from small_benchmarks import touch
from small_benchmarks import write

from keras_mirasol.evaluation import EPICSounds
from keras_mirasol.evaluation import KineticsSound
from keras_mirasol.evaluation import VGGSound
from keras_mirasol.evaluation.benchmarks.vgg_sound import d_prime

pytestmark = pytest.mark.any_backend


class TestVGGSound:
    # There is no header, and a label may have a comma.
    CSV = (
        "---g-f_I2yQ,1,people marching,test\n"
        '--0PQM4-hqg,30,"bird chirping, tweeting",test\n'
        "--5OkAjCI7g,40,people marching,train\n"
        "-abcdefghij,0,zither,test\n"
    )

    @pytest.fixture
    def benchmark(self, tmp_path):
        write(tmp_path, "vggsound.csv", self.CSV)
        media = touch(
            tmp_path,
            "---g-f_I2yQ_000001.mp4",
            "--0PQM4-hqg_30_40.mp4",
            "train/--5OkAjCI7g_40000_50000.mkv",
        )
        return VGGSound(tmp_path, media)

    def test_clips_are_found_by_any_of_their_names(self, benchmark):
        lines = benchmark.lines("test")
        assert lines[1] == {
            "media": str(benchmark.media.folder / "--0PQM4-hqg_30_40.mp4"),
            "id": "--0PQM4-hqg_000030",
            "prompt": "what is heard?",
            "response": "bird chirping, tweeting",
        }
        assert benchmark.missing("test") == ["-abcdefghij_000000"]
        (line,) = benchmark.lines("train")
        assert line["media"].endswith("train/--5OkAjCI7g_40000_50000.mkv")

    def test_labels_are_in_alphabetical_order(self, benchmark):
        assert benchmark.labels == [
            "bird chirping, tweeting",
            "people marching",
            "zither",
        ]

    def test_a_name_that_is_written_counts_by_exact_match(self, benchmark):
        lines = answered(benchmark.lines("test"), ["people marching", "bird"])
        assert benchmark.score(lines) == {"exact_match": 0.5}

    def test_scores_of_all_labels_have_metrics_of_ranks(self, benchmark):
        lines = answered(benchmark.lines("test"), ["people marching", "zither"])
        lines[0]["scores"] = [0.2, 0.7, 0.1]
        lines[1]["scores"] = [0.3, 0.1, 0.6]
        scores = benchmark.score(lines, "labels")
        # One of two is the likeliest. Of the two classes that there are, each
        # has its clip before the other.
        assert scores.pop("d_prime") == math.inf
        assert scores == pytest.approx(
            {
                "top_1": 0.5,
                "top_5": 1.0,
                "mean_class_accuracy": 0.5,
                "mean_average_precision": 1.0,
                "mean_auc": 1.0,
            }
        )

    def test_d_prime_is_of_two_normal_distributions(self):
        # Apart by d, one is above the other with a chance of Phi(d / sqrt(2)).
        rng = np.random.default_rng(0)
        one, other = rng.normal(size=(2, 200_000))
        assert d_prime(np.mean(one + 1.5 > other)) == pytest.approx(
            1.5, abs=0.02
        )
        assert d_prime(0.5) == 0


class TestEPICSounds:
    HEADER = (
        "annotation_id,participant_id,video_id,start_timestamp,"
        "stop_timestamp,start_sample,stop_sample"
    )

    @pytest.fixture
    def benchmark(self, tmp_path):
        labelled = (
            f"{self.HEADER},description,class,class_id\n"
            "P01_11_0,P01,P01_11,00:00:02.069,00:00:02.993,49656,71832,"
            "clang / clatter,ceramic / wood collision,1\n"
            "P01_11_1,P01,P01_11,00:01:00.000,00:01:01.500,1440000,1476000,"
            "water,water,0\n"
        )
        write(tmp_path, "EPIC_Sounds_train.csv", labelled)
        write(tmp_path, "EPIC_Sounds_validation.csv", labelled)
        write(
            tmp_path,
            "EPIC_Sounds_recognition_test_timestamps.csv",
            f"{self.HEADER}\n"
            "P01_12_0,P01,P01_12,00:00:00.000,00:00:01.000,0,24000\n",
        )
        media = touch(
            tmp_path, "P01/videos/P01_11.MP4", "P01/videos/P01_12.MP4"
        )
        return EPICSounds(tmp_path, media)

    def test_lines_are_spans_of_long_videos(self, benchmark):
        line = benchmark.lines("val")[1]
        assert (line["start"], line["end"]) == (60.0, 61.5)
        assert line["response"] == "water"
        assert line["media"].endswith("P01_11.MP4")

    def test_labels_are_in_the_order_of_their_numbers(self, benchmark):
        assert benchmark.labels == ["water", "ceramic / wood collision"]

    def test_the_test_split_has_no_responses_and_a_submission(self, benchmark):
        (line,) = benchmark.lines("test")
        assert "response" not in line
        written = {**line, "answer": "water"}
        with pytest.raises(ValueError, match="scored by its authors alone"):
            benchmark.score([written])
        scored = {**written, "id": "P01_12_1", "scores": [0.25, -1.0]}
        assert benchmark.submission([written, scored]) == {
            "version": "0.1",
            "challenge": "audio_based_interaction_recognition",
            "sls_pt": 0,
            "sls_tl": 3,
            "sls_td": 3,
            "t_mod": 2,
            "results": {
                "P01_12_0": {"interaction": {"0": 1.0, "1": 0.0}},
                "P01_12_1": {"interaction": {"0": 0.25, "1": -1.0}},
            },
        }


class TestKineticsSound:
    @pytest.fixture
    def benchmark(self, tmp_path):
        # Two lists, two ways to name a clip; ids have "_" and "-" in them.
        write(tmp_path, "my_train.txt", "--4-0ihtnBU_000058_000068,10,4\n")
        write(
            tmp_path, "my_test.txt", "-3Mwkq_7TV4_2,10,23\n-3Mwkq_7TV5_9,10,0"
        )
        media = touch(
            tmp_path,
            "train/--4-0ihtnBU_000058_000068.mp4",
            "test/-3Mwkq_7TV4_000002_000012.mp4",
        )
        return KineticsSound(tmp_path, media)

    def test_both_ways_to_name_a_clip_are_understood(self, benchmark):
        (train,) = benchmark.lines("train")
        (test,) = benchmark.lines("test")
        assert train["response"] == "dribbling basketball"
        assert test["response"] == "shoveling snow"
        assert test["media"].endswith("-3Mwkq_7TV4_000002_000012.mp4")
        assert benchmark.missing("test") == ["-3Mwkq_7TV5_9"]

    def test_there_are_31_classes_in_alphabetical_order(self, benchmark):
        assert len(benchmark.labels) == 31
        assert benchmark.labels == sorted(benchmark.labels)

    def test_refuses_numbers_without_a_name(self, benchmark):
        few = KineticsSound(
            benchmark.annotations, benchmark.media.folder, labels=["a", "b"]
        )
        with pytest.raises(ValueError, match="label 4 .*Received: 2 labels"):
            few.lines("train")
