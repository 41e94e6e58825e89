import numpy as np
import pytest
import small_models
from arrays import assert_close
from arrays import assert_same_bits
from small_models import FRAMES
from small_models import SAMPLES

from keras_mirasol.models.snippet_buffer import SnippetBuffer

pytestmark = pytest.mark.any_backend


@pytest.fixture(scope="module")
def preprocessor():
    return small_models.build_preprocessor()


@pytest.fixture
def buffer(preprocessor):
    return SnippetBuffer(preprocessor, ("video", "audio"))


NO_AUDIO = np.zeros(0, "float32")
NO_VIDEO = np.zeros((0, 1, 1, 3), "uint8")


def test_features_are_those_of_the_whole_clip(buffer, preprocessor):
    clip = small_models.random_clip(6)
    frames, samples = clip["videos"], clip["audio"]
    parts = []
    for first, last in [(0, 1), (1, 2), (2, 5), (5, 6)]:
        buffer.push(
            frames[first * FRAMES : last * FRAMES],
            samples[first * SAMPLES : last * SAMPLES],
        )
        parts.append(buffer.take())
    whole = preprocessor.preprocess_clip(frames, samples)
    for key in whole:
        joined = np.concatenate([part[key] for part in parts])
        assert_close(joined, whole[key])
    assert buffer.num_snippets == 6


def test_many_snippets_at_once_are_not_filled_up(buffer):
    clip = small_models.random_clip(9)
    buffer.push(clip["videos"], clip["audio"])
    features = buffer.take()
    assert features["video_mask"].tolist() == [True] * 9
    assert len(features["pixel_values"]) == 9 * FRAMES
    assert buffer.num_snippets == 9


def test_a_snippet_waits_for_both(buffer):
    clip = small_models.random_clip(3)
    buffer.push(clip["videos"], NO_AUDIO)
    assert buffer.take() is None
    buffer.push(NO_VIDEO, clip["audio"][: SAMPLES - 1])
    assert buffer.take() is None
    buffer.push(NO_VIDEO, clip["audio"][SAMPLES - 1 : 2 * SAMPLES])
    assert buffer.take()["video_mask"].tolist() == [True, True]
    assert buffer.take() is None


@pytest.mark.parametrize("left, snippets", [(999, 1), (1000, 2), (2999, 2)])
def test_what_is_left_is_rounded_to_the_nearest(buffer, left, snippets):
    clip = small_models.random_clip(4)
    buffer.push(clip["videos"][:FRAMES], clip["audio"][:SAMPLES])
    buffer.take()
    # Half a snippet is 1000 samples.
    buffer.push(NO_VIDEO, clip["audio"][SAMPLES : SAMPLES + left])
    for modality in ("video", "audio"):
        buffer.finish(modality)
    features = buffer.take()
    assert buffer.num_snippets == snippets
    if features is not None:
        assert not features["video_mask"].any()
        assert features["audio_mask"].all()


def test_its_state_is_all_there_is(buffer, preprocessor):
    clip = small_models.random_clip(2)
    buffer.push(clip["videos"][:3], clip["audio"][:2700])
    buffer.take()
    buffer.finish("video")
    other = SnippetBuffer(preprocessor, ("video", "audio"))
    other.set_state(buffer.get_state())
    for each in (buffer, other):
        each.push(NO_VIDEO, clip["audio"][2700:])
    features, expected = other.take(), buffer.take()
    for key in expected:
        assert_same_bits(features[key], expected[key])
    assert other.num_snippets == 2
