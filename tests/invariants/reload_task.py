"""`reload_task.py TASK CLIPS FOLDER`, run on other backends by the tests.

Loads a task, and writes into the folder what it makes of the clips and, as
saved anew by this backend, the task.
"""

import sys
from pathlib import Path

import numpy as np

from keras_mirasol.models import MirasolCausalLM


def outputs_of(task, clips):
    """All that the model makes of raw clips and texts, as arrays."""
    x, _, _ = task.preprocessor(clips)
    return task.predict_on_batch(x)


def main(saved_task, clips, folder):
    task = MirasolCausalLM.from_preset(saved_task)
    with np.load(clips) as file:
        outputs = outputs_of(task, dict(file))
    np.savez(Path(folder, "outputs.npz"), **outputs)
    task.save_to_preset(Path(folder, "task"))


if __name__ == "__main__":
    main(*sys.argv[1:])
