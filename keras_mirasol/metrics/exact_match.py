"""Exact match of answers in text."""


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
