"""Whole models: with every Combiner, and of pretrained parts."""

import keras
import numpy as np
import pytest
import small_models
import whole_model

COMBINERS = ["transformer", "token_turing"]


@pytest.fixture(scope="session", params=COMBINERS)
def combiner(request):
    """What `MirasolBackbone` takes as `combiner`."""
    return request.param


@pytest.fixture(scope="session", params=[*COMBINERS, "pretrained_parts"])
def kind(request):
    """What `whole_model.build_task()` takes."""
    return request.param


@pytest.fixture(scope="session")
def task(kind):
    """A task with all objectives, to be left as it is."""
    return whole_model.build_task(kind)


@pytest.fixture(scope="session")
def backbone(task):
    return task.backbone


@pytest.fixture
def inputs():
    """Two clips of three snippets, each with a text."""
    return small_models.random_inputs()


@pytest.fixture(scope="session")
def training_step(task):
    """Losses and gradients, by their names, of a step of training.

    Takes inputs, of which each token but the first is to be predicted, and
    leaves the weights as they are.
    """
    optimizer = GradientRecorder()
    task.compile(optimizer)

    def step(inputs):
        task.reset_metrics()
        losses = task.train_on_batch(
            inputs,
            _next(inputs["token_ids"]),
            _next(inputs["padding_mask"]).astype("float32"),
            return_dict=True,
        )
        gradients = {
            weight.path: keras.ops.convert_to_numpy(gradient)
            for weight, gradient in zip(
                task.trainable_weights, optimizer.gradients, strict=True
            )
        }
        return losses, gradients

    return step


def _next(tokens):
    return np.pad(tokens[:, 1:], ((0, 0), (0, 1)))


class GradientRecorder(keras.optimizers.Optimizer):
    """Keeps gradients, where others change weights; zeros where there is none.

    What it sees is what `fit()` trains with, unlike gradients that a test
    takes by itself.
    """

    def __init__(self):
        super().__init__(learning_rate=0.0)

    def build(self, variables):
        if not self.built:
            super().build(variables)
            self.gradients = self.add_optimizer_variables(variables, "gradient")

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        self.assign(self.gradients[index], gradient)
