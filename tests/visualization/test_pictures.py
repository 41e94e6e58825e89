"""What pictures show, read back from their axes."""

import keras
import numpy as np
import pytest
import small_models

from keras_mirasol import layers
from keras_mirasol import visualization
from keras_mirasol.visualization.memory import remembered

pytestmark = pytest.mark.any_backend

PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def preprocessor():
    return small_models.build_preprocessor()


@pytest.fixture(scope="module")
def clip():
    return small_models.random_clip(3)


@pytest.fixture
def evidence():
    rng = np.random.default_rng(0)
    return {
        "answer": "a bell",
        "tokens": ["a", " bell"],
        "log_likelihood": np.array([-0.5, -0.1]),
        "attention": rng.uniform(0, 0.3, (2, 3)),
        "video": rng.normal(size=(2, 3)),
        "audio": rng.normal(size=(2, 3)),
        "snippet_seconds": 0.25,
    }


def images(axes):
    return [np.asarray(image.get_array()) for image in axes.images]


def texts(axes):
    return [text.get_text() for text in axes.texts]


class TestPlotClip:
    def test_frames_stand_over_the_spectrogram_of_the_same_seconds(
        self, clip, preprocessor
    ):
        figure = visualization.plot_clip(clip, preprocessor, title="noise")
        frames, spectrogram = figure.axes
        assert frames.get_title() == "noise"
        assert frames.get_xlim() == spectrogram.get_xlim() == (0, 0.75)
        # Two frames a snippet, and each in its place.
        assert len(frames.images) == 6
        assert frames.images[2].get_extent()[:2] == [0.25, 0.375]
        features = preprocessor.preprocess_clip(clip["videos"], clip["audio"])
        (shown,) = images(spectrogram)
        np.testing.assert_allclose(
            shown, np.asarray(features["audio_features"])[:15].T, atol=1e-6
        )

    def test_pixels_look_as_they_were(self, preprocessor):
        videos = np.full((6, 20, 24, 3), (255, 51, 0), "uint8")
        figure = visualization.plot_clip({"videos": videos}, preprocessor)
        for frame in images(figure.axes[0]):
            np.testing.assert_allclose(
                frame, np.broadcast_to([1, 0.2, 0], frame.shape), atol=0.01
            )

    def test_what_is_missing_is_said(self, clip, preprocessor):
        figure = visualization.plot_clip({"audio": clip["audio"]}, preprocessor)
        frames, spectrogram = figure.axes
        assert texts(frames) == ["none"] and not texts(spectrogram)
        assert len(frames.patches) == 3 and not spectrogram.patches


class TestPlotEvidence:
    def test_values_stand_in_rows_of_tokens(self, evidence):
        figure = visualization.plot_evidence(evidence)
        panels = [axes for axes in figure.axes if axes.get_ylabel()]
        assert len(panels) == 3
        for axes, key in zip(
            panels, ("attention", "video", "audio"), strict=True
        ):
            np.testing.assert_allclose(images(axes)[0], evidence[key])
            names = [label.get_text() for label in axes.get_yticklabels()]
            assert names == ["'a'", "' bell'"]
            assert texts(axes)[0] == f"{evidence[key][0, 0]:.2f}"
        assert figure.axes[0].get_title() == "answer: a bell"

    def test_gains_and_losses_have_one_scale_around_zero(self, evidence):
        evidence["audio"][1, 2] = -5.0
        figure = visualization.plot_evidence(evidence)
        limits = {
            axes.images[0].get_clim()
            for axes in figure.axes
            if "adds" in axes.get_ylabel()
        }
        assert limits == {(-5.0, 5.0)}

    def test_the_clip_is_drawn_above(self, evidence, clip, preprocessor):
        figure = visualization.plot_evidence(evidence, clip, preprocessor)
        assert figure.axes[0].get_ylabel() == "frames"
        assert figure.axes[0].get_xlim() == (0, 0.75)

    def test_another_clip_is_refused(self, evidence, preprocessor):
        other = small_models.random_clip(5)
        with pytest.raises(ValueError, match="3 snippets.*has 5"):
            visualization.plot_evidence(evidence, other, preprocessor)

    def test_a_clip_needs_its_preprocessor(self, evidence, clip):
        with pytest.raises(ValueError, match="Give `preprocessor`"):
            visualization.plot_evidence(evidence, clip)


