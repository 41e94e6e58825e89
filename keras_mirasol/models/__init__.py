"""KerasHub classes made of the layers."""

from keras_mirasol.models.mirasol_audio_converter import MirasolAudioConverter
from keras_mirasol.models.mirasol_backbone import MirasolBackbone
from keras_mirasol.models.mirasol_causal_lm import MirasolCausalLM
from keras_mirasol.models.mirasol_causal_lm_preprocessor import (
    MirasolCausalLMPreprocessor,
)
from keras_mirasol.models.mirasol_embedder import MirasolEmbedder
from keras_mirasol.models.mirasol_pretrainer import MirasolPretrainer
from keras_mirasol.models.mirasol_stream import MirasolStream
from keras_mirasol.models.mirasol_tokenizer import MirasolTokenizer
from keras_mirasol.models.mirasol_video_converter import MirasolVideoConverter
from keras_mirasol.models.pretrained_audio_converter import (
    PretrainedAudioConverter,
)
from keras_mirasol.models.training.throughput_logger import ThroughputLogger
from keras_mirasol.models.training.training_checkpoint import TrainingCheckpoint

__all__ = [
    "MirasolAudioConverter",
    "MirasolBackbone",
    "MirasolCausalLM",
    "MirasolCausalLMPreprocessor",
    "MirasolEmbedder",
    "MirasolPretrainer",
    "MirasolStream",
    "MirasolTokenizer",
    "MirasolVideoConverter",
    "PretrainedAudioConverter",
    "ThroughputLogger",
    "TrainingCheckpoint",
]
