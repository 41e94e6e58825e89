"""What binds to private parts of Keras and KerasHub, in one place.

Each has a test that fails when these parts change.
"""

import functools
from pathlib import Path

from keras_hub.src.utils import preset_utils


def saved_class(preset):
    """The class that saved a preset, a task if there is one.

    Args:
        preset: str. A folder, or a handle with a scheme that KerasHub knows.

    Returns:
        A class, or `None` if there is no such preset.
    """
    if "://" not in preset and not Path(preset, "config.json").exists():
        return None
    has_task = preset_utils.check_file_exists(
        preset, preset_utils.TASK_CONFIG_FILE
    )
    file = preset_utils.TASK_CONFIG_FILE if has_task else "config.json"
    return preset_utils.check_config_class(preset_utils.load_json(preset, file))


def layers_within(layer):
    """All layers that a layer or model is made of, at any depth."""
    return layer._flatten_layers(include_self=False)


def refuse_cloning(init):
    """Lets the constructor of a task say that it cannot be cloned by parts.

    `keras.models.clone_model` clones a functional model layer by layer. Of a
    subclass it makes a plain functional model, without what the subclass adds,
    unless the constructor takes any arguments: that is given the graph.
    """

    @functools.wraps(init)
    def wrapper(self, *args, **kwargs):
        if args and isinstance(args[0], dict):
            raise ValueError(
                f"A `{type(self).__name__}` cannot be cloned layer by layer, "
                "as `keras.models.clone_model(task)` does: it is more than its "
                "layers. Use `task.from_config(task.get_config())`."
            )
        init(self, *args, **kwargs)

    return wrapper


def drop_layer(owner, name):
    """Takes away a layer that a base class gave its subclass."""
    layer = getattr(owner, name)
    delattr(owner, name)
    # In place: Keras tracks by this very list.
    owner._layers.remove(layer)
