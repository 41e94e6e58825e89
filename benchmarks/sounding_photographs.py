"""Clips of photographs that come and go while sounds are heard.

Photographs are the stamps of Tux Paint, in folders by kind, which

    apt-get install tuxpaint-stamps-default

puts into `/usr/share/tuxpaint/stamps`. Sounds are those of sounding shapes:
in each of four half seconds of a clip another thing is seen, and another sound
heard. What is held out are photographs: other birds, other tools.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from keras_mirasol.data import sounding_shapes
from keras_mirasol.data import write_clip

STAMPS = Path("/usr/share/tuxpaint/stamps")
FOLDERS = {
    "bird": "animals/birds",
    "mammal": "animals/mammals",
    "fruit": "food/fruit",
    "vegetable": "food/vegetables",
    "flower": "plants/flowers",
    "vehicle": "vehicles",
    "tool": "household",
    "garment": "clothes",
}
PLACES = ("first", "second", "third", "last")
SIZE = 128
SLOT_FRAMES = sounding_shapes.FRAME_RATE // 2


def photographs(folder):
    """Photographs by what is in them, to learn from and held out.

    A third of each kind is held out.

    Args:
        folder: path of the stamps.

    Returns:
        A pair of dicts from words to lists of images with transparency.
    """
    learned, held_out = {}, {}
    for word, name in FOLDERS.items():
        paths = [
            path
            for path in sorted((Path(folder) / name).rglob("*.png"))
            if "cartoon" not in path.parts
        ]
        images = [Image.open(path).convert("RGBA") for path in paths]
        order = np.random.default_rng(0).permutation(len(images))
        cut = len(images) // 3
        held_out[word] = [images[i] for i in order[:cut]]
        learned[word] = [images[i] for i in order[cut:]]
    return learned, held_out


def slot(image, rng):
    """Frames of half a second, in which a photograph drifts over paper."""
    size = round(SIZE * rng.uniform(0.7, 1.0))
    image = image.copy()
    image.thumbnail((size, size))
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    paper = Image.new("RGBA", (SIZE, SIZE), _paper(rng))
    corners = rng.uniform(0, 1, (2, 2)) * (SIZE - np.array(image.size))
    frames = []
    for corner in np.linspace(*corners, SLOT_FRAMES):
        frame = paper.copy()
        frame.alpha_composite(image, tuple(int(at) for at in corner))
        frames.append(np.asarray(frame.convert("RGB")))
    return np.stack(frames)


def _paper(rng):
    return (*(int(part) for part in rng.integers(60, 256, 3)), 255)


def write_corpus(folder, images, num_clips, seed):
    """Writes clips, and returns all that can be asked about them.

    Args:
        folder: path, to be made.
        images: dict from words to images, of `photographs()`.
        num_clips: int.
        seed: int. Clips of one seed and number are the same, whatever the
            number of clips.

    Returns:
        A list of lines of a manifest.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(num_clips):
        rng = np.random.default_rng((seed, index))
        scene = sounding_shapes.corpus_scene(index, seed=seed)
        words = [str(word) for word in rng.permutation(list(images))[:4]]
        frames = [slot(rng.choice(images[word]), rng) for word in words]
        path = folder / f"{index:05d}.mp4"
        write_clip(
            path,
            np.concatenate(frames),
            sounding_shapes.render_audio(scene),
            frame_rate=sounding_shapes.FRAME_RATE,
            sampling_rate=sounding_shapes.SAMPLING_RATE,
        )
        sounds = [event.sound for event in scene.events]
        lines += [
            {"media": str(path), **question}
            for question in questions(words, sounds)
        ]
    return lines


def questions(words, sounds):
    """What is asked of a clip, of one modality and of both."""
    for place, word, sound in zip(PLACES, words, sounds, strict=True):
        for kind, prompt, response in (
            ("seen", f"what is seen {place}?", word),
            ("heard", f"what is heard {place}?", sound),
            ("fused", f"what is seen while the {sound} is heard?", word),
        ):
            yield {"kind": kind, "prompt": prompt, "response": response}
