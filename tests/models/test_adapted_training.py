"""Fresh models on clips that have much in common: most pixels and sounds."""

import functools

import keras
import numpy as np
import pytest
import small_models
from small_models import FRAMES
from small_models import SAMPLES
from small_models import SIZE

# No backend can change it, and hundreds of steps take least when compiled.
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="once is enough, where it is fast"
)

CLIPS, SNIPPETS, BATCH = 120, 3, 6
EPOCHS = 15  # of 20 steps
WIDTH = 32
# Grey levels of the background and of the square before it.
LIGHTS = {"dark": (4, 30), "bright": (250, 225)}
LEVELS = {"silent": 0.0, "loud": 0.9}
HERTZ = [300, 900, 2000, 3000]
KINDS = [*LIGHTS, *LEVELS, "ordinary"]


def clips(kind):
    """A coloured square that jumps about and a tone that comes and goes."""
    rng = np.random.default_rng(0)
    back, front = LIGHTS.get(kind, (60, 200))
    videos = np.full((CLIPS, SNIPPETS * FRAMES, SIZE, SIZE, 3), back, "float32")
    colors, tones = rng.integers(0, 3, CLIPS), rng.integers(0, 4, CLIPS)
    for video, color in zip(videos, colors, strict=True):
        for frame in video:
            y, x = rng.integers(0, SIZE - 6, 2)
            frame[y : y + 6, x : x + 6, color] = front
    videos += rng.normal(0, 1, videos.shape)
    time = np.arange(SNIPPETS * SAMPLES) / 8000
    tone = np.sin(2 * np.pi * np.array(HERTZ)[tones, None] * time)
    sounds = np.repeat(rng.integers(0, 2, (CLIPS, SNIPPETS)), SAMPLES, axis=1)
    noise = 0.1 * rng.uniform(-1, 1, tone.shape)
    audio = 0.5 * LEVELS.get(kind, 0.2) * (sounds * tone + noise)
    return {
        "videos": np.clip(videos, 0, 255).astype("uint8"),
        "audio": audio.astype("float32"),
        "prompts": ["?"] * CLIPS,
        "responses": [
            "rgb"[color] + "1234"[tone]
            for color, tone in zip(colors, tones, strict=True)
        ],
    }


@functools.cache
def features(kind, adapted):
    preprocessor = small_models.build_preprocessor(sequence_length=8)
    if adapted:
        preprocessor.adapt(clips(kind))
    x, y, sample_weight = preprocessor(clips(kind))
    assert np.isfinite(x["pixel_values"]).all()
    assert np.isfinite(x["audio_features"]).all()
    return x, y, sample_weight


class Fresh:
    """A task that begins anew each time, so that it is compiled once."""

    def __init__(self, **settings):
        keras.utils.set_random_seed(0)
        backbone = small_models.build_backbone(
            num_joint_tokens=1,
            video_hidden_dim=WIDTH,
            audio_hidden_dim=WIDTH,
            hidden_dim=WIDTH,
            text_hidden_dim=WIDTH,
        )
        self.task = small_models.build_task(None, backbone, **settings)
        self.task.compile(keras.optimizers.Adam())
        self.task.optimizer.build(self.task.trainable_variables)
        self.variables = self.task.weights + self.task.optimizer.variables
        self.values = [
            keras.ops.convert_to_numpy(variable) for variable in self.variables
        ]

    def spread(self, x, y, sample_weight):
        """At the start, and the means of each 20 of 300 steps after it."""
        data = dict(x=x, y=y, sample_weight=sample_weight)
        # Without a step, and without compiling another program.
        (start,) = self._fit(0.0, epochs=1, **data)
        return start, self._fit(3e-3, epochs=EPOCHS, **data)

    def _fit(self, learning_rate, **settings):
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)
        self.task.optimizer.learning_rate = learning_rate
        keras.utils.set_random_seed(0)
        history = self.task.fit(**settings, batch_size=BATCH, verbose=0).history
        assert np.isfinite(history["loss"]).all()
        return history["joint_token_spread"]


@pytest.fixture(scope="module")
def default():
    return Fresh()


@pytest.fixture(scope="module")
def text_alone():
    return Fresh(latent_weight=0.0, frame_weight=0.0, spectrogram_weight=0.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("objectives", ["default", "text_alone"])
def test_snippets_stay_apart_once_adapted(objectives, kind, request):
    fresh = request.getfixturevalue(objectives)
    start, spread = fresh.spread(*features(kind, adapted=True))
    assert start > 0.1
    assert min(spread) > 0.1 * start


@pytest.mark.parametrize("objectives", ["default", "text_alone"])
def test_snippets_of_dark_clips_become_alike_unless_adapted(
    objectives, request
):
    # If they do not, the test above shows nothing.
    fresh = request.getfixturevalue(objectives)
    start, spread = fresh.spread(*features("dark", adapted=False))
    assert min(spread) < 0.1 * start
