"""What an objective is."""


class Objective:
    """Something to be learned: a head on the backbone, a loss and its weight.

    To be inherited from.

    Args:
        weight: float. Weight of the loss; 0 leaves the objective out.
    """

    # Of the loss, in the progress bar, and of the weight, as an argument.
    name = None

    def __init__(self, weight):
        self.weight = weight

    def connect(self, backbone, read):
        """Puts the head on a backbone.

        Args:
            backbone: a `MirasolBackbone`.
            read: dict of symbolic tensors, the inputs and the outputs of the
                backbone.

        Returns:
            A dict of symbolic tensors, what `loss()` needs of the task.
        """
        raise NotImplementedError

    def loss(self, x, y, y_pred, sample_weight, training):
        """The loss of a batch, before it is weighted.

        Args:
            x, y, y_pred, sample_weight, training: see
                `keras.Model.compute_loss`.

        Returns:
            A scalar float32 tensor.
        """
        raise NotImplementedError

    def get_config(self):
        """The arguments of a task that make this objective."""
        return {f"{self.name}_weight": self.weight}
