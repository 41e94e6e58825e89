"""Clips of photographs that come and go while sounds are heard.

Photographs are the stamps of Tux Paint, in folders by kind, which

    apt-get install tuxpaint-stamps-default

puts into `/usr/share/tuxpaint/stamps`. Sounds are those of sounding shapes:
in each of four half seconds of a file another thing is seen, and another sound
heard. Each half second is a clip to ask about. What is held out are
photographs: other birds, other tools.
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
SIZE = 128
# As sounding shapes are rendered.
FRAME_RATE, SAMPLING_RATE = 16, 16000
# How long a clip is.
SECONDS = 0.5
SLOT_FRAMES = int(SECONDS * FRAME_RATE)


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


def write_corpus(folder, images, num_files, seed):
    """Writes files, and returns all that can be asked about their clips.

    Args:
        folder: path, to be made.
        images: dict from words to images, of `photographs()`.
        num_files: int. Each has four clips.
        seed: int. Files of one seed and number are the same, however many.

    Returns:
        A list of lines of a manifest, three a clip.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(num_files):
        rng = np.random.default_rng((seed, index))
        scene = sounding_shapes.corpus_scene(index, seed=seed)
        words = [str(word) for word in rng.permutation(list(images))[:4]]
        chosen = [images[w][rng.integers(len(images[w]))] for w in words]
        path = folder / f"{index:05d}.mp4"
        write_clip(
            path,
            np.concatenate([slot(image, rng) for image in chosen]),
            sounding_shapes.render_audio(scene),
            frame_rate=FRAME_RATE,
            sampling_rate=SAMPLING_RATE,
        )
        for place, (word, event) in enumerate(
            zip(words, scene.events, strict=True)
        ):
            span = {"start": place * SECONDS, "end": (place + 1) * SECONDS}
            lines += [
                {"media": str(path), **span, **question}
                for question in questions(word, event.sound)
            ]
    return lines


def questions(word, sound):
    """What is asked of a clip, of one modality and of both."""
    for kind, prompt, response in (
        ("seen", "what is seen?", word),
        ("heard", "what is heard?", sound),
        ("both", "what is seen and heard?", f"a {word} and a {sound}"),
    ):
        yield {"kind": kind, "prompt": prompt, "response": response}
