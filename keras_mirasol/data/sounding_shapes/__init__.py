"""Sounding shapes: generated clips whose questions need eyes, ears or both.

A clip lasts 2 seconds, in four slots. Each slot shows one coloured shape on a
dark background and plays one sound. In the style `"day"`, the default:

```
            0.0 s         0.5 s         1.0 s         1.5 s          2.0 s
  on screen | red circle  | blue ring   | white cross | green square |
  heard     | bell        | drum        | tone        | buzz         |
```

In the style `"night"` slots last from one to four quarter seconds, not all the
same. Shapes are small and bright on black, and each slot begins with a quiet
sound and ends in silence (`~`):

```
            0.0 s   0.25 s                  1.0 s           1.5 s       2.0 s
  on screen | red   | blue ring             | white cross   | green square  |
            | circle|                       |               |               |
  heard     | bell~~| drum          ~~~~~~~~| tone      ~~~~| buzz     ~~~~~|
```

A recipe that learns from both is not fitted to one look. Whatever the style,
the four colours (of six), the four shapes (of five) and the four sounds (of
six) are each drawn uniformly without replacement, independently of each
other; so are sizes, places, brightness, loudness, pitch and the lengths of
slots. What is seen says nothing about what is heard, so a question across the
two cannot be answered by one alone.

Kinds of question, each with a prompt and its response for the clips above:

| kind      | prompt and response                                         |
|-----------|-------------------------------------------------------------|
| `seen`    | what colour is the circle? red                              |
| `heard`   | what is heard first? bell                                   |
| `fused`   | what colour is on screen while the bell is heard? red       |
| `order`   | what is heard after the bell? drum                          |
| `caption` | what happens last? a green square and a buzz                |
| `relay`   | what shape is on screen right after the bell is heard? ring |
| `story`   | what happens? a red circle and a bell, then a blue ring and |
|           | a drum, then a white cross and a tone, then a green square  |
|           | and a buzz                                                  |
| `moment`  | of the first slot alone: what happens? a red circle and a   |
|           | bell; what colour is seen? red; what shape is seen? circle; |
|           | what is heard? bell                                         |

`write_corpus` asks the first four (`KINDS`) by default and the last four
(`EXTRA_KINDS`) on request. A `story` and its prompt have up to 140 characters:
a preprocessor needs a `sequence_length` with room for them. A `moment` line
has the `"start"` and `"end"` of its slot, so that `clip_dataset` makes a short
clip of that slot alone. Short clips whose captions and one-word answers tell
all that is in them are a dense signal to learn from, before questions about
whole clips.

The best accuracy that can be reached without a modality, over questions drawn
uniformly from a kind and asked one at a time, is the average over the kind's
forms of question, each of which has equally many questions:

| kind      | without audio               | without video               |
|-----------|-----------------------------|-----------------------------|
| `seen`    | 1                           | (1/6 + 1/5) / 2             |
| `heard`   | 1/6                         | 1                           |
| `fused`   | (1/4 + 1/4 + 1/6 + 1/6) / 4 | (1/6 + 1/5 + 1/4 + 1/4) / 4 |
| `order`   | (1 + 1 + 1/5) / 3           | (1/5 + 1/4 + 1) / 3         |
| `caption` | 1/6                         | 1/6 * 1/5                   |
| `relay`   | (1/3 + 1/3 + 1/6 + 1/6) / 4 | (1/6 + 1/5 + 1/3 + 1/3) / 4 |
| `story`   | 1 / 360                     | 1 / (360 * 120)             |
| `moment`  | (1/6 + 1 + 1 + 1/6) / 4     | (1/30 + 1/6 + 1/5 + 1) / 4  |

For example, the four forms of `fused` ask for a colour by a sound, a shape by
a sound, a sound by a shape and a sound by a colour. Without audio, the four
colours and shapes are seen, but not which of them was on (1/4), and the sound
is one of six (1/6). An `order` question names an item that is not the answer,
which leaves 5 colours, 4 shapes or 5 sounds; a `relay` question rules out the
first slot or the last, which leaves three. A `story` names all four sounds,
of six, in order (one of 6 * 5 * 4 * 3 = 360), and likewise the colours, of six,
and the shapes, of five (one of 5 * 4 * 3 * 2 = 120). A
`moment` asks for a slot's colour and shape and sound, then for each by itself:
without audio the sound is one of six (1/6) wherever it is asked for, and
without video the colour is one of six and the shape one of five (1/30
together).
`BEST_WITHOUT_AUDIO` and `BEST_WITHOUT_VIDEO` hold these numbers.
"""

from keras_mirasol.data.sounding_shapes.corpus import corpus_scene
from keras_mirasol.data.sounding_shapes.corpus import write_corpus
from keras_mirasol.data.sounding_shapes.frames import render_frames
from keras_mirasol.data.sounding_shapes.questions import BEST_WITHOUT_AUDIO
from keras_mirasol.data.sounding_shapes.questions import BEST_WITHOUT_VIDEO
from keras_mirasol.data.sounding_shapes.questions import EXTRA_KINDS
from keras_mirasol.data.sounding_shapes.questions import KINDS
from keras_mirasol.data.sounding_shapes.questions import questions
from keras_mirasol.data.sounding_shapes.scene import COLOURS
from keras_mirasol.data.sounding_shapes.scene import SHAPES
from keras_mirasol.data.sounding_shapes.scene import SOUNDS
from keras_mirasol.data.sounding_shapes.scene import Event
from keras_mirasol.data.sounding_shapes.scene import Scene
from keras_mirasol.data.sounding_shapes.scene import sample_scene
from keras_mirasol.data.sounding_shapes.sounds import render_audio

__all__ = [
    "BEST_WITHOUT_AUDIO",
    "BEST_WITHOUT_VIDEO",
    "COLOURS",
    "EXTRA_KINDS",
    "KINDS",
    "SHAPES",
    "SOUNDS",
    "Event",
    "Scene",
    "corpus_scene",
    "questions",
    "render_audio",
    "render_frames",
    "sample_scene",
    "write_corpus",
]
