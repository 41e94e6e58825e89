"""Exact match of answers in text."""

import keras


def exact_match(responses, answers):
    """Which answers are the expected response, to the letter.

    Space at either end does not count, case does.

    Args:
        responses: sequence of strings, the expected responses.
        answers: sequence of strings, as many.

    Returns:
        A list of bools.

    Raises:
        ValueError: if there are not as many answers as responses.

    Example:
    ```python
    keras_mirasol.metrics.exact_match(["a bell", "red"], ["a bell", "Red"])
    # [True, False]
    ```
    """
    if len(responses) != len(answers):
        raise ValueError(
            "Expected one answer a response. Received: "
            f"{len(responses)} responses and {len(answers)} answers."
        )
    return [
        response.strip() == answer.strip()
        for response, answer in zip(responses, answers, strict=True)
    ]


@keras.saving.register_keras_serializable(package="keras_mirasol")
class ExactMatch(keras.metrics.Mean):
    """Share of answers that are the expected response; see `exact_match()`.

    Of strings, so it goes with evaluation and not into a compiled step.

    Args:
        name: str. Defaults to `"exact_match"`.
        **kwargs: see `keras.metrics.Mean`.

    Example:
    ```python
    metric = keras_mirasol.metrics.ExactMatch()
    metric(["a bell", "red"], ["a bell", "Red"])  # 0.5
    ```
    """

    def __init__(self, name="exact_match", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, responses, answers):
        """Adds answers.

        Args:
            responses: sequence of strings, the expected responses.
            answers: sequence of strings, as many.

        Raises:
            ValueError: if there are not as many answers as responses.
        """
        right = exact_match(responses, answers)
        super().update_state([float(is_right) for is_right in right])
