"""What the paper adds, each layer usable alone on plain tensors."""

from keras_mirasol.layers.attention import Attention
from keras_mirasol.layers.attention_record import record_attention
from keras_mirasol.layers.audio_encoder import AudioEncoder
from keras_mirasol.layers.clip_embedding import ClipEmbedding
from keras_mirasol.layers.convolutional_stem import ConvolutionalStem
from keras_mirasol.layers.joint_token_masking import JointTokenMasking
from keras_mirasol.layers.matching_head import MatchingHead
from keras_mirasol.layers.next_latent import NextLatentPredictor
from keras_mirasol.layers.past_latent import PastLatentPredictor
from keras_mirasol.layers.positions import SinusoidalPositions
from keras_mirasol.layers.pretrained.gated_attention import GatedAttention
from keras_mirasol.layers.pretrained.pretrained_audio_encoder import (
    PretrainedAudioEncoder,
)
from keras_mirasol.layers.pretrained.pretrained_text_decoder import (
    PretrainedTextDecoder,
)
from keras_mirasol.layers.pretrained.pretrained_video_encoder import (
    PretrainedVideoEncoder,
)
from keras_mirasol.layers.reconstruction import FrameReconstruction
from keras_mirasol.layers.reconstruction import SpectrogramReconstruction
from keras_mirasol.layers.scaled_similarity import ScaledSimilarity
from keras_mirasol.layers.snippet_transformer import SnippetTransformer
from keras_mirasol.layers.sparse_tubes import sparse_tubes
from keras_mirasol.layers.spectrogram_embedding import SpectrogramEmbedding
from keras_mirasol.layers.text_decoder import TextDecoder
from keras_mirasol.layers.text_embedding import TextEmbedding
from keras_mirasol.layers.token_turing_combiner import TokenTuringCombiner
from keras_mirasol.layers.transformer import Transformer
from keras_mirasol.layers.transformer_block import TransformerBlock
from keras_mirasol.layers.transformer_combiner import TransformerCombiner
from keras_mirasol.layers.tube_embedding import TubeEmbedding
from keras_mirasol.layers.video_encoder import VideoEncoder

__all__ = [
    "Attention",
    "AudioEncoder",
    "ClipEmbedding",
    "ConvolutionalStem",
    "FrameReconstruction",
    "GatedAttention",
    "JointTokenMasking",
    "MatchingHead",
    "NextLatentPredictor",
    "PastLatentPredictor",
    "PretrainedAudioEncoder",
    "PretrainedTextDecoder",
    "PretrainedVideoEncoder",
    "ScaledSimilarity",
    "SinusoidalPositions",
    "SnippetTransformer",
    "SpectrogramEmbedding",
    "SpectrogramReconstruction",
    "TextDecoder",
    "TextEmbedding",
    "TokenTuringCombiner",
    "Transformer",
    "TransformerBlock",
    "TransformerCombiner",
    "TubeEmbedding",
    "VideoEncoder",
    "record_attention",
    "sparse_tubes",
]
