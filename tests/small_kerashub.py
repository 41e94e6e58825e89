"""Backbones of KerasHub's true classes, small enough for tests."""

import keras_hub

SIZE = 16
IMAGE = (SIZE, SIZE, 3)


def vit(**settings):
    return keras_hub.models.ViTBackbone(
        **{
            "image_shape": IMAGE,
            "patch_size": (8, 8),
            "num_layers": 2,
            "num_heads": 2,
            "hidden_dim": 8,
            "mlp_dim": 16,
            **settings,
        }
    )


def dinov2():
    return keras_hub.models.DINOV2Backbone(
        patch_size=8,
        num_layers=1,
        hidden_dim=8,
        num_heads=2,
        intermediate_dim=16,
        num_register_tokens=1,
        image_shape=IMAGE,
        position_embedding_shape=(24, 24, 3),
    )


def dinov3():
    return keras_hub.models.DINOV3Backbone(
        patch_size=8,
        num_layers=1,
        hidden_dim=8,
        num_heads=2,
        intermediate_dim=16,
        num_register_tokens=1,
        image_shape=IMAGE,
    )


def siglip_vision():
    return keras_hub.models.SigLIPVisionEncoder(
        patch_size=8,
        hidden_dim=8,
        num_layers=1,
        num_heads=2,
        intermediate_dim=16,
        image_shape=IMAGE,
    )


def siglip():
    return keras_hub.models.SigLIPBackbone(
        siglip_vision(),
        keras_hub.models.SigLIPTextEncoder(
            vocabulary_size=12,
            embedding_dim=8,
            hidden_dim=8,
            num_layers=1,
            num_heads=2,
            intermediate_dim=16,
            max_sequence_length=6,
            name="text_encoder",
        ),
    )


def clip():
    return keras_hub.models.CLIPBackbone(
        keras_hub.models.CLIPVisionEncoder(
            patch_size=8,
            hidden_dim=8,
            num_layers=1,
            num_heads=2,
            intermediate_dim=16,
            image_shape=IMAGE,
            name="vision_encoder",
        ),
        keras_hub.models.CLIPTextEncoder(
            vocabulary_size=12,
            embedding_dim=8,
            hidden_dim=8,
            num_layers=1,
            num_heads=2,
            intermediate_dim=16,
            max_sequence_length=6,
            name="text_encoder",
        ),
        projection_dim=8,
    )


def resnet(image_shape=IMAGE):
    return keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=image_shape,
    )


def video_prism(num_frames=2, **settings):
    return keras_hub.models.VideoPrismBackbone(
        **{
            "num_frames": num_frames,
            "patch_size": 8,
            "hidden_dim": 8,
            "intermediate_dim": 16,
            "num_heads": 2,
            "num_spatial_layers": 1,
            "num_temporal_layers": 1,
            "num_auxiliary_layers": 0,
            "image_shape": IMAGE,
            **settings,
        }
    )


def whisper(**settings):
    return keras_hub.models.WhisperBackbone(
        **{
            "vocabulary_size": 12,
            "num_layers": 1,
            "num_heads": 2,
            "hidden_dim": 8,
            "intermediate_dim": 16,
            "num_mels": 80,
            "max_encoder_sequence_length": 100,
            "max_decoder_sequence_length": 6,
            **settings,
        }
    )


def moonshine():
    return keras_hub.models.MoonshineBackbone(
        vocabulary_size=12,
        filter_dim=8,
        encoder_num_layers=1,
        decoder_num_layers=1,
        hidden_dim=8,
        intermediate_dim=16,
        encoder_num_heads=2,
        decoder_num_heads=2,
    )


VOCABULARY = 24


def gpt2(**settings):
    return keras_hub.models.GPT2Backbone(
        **{
            "vocabulary_size": VOCABULARY,
            "num_layers": 2,
            "num_heads": 2,
            "hidden_dim": 8,
            "intermediate_dim": 16,
            "max_sequence_length": 128,
            **settings,
        }
    )


def gemma3(**settings):
    return keras_hub.models.Gemma3Backbone(
        **{
            "vocabulary_size": VOCABULARY,
            "image_size": SIZE,
            "num_layers": 2,
            "num_query_heads": 2,
            "num_key_value_heads": 1,
            "hidden_dim": 8,
            "intermediate_dim": 16,
            "head_dim": 6,
            "use_post_ffw_norm": True,
            "use_post_attention_norm": True,
            "use_sliding_window_attention": True,
            "sliding_window_size": 4,
            "final_logit_soft_cap": 5.0,
            **settings,
        }
    )


def gemma():
    return keras_hub.models.GemmaBackbone(
        vocabulary_size=VOCABULARY,
        num_layers=2,
        num_query_heads=2,
        num_key_value_heads=1,
        hidden_dim=8,
        intermediate_dim=16,
        head_dim=4,
    )


def _like_llama(backbone_class, **settings):
    return backbone_class(
        vocabulary_size=VOCABULARY,
        num_layers=2,
        num_query_heads=2,
        num_key_value_heads=1,
        hidden_dim=8,
        intermediate_dim=16,
        **settings,
    )


def llama3():
    return _like_llama(keras_hub.models.Llama3Backbone)


def mistral():
    return _like_llama(keras_hub.models.MistralBackbone)


def qwen():
    return _like_llama(keras_hub.models.QwenBackbone)


def qwen3():
    return _like_llama(keras_hub.models.Qwen3Backbone, head_dim=6)
