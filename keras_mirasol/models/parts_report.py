"""What a backbone took of other models, and what it has of its own."""

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class TakenPart:
    """A part of a backbone, in numbers of weights.

    Args:
        name: str. The part, such as `"video_encoder"`.
        source: str. What it was taken from, or `""` if all of it is new.
        taken: int. Numbers that came from there.
        new: int. Numbers that are initialised, and still to be trained.
        trained: int. Numbers of both that training changes.
    """

    name: str
    source: str
    taken: int
    new: int
    trained: int


@dataclasses.dataclass(frozen=True)
class PartsReport:
    """Both sides of what was taken: all of it in the backbone, and the rest.

    Args:
        parts: list of `TakenPart`.
        left_behind: dict from a source to the names of its layers that the
            backbone has no use for.
    """

    parts: list
    left_behind: dict

    @classmethod
    def of(cls, backbone, sources):
        """The report about a backbone.

        Args:
            backbone: a `MirasolBackbone`.
            sources: dict from a source to the `keras_hub.models.Backbone`
                that was taken from.
        """
        source_of = {
            id(weight): source
            for source, model in sources.items()
            for weight in model.weights
        }
        used = {id(weight) for weight in backbone.weights}
        left = {
            source: [
                layer.name
                for layer in model.layers
                if layer.weights and not used & set(map(id, layer.weights))
            ]
            for source, model in sources.items()
        }
        return cls(
            [
                _taken(layer, source_of)
                for layer in backbone.layers
                if layer.weights
            ],
            {source: names for source, names in left.items() if names},
        )

    def __str__(self):
        rows = [("part", "taken from", "taken", "new", "trained")]
        rows += [
            (
                part.name,
                part.source or "-",
                f"{part.taken:,}",
                f"{part.new:,}",
                f"{part.trained:,}",
            )
            for part in self.parts
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if place < 2 else cell.rjust(width)
                for place, (cell, width) in enumerate(
                    zip(row, widths, strict=True)
                )
            ).rstrip()
            for row in rows
        ]
        lines += [
            f"Left behind of {source}: {', '.join(names)}"
            for source, names in self.left_behind.items()
        ]
        return "\n".join(lines)


def _taken(layer, source_of):
    taken = [weight for weight in layer.weights if id(weight) in source_of]
    sources = {source_of[id(weight)] for weight in taken}
    return TakenPart(
        layer.name,
        ", ".join(sorted(sources)),
        _count(taken),
        _count(layer.weights) - _count(taken),
        _count(layer.trainable_weights),
    )


def _count(weights):
    return sum(math.prod(weight.shape) for weight in weights)
