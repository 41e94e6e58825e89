"""Presets that ship inside the package."""

import json
from pathlib import Path

import keras

FOLDER = Path(__file__).parent.parent / "presets"
# Weights in one file, or the index of weights in several.
WEIGHTS_FILES = ("model.weights.h5", "model.weights.json")


class _ClassProperty:
    def __init__(self, read):
        self.read = read

    def __get__(self, instance, owner):
        return self.read(owner)


class ShippedPresets:
    """Lets a KerasHub class find the presets in `keras_mirasol/presets`."""

    @_ClassProperty
    def presets(cls):
        """Shipped presets: a dict from name to metadata.

        `"metadata"` has a `"description"`, the first words of the model card
        in the preset's folder, and the number of `"params"`.
        `"has_weights"` says which ship with weights; the others are built
        with `from_preset(name, load_weights=False)`.
        """
        return {
            folder.name: {
                "metadata": _metadata(folder),
                "path": str(folder),
                "has_weights": _has_weights(folder),
            }
            for folder in sorted(FOLDER.glob("*"))
            if (folder / "config.json").exists()
        }

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """Loads a preset.

        A warning names the layers of a task that the preset has no weights of,
        and that start anew: it was saved by another task, or by a backbone.

        Args:
            preset: str or path. A shipped preset's name, such as
                `"mirasol_tiny"`, a folder made by `save_to_preset()`, or a
                handle with a scheme that KerasHub knows.
            **kwargs: see KerasHub's `from_preset()`. `load_weights=False`
                builds any preset with new weights.

        Returns:
            An instance of the class.

        Raises:
            ValueError: if there is no such preset, or weights are asked of
                one that has none.

        Example:
        ```python
        task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
        ```
        """
        name = preset = str(preset)
        shipped = cls.presets
        if name in shipped:
            preset = shipped[name]["path"]
        elif "://" not in name and not Path(name, "config.json").exists():
            raise ValueError(
                f"There is no preset {name!r}. Use the name of a shipped "
                f"preset, one of {list(shipped)}, or a folder that "
                "`save_to_preset()` made."
            )
        takes_weights = issubclass(cls, keras.Model) and kwargs.get(
            "load_weights", True
        )
        if (
            takes_weights
            and "://" not in preset
            and not _has_weights(Path(preset))
        ):
            with_weights = [n for n in shipped if shipped[n]["has_weights"]]
            raise ValueError(
                f"The preset {name!r} has no weights to load. Give "
                "`load_weights=False` to build it with new weights, to be "
                "trained, or use a preset that ships with weights, one of "
                f"{with_weights}."
            )
        loaded = super().from_preset(preset, **kwargs)
        if takes_weights:
            loaded._tell_new_layers(name)
        return loaded

    def _tell_new_layers(self, preset):
        """Warns of layers that a preset has no weights of; tasks may."""


def _metadata(folder):
    """What KerasHub says of its presets, and what saving wrote."""
    metadata = json.loads((folder / "metadata.json").read_text())
    card = folder / "README.md"
    # A new preset has none until `benchmarks/model_card.py` counted it.
    text = card.read_text(encoding="utf-8") if card.exists() else ""
    _, _, text = text.partition(f"# {folder.name}\n\n")
    description, _, _ = text.partition("\n\n")
    return {
        "description": description.replace("\n", " "),
        "params": metadata["parameter_count"],
        "path": "mirasol",
        **metadata,
    }


def _has_weights(folder):
    return any((folder / name).exists() for name in WEIGHTS_FILES)
