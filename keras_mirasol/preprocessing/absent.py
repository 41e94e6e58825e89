"""What stands for a modality that a clip does not have."""

import numpy as np

# No frames, and no samples. Silence and black frames are something else.
NO_VIDEO = np.zeros((0, 1, 1, 3), "uint8")
NO_AUDIO = np.zeros((0,), "float32")
