"""Runs the example of a docstring and reads what its comments promise."""

import ast
import inspect
import math
import re

import keras
import keras_hub
import numpy as np

import keras_mirasol


def check_example(documented):
    """Runs the example and checks what its comments state, one at least."""
    code = re.search(
        r"```python\n(.*?)```", inspect.getdoc(documented), re.DOTALL
    ).group(1)
    names = {
        "np": np,
        "keras": keras,
        "keras_hub": keras_hub,
        "keras_mirasol": keras_mirasol,
    }
    assert run_example(code, names), (
        f"the example of {documented} states no shape or value"
    )


def run_example(code, names):
    """Runs an example and checks each value that a comment states.

    A comment behind a statement states the shape of its value, `# (2, 5)`, or
    the value itself, `# log(4)` or `# ["bell"]`; words may stand before a
    shape.

    Args:
        code: str. The example.
        names: dict. What it may use; what it defines is put there.

    Returns:
        How many values were checked.
    """
    lines = code.splitlines()
    checked = 0
    for statement in ast.parse(code).body:
        value = _run(statement, names)
        _, _, comment = lines[statement.end_lineno - 1].partition("#")
        stated = _stated(comment)
        # Of a loop, a comment is about what is in it.
        if stated is None or not isinstance(statement, (ast.Expr, ast.Assign)):
            continue
        if isinstance(stated, tuple):
            shape = value.shape if hasattr(value, "shape") else value
            assert tuple(shape) == stated
        elif isinstance(stated, (float, int)):
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(value), stated, atol=1e-6
            )
        else:
            assert _plain(value) == stated
        checked += 1
    return checked


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
    if re.fullmatch(r'\[.*\]|\{.*\}|"[^"]*"', comment):
        return ast.literal_eval(comment)
    shape = re.search(r"\([\d+* ]+,([\d+* ]+,?)*\)$", comment)
    return shape and eval(shape.group())


def _plain(value):
    """Lists of what arrays and the like hold."""
    if hasattr(value, "shape"):
        return np.asarray(value).tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value
