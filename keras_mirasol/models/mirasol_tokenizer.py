"""The default tokenizer: bytes."""

import keras
import keras_hub

from keras_mirasol.data.graph import outside_graph
from keras_mirasol.models.mirasol_backbone import MirasolBackbone
from keras_mirasol.models.shipped_presets import ShippedPresets

NUM_BYTES = 256


@keras.saving.register_keras_serializable(package="keras_mirasol")
class MirasolTokenizer(ShippedPresets, keras_hub.tokenizers.ByteTokenizer):
    """Text as its UTF-8 bytes, with a start and an end token.

    Ids 0 to 255 are bytes, 256 starts a text and 257 ends it. Nothing has to
    be downloaded or learned, and any text of any language can be written.
    Padding has id 0; models go by masks, never by this value. Any other
    KerasHub tokenizer with start, end and padding ids may take its place.

    Args:
        lowercase: bool. Whether text is lowercased. Defaults to `False`.
        **kwargs: see `keras_hub.tokenizers.ByteTokenizer`.

    Example:
    ```python
    tokenizer = keras_mirasol.models.MirasolTokenizer()
    tokenizer("bell")  # [98, 101, 108, 108]
    tokenizer.detokenize([98, 101, 108, 108, 257])  # "bell"
    ```
    """

    backbone_cls = MirasolBackbone

    def __init__(self, lowercase=False, **kwargs):
        self.start_token_id = NUM_BYTES
        self.end_token_id = NUM_BYTES + 1
        self.pad_token_id = 0
        super().__init__(lowercase=lowercase, **kwargs)

    def _update_special_token_ids(self):
        # The base class looks for special tokens in a vocabulary of strings.
        pass

    @property
    def special_token_ids(self):
        return [self.start_token_id, self.end_token_id]

    def vocabulary_size(self):
        return NUM_BYTES + 2

    def get_vocabulary(self):
        return {self.id_to_token(i): i for i in range(self.vocabulary_size())}

    def id_to_token(self, id):
        if not 0 <= id < self.vocabulary_size():
            raise ValueError(
                f"`id` must be in [0, {self.vocabulary_size()}). Received: {id}"
            )
        return {256: "<start>", 257: "<end>"}.get(id, chr(id))

    def token_to_id(self, token):
        special = {"<start>": 256, "<end>": 257}
        if token in special:
            return special[token]
        return super().token_to_id(token)

    def tokenize(self, inputs):
        if not self._use_tf_workflow() or self.sequence_length:
            return super().tokenize(inputs)
        # The base class fails in a graph where all texts are empty.
        return super().tokenize(inputs + "\0")[..., :-1]

    def detokenize(self, inputs):
        """Text of token ids; start, end and padding ids are left out.

        Args:
            inputs: ints, a list of lists of ints, or an int array or tensor
                of rank 1 or 2.

        Returns:
            A string, or a list of strings.
        """
        if self._use_tf_workflow():
            from keras_mirasol.data import text_packing

            # Or the base class would keep a tensor of the first graph.
            outside_graph(self._maybe_initialized_tf)
            # The base class leaves out zeros.
            return super().detokenize(text_packing.zero_from(inputs, NUM_BYTES))
        if hasattr(inputs, "to_list"):  # A ragged tensor.
            inputs = inputs.to_list()
        elif hasattr(inputs, "shape"):
            inputs = keras.ops.convert_to_numpy(inputs).tolist()
        if not inputs or not isinstance(inputs[0], (list, tuple)):
            return super().detokenize([i for i in inputs if i < NUM_BYTES])
        return [self.detokenize(row) for row in inputs]

    # Bytes need no vocabulary files, but presets ask for them.
    def save_assets(self, dir_path):
        pass

    def load_preset_assets(self, preset):
        pass
