"""Presets that ship inside the package."""

import json
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "presets"


class _ClassProperty:
    def __init__(self, read):
        self.read = read

    def __get__(self, instance, owner):
        return self.read(owner)


class ShippedPresets:
    """Lets a KerasHub class find the presets in `keras_mirasol/presets`."""

    @_ClassProperty
    def presets(cls):
        """Shipped presets: a dict from name to metadata."""
        return {
            folder.name: {
                "metadata": json.loads((folder / "metadata.json").read_text()),
                "path": str(folder),
            }
            for folder in sorted(FOLDER.glob("*"))
            if (folder / "config.json").exists()
        }

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """Loads a preset.

        Args:
            preset: str or path. A shipped preset's name, such as
                `"mirasol_tiny"`, a folder made by `save_to_preset()`, or a
                handle with a scheme that KerasHub knows.
            **kwargs: see KerasHub's `from_preset()`. `load_weights=False`
                builds any preset with new weights.

        Returns:
            An instance of the class.

        Raises:
            ValueError: if there is no such preset.

        Example:
        ```python
        task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
        ```
        """
        preset = str(preset)
        shipped = cls.presets
        if preset in shipped:
            preset = shipped[preset]["path"]
        elif "://" not in preset and not Path(preset, "config.json").exists():
            raise ValueError(
                f"There is no preset {preset!r}. Use the name of a shipped "
                f"preset, one of {list(shipped)}, or a folder that "
                "`save_to_preset()` made."
            )
        return super().from_preset(preset, **kwargs)