class TestPlotHistory:
    CURVES = {
        "token_accuracy": [0.1, 0.5],
        "text_loss": [2.0, 1.0],
        "loss": [3.0, 2.0],
        "val_loss": [3.5, 2.5],
        "joint_token_spread": [0.1, 0.4],
    }

    @pytest.mark.parametrize("as_history", [False, True])
    def test_each_loss_has_a_panel_and_validation_beside_it(self, as_history):
        history = self.CURVES
        if as_history:
            history = keras.callbacks.History()
            history.history = self.CURVES
        panels = visualization.plot_history(history).axes[:4]
        assert [panel.get_title() for panel in panels] == [
            "loss",
            "text loss",
            "token accuracy",
            "joint token spread",
        ]
        training, validation = panels[0].lines
        np.testing.assert_allclose(training.get_xdata(), [1, 2])
        np.testing.assert_allclose(training.get_ydata(), [3.0, 2.0])
        np.testing.assert_allclose(validation.get_ydata(), [3.5, 2.5])

    def test_no_epoch_is_refused(self):
        with pytest.raises(ValueError, match="at least one epoch"):
            visualization.plot_history({})


class TestPlotRetrieval:
    SCORES = np.array([[0.9, 0.1, 0.0], [0.3, 0.2, 0.8], [0.1, 0.0, 0.5]])

    def test_dots_mark_what_is_found_first(self):
        figure = visualization.plot_retrieval(self.SCORES, texts=list("abc"))
        axes = figure.axes[0]
        np.testing.assert_allclose(axes.lines[0].get_xdata(), [0, 2, 2])
        # Texts 0 and 2 find theirs.
        assert axes.get_title() == "recall@1 0.67, recall@5 1.00, 3 clips"
        assert [t.get_text() for t in axes.get_yticklabels()] == list("abc")

    def test_equal_scores_find_nothing(self):
        figure = visualization.plot_retrieval(np.zeros((8, 8)))
        assert (
            figure.axes[0]
            .get_title()
            .startswith("recall@1 0.00, recall@5 0.00")
        )

    @pytest.mark.parametrize(
        "scores, names, message",
        [
            (np.zeros(3), {}, "shape"),
            (SCORES, {"texts": ["a"]}, "the 3 texts"),
            (SCORES, {"clips": ["a"]}, "the 3 clips"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, scores, names, message):
        with pytest.raises(ValueError, match=message):
            visualization.plot_retrieval(scores, **names)


class TestPlotMemory:
    HERE = np.ones((1, 4), bool)

    def combiner(self, **settings):
        return layers.TokenTuringCombiner(
            2, dim=8, num_heads=2, num_layers=1, memory_size=6, **settings
        )

    def test_shares_add_up_and_the_deaf_snippet_reads_no_sound(self, normal):
        deaf = np.array([[True, False, True, True]])
        figure = visualization.plot_memory(
            self.combiner(),
            normal(1, 4, 3, 5),
            normal(1, 4, 2, 7),
            self.HERE,
            deaf,
        )
        reads, writes = figure.axes[:2]
        for axes, sources in ((reads, 3), (writes, 4)):
            heights = np.reshape(
                [bar.get_height() for bar in axes.patches], (sources, 4)
            )
            np.testing.assert_allclose(heights.sum(axis=0), 1, atol=1e-5)
            np.testing.assert_array_equal(heights[-1] > 0, deaf[0])

    def test_what_is_remembered_follows_shares_through_writes(self):
        # Two slots; each write keeps half of the other slot, and takes half
        # of what is new.
        write = np.array([[0.0, 0.5, 0.5], [0.5, 0.0, 0.5]])
        np.testing.assert_allclose(
            remembered(np.stack([write] * 3), slots=2),
            [[0.5, 0, 0], [0.25, 0.5, 0], [0.125, 0.25, 0.5]],
        )

    def test_slots_are_drawn_where_they_are_erased_and_added_to(self, normal):
        figure = visualization.plot_memory(
            self.combiner(write="erase_and_add"),
            normal(1, 4, 3, 5),
            normal(1, 4, 2, 7),
            self.HERE,
            self.HERE,
        )
        (slots,) = images(figure.axes[1])
        assert slots.shape == (6, 4)
        np.testing.assert_allclose(slots.sum(axis=0), 1, atol=1e-5)

    def test_a_combiner_without_memory_is_refused(self, normal):
        combiner = layers.TransformerCombiner(2, dim=8, num_heads=2)
        tokens = normal(1, 4, 3, 5)
        with pytest.raises(ValueError, match="has a memory"):
            visualization.plot_memory(
                combiner, tokens, tokens, self.HERE, self.HERE
            )

    def test_one_clip_at_a_time(self, normal):
        tokens, here = normal(2, 4, 3, 5), np.ones((2, 4), bool)
        with pytest.raises(ValueError, match="one clip"):
            visualization.plot_memory(
                self.combiner(), tokens, tokens, here, here
            )


def test_a_notebook_shows_pictures_without_pyplot(evidence):
    from matplotlib import pyplot

    figure = visualization.plot_evidence(evidence)
    assert figure._repr_png_().startswith(PNG)
    assert not pyplot.get_fignums()
