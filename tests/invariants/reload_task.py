"""`reload_task.py TASK CLIPS STREAM FOLDER`, run on other backends by tests.

Loads a task, and writes into the folder what it makes of the clips, of those
that a saved stream has seen in part, and, as saved anew by this backend, the
task.
"""

import sys
from pathlib import Path

import keras
import numpy as np

from keras_mirasol.models import MirasolCausalLM

# Frames and samples in the midst of a snippet.
FRAMES_BEFORE, SAMPLES_BEFORE = 3, 2900


def save_stream(task, clips, path):
    """Watches the beginning of the clips."""
    stream = task.stream(batch_size=len(clips["videos"]), max_snippets=2)
    stream.observe(
        clips["videos"][:, :FRAMES_BEFORE], clips["audio"][:, :SAMPLES_BEFORE]
    )
    stream.save(path)


def outputs_of(task, clips, saved_stream):
    """All that the model makes of raw clips and texts, as arrays."""
    x, _, _ = task.preprocessor(clips)
    stream = task.stream(batch_size=len(clips["videos"]))
    stream.restore(saved_stream)
    latents = stream.observe(
        clips["videos"][:, FRAMES_BEFORE:], clips["audio"][:, SAMPLES_BEFORE:]
    )
    latents = np.stack([keras.ops.convert_to_numpy(x) for x in latents])
    return {**task.predict_on_batch(x), "streamed_latents": latents}


def main(saved_task, clips, saved_stream, folder):
    task = MirasolCausalLM.from_preset(saved_task)
    with np.load(clips) as file:
        outputs = outputs_of(task, dict(file), saved_stream)
    np.savez(Path(folder, "outputs.npz"), **outputs)
    task.save_to_preset(Path(folder, "task"))


if __name__ == "__main__":
    main(*sys.argv[1:])
