"""Runs the example of a docstring and reads what its comments promise."""

import ast
import inspect
import math
import re

import keras
import numpy as np

import keras_mirasol


def check_example(documented):
    """Runs the example and checks each value that a comment states.

    A comment behind a statement states the shape of its value, `# (2, 5)`, or
    the value itself, `# log(4)`; words may stand before it.
    """
    code = re.search(
        r"```python\n(.*?)```", inspect.getdoc(documented), re.DOTALL
    ).group(1)
    lines = code.splitlines()
    names = {"np": np, "keras": keras, "keras_mirasol": keras_mirasol}
    checked = 0
    for statement in ast.parse(code).body:
        value = _run(statement, names)
        _, _, comment = lines[statement.end_lineno - 1].partition("#")
        stated = _stated(comment)
        if stated is None:
            continue
        if isinstance(stated, tuple):
            shape = value.shape if hasattr(value, "shape") else value
            assert tuple(shape) == stated
        else:
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(value), stated, atol=1e-6
            )
        checked += 1
    assert checked, f"the example of {documented} states no shape or value"


def _run(statement, names):
    """Runs a statement; its value, or that of the name it assigns to."""
    if isinstance(statement, ast.Expr):
        return eval(
            compile(ast.Expression(statement.value), "example", "eval"), names
        )
    exec(compile(ast.Module([statement], []), "example", "exec"), names)
    if isinstance(statement, ast.Assign):
        return names.get(getattr(statement.targets[0], "id", None))


def _stated(comment):
    comment = comment.strip()
    if re.fullmatch(r"[\d.]+|log\(\d+\)", comment):
        return eval(comment, {"log": math.log})
    shape = re.search(r"\([\d+* ]+(,[\d+* ]+)+\)$", comment)
    return shape and eval(shape.group())
