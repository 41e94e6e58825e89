"""A function of layers as a function of tensors alone."""

import keras


class PureFunction:
    """Calls a function with values for all variables of its layers.

    What is computed a second time, or in a loop, must depend on its arguments
    alone: a weight that it reads by itself gets no gradient on some backends,
    and a seed that it draws by itself is another the second time.

    Args:
        function: what to call. Of variables it reads those of `layers` alone.
        layers: list of built layers.

    Attributes:
        weights: list of tensors, the values of the weights that are trained.
        seeds: list of tensors, the states of what is random.

    Call arguments:
        weights: list of tensors, as above.
        seeds: list of tensors, as above.
        *args, **kwargs: arguments of the function.

    Returns:
        A pair: what the function returns, and the states of what is random
        after it, for `keep()`.

    Raises:
        ValueError: if the function changes a variable that is no random state,
            or adds a loss.
    """

    def __init__(self, function, layers):
        self._function = function
        self._layers = layers
        self._trained = _all("trainable_variables", layers)
        weights = _all("weights", layers)
        others = _without(_all("variables", layers), self._trained)
        self._random = _without(others, weights)
        self._fixed = [
            (variable, keras.ops.stop_gradient(variable.value))
            for variable in _without(others, self._random)
        ]
        self._has_drawn = False
        self.weights = [as_tensor(v.value) for v in self._trained]
        # Copies: `keep()` changes variables of PyTorch in place.
        self.seeds = [variable.value * 1 for variable in self._random]

    def __call__(self, weights, seeds, *args, **kwargs):
        values = [
            *zip(self._trained, weights, strict=True),
            *zip(self._random, seeds, strict=True),
            *self._fixed,
        ]
        with keras.StatelessScope(values, collect_losses=True) as scope:
            before = [scope.get_current_value(v) for v, _ in values]
            results = self._function(*args, **kwargs)
            changed = [
                variable
                for (variable, _), value in zip(values, before, strict=True)
                if scope.get_current_value(variable) is not value
            ]
        self._refuse_side_effects(changed, scope.losses)
        self._has_drawn = self._has_drawn or bool(changed)
        return results, [scope.get_current_value(v) for v in self._random]

    def keep(self, seeds):
        """Sets the states of what is random, if it was used, outside."""
        if self._has_drawn:
            for variable, seed in zip(self._random, seeds, strict=True):
                variable.assign(seed)

    def _refuse_side_effects(self, changed, losses):
        changed = [v.path for v in _without(changed, self._random)]
        if changed or losses:
            effect = f"changes {changed}" if changed else "adds a loss"
            names = [layer.name for layer in self._layers]
            raise ValueError(
                f"What is computed in slices or again must change nothing, but "
                f"a call of {names} {effect}. Freeze the layer that does so "
                "(`trainable = False`), or use it without slices and without "
                "rematerialisation."
            )


def as_tensor(x):
    """`x`, and never a variable of TensorFlow, whose gradient counts twice."""
    return keras.ops.reshape(x, keras.ops.shape(x))


def _all(kind, layers):
    """Variables of a kind of all layers, each once."""
    found = [v for layer in layers for v in getattr(layer, kind)]
    return list({id(variable): variable for variable in found}.values())


def _without(variables, others):
    others = {id(variable) for variable in others}
    return [v for v in variables if id(v) not in others]
